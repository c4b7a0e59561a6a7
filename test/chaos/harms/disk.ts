import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { GatewayNode } from '../gateway-node.ts';
import { between, type Harm } from '../harm.ts';
import { raise } from './raise.ts';
import { fill, makeSmallDisk, removeSmallDisk, whyNoSmallDisk } from './small-disk.ts';

/** Room beside the data that is there: for what the filler does not take, until it does. */
const ROOM_MIB = 48;

/** Moves a stopped node's data to another folder. */
function move(node: GatewayNode, to: string): void {
  for (const file of readdirSync(node.dataDir)) {
    if (file.startsWith('gateway-')) continue;
    cpSync(join(node.dataDir, file), join(to, file));
    if (node.dataDir !== to) rmSync(join(node.dataDir, file));
  }
  node.dataDir = to;
}

const home = new WeakMap<GatewayNode, string>();

/** A disk without a byte left, for a while; sometimes the process is killed while it is full. */
export const diskFull: Harm = {
  what: 'the disk is full for a while: writes fail, and sometimes the process is killed then',
  stores: ['sqlite'],
  alone: true,
  impossible: whyNoSmallDisk,
  before: async ({ world, node }) => {
    await node.stop();
    const folder = makeSmallDisk(node.dataDir, ROOM_MIB);
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
      removeSmallDisk(mounted);
      await world.start(node);
    }
  },
};
