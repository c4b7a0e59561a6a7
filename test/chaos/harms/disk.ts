import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { GatewayNode } from '../gateway-node.ts';
import { between, type Harm } from '../harm.ts';
import { raise } from './raise.ts';

/** Room beside the data that is there: for what the filler does not take, until it does. */
const ROOM_MIB = 48;

/** Why no small file system can be made here; `null` = it can. Found out once, by trying. */
let whyNot: string | null | undefined;

function whyNoMount(): string | null {
  if (whyNot !== undefined) return whyNot;
  if (process.getuid?.() !== 0) whyNot = 'mounting a small file system needs root';
  else {
    const folder = mkdtempSync(join(tmpdir(), 'ringback-chaos-disk-'));
    whyNot = mount(folder, 1) ? null : 'no file system can be mounted here';
    spawnSync('umount', [folder]);
    rmSync(folder, { recursive: true, force: true });
  }
  return whyNot;
}

function mount(folder: string, sizeMiB: number): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', folder]).status === 0;
}

/** Moves a stopped node's data to another folder. */
function move(node: GatewayNode, to: string): void {
  for (const file of readdirSync(node.dataDir)) {
    if (file.startsWith('gateway-')) continue;
    cpSync(join(node.dataDir, file), join(to, file));
    if (node.dataDir !== to) rmSync(join(node.dataDir, file));
  }
  node.dataDir = to;
}

/** Takes the last byte that there is. */
function fill(file: string): void {
  for (const bytes of [1024 * 1024, 4_096, 1]) {
    try {
      for (;;) writeFileSync(file, new Uint8Array(bytes), { flag: 'a' });
    } catch {
      // Full for writes of this size.
    }
  }
}

const home = new WeakMap<GatewayNode, string>();

/** A disk without a byte left, for a while; sometimes the process is killed while it is full. */
export const diskFull: Harm = {
  what: 'the disk is full for a while: writes fail, and sometimes the process is killed then',
  stores: ['sqlite'],
  alone: true,
  impossible: whyNoMount,
  before: async ({ world, node }) => {
    await node.stop();
    const folder = mkdtempSync(join(tmpdir(), 'ringback-chaos-disk-'));
    const bytes = readdirSync(node.dataDir).reduce(
      (sum, file) => sum + statSync(join(node.dataDir, file)).size,
      0,
    );
    if (!mount(folder, Math.ceil(bytes / 2 ** 20) + ROOM_MIB)) throw new Error(`cannot mount ${folder}`);
    home.set(node, node.dataDir);
    move(node, folder);
    await world.start(node);
  },
  strike: async (scene) => {
    const { node, random } = scene;
    await delay(between(random, 20, 300));
    const filler = join(node.dataDir, 'filler');
    fill(filler);
    await delay(between(random, 100, 800));
    const isKilled = between(random, 1, 3) === 1;
    if (isKilled) await node.kill();
    rmSync(filler, { force: true });
    if (isKilled) await raise(scene);
    else scene.healed();
  },
  undo: async (world) => {
    for (const node of world.nodes) {
      const folder = home.get(node);
      if (folder === undefined || folder === node.dataDir) continue;
      await node.stop();
      const mounted = node.dataDir;
      move(node, folder);
      spawnSync('umount', [mounted]);
      rmSync(mounted, { recursive: true, force: true });
      await world.start(node);
    }
  },
};
