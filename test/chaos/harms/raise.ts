import { rmSync } from 'node:fs';
import type { Scene } from '../harm.ts';

/** Starts the node that has died. Whoever else killed it may just be doing the same. */
export async function raise(scene: Scene): Promise<void> {
  const { world, node } = scene;
  node.mayEnd = true;
  // Not reached, a plan to die would strike in a later round.
  rmSync(node.deathFile, { force: true });
  scene.healed();
  // Where another harm has taken the database away a start fails, as it should; it is repeated later.
  if (!(await world.start(node))) node.mayEnd = true;
}
