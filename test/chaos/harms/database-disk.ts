import { execFileSync } from 'node:child_process';
import { lstatSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { between, type Harm } from '../harm.ts';
import type { PostgresControl } from '../stores.ts';
import type { World } from '../world.ts';
import { fill, makeSmallDisk, removeSmallDisk, whyNoSmallDisk } from './small-disk.ts';

/** Room beside the database that is there, for the time until the filler takes it. */
const ROOM_MIB = 48;
/** Segments of the log of changes that the server may have in store, at the most. */
const SEGMENTS = 8;
const BACK_LIMIT_MS = 60_000;

function controlOf(world: World): PostgresControl {
  if (world.store.postgres === undefined) throw new Error('this harm is one for PostgreSQL');
  return world.store.postgres;
}

/** Copies with owners and modes, which the server insists on. */
function copyAll(from: string, to: string): void {
  execFileSync('cp', ['-aT', from, to]);
}

/** Does something to the server's files while nobody uses them. */
async function whileStopped(world: World, work: (data: string) => void): Promise<void> {
  const { server } = controlOf(world);
  for (const node of world.nodes) await node.stop();
  await server.stop('fast');
  work(join(server.directory, 'data'));
  await server.start();
  for (const node of world.nodes) await world.start(node);
}

/**
 * Goes on to the next segment of the log of changes until there is none: the server, which must not go on
 * without one, then ends itself (PANIC), and cannot come back while the disk is full.
 */
async function useUpLog(control: PostgresControl): Promise<void> {
  try {
    await control.withClient(async (client) => {
      for (let segment = 0; segment < SEGMENTS; segment += 1) {
        await client.query(`SELECT pg_logical_emit_message(false, 'chaos', 'x')`);
        await client.query('SELECT pg_switch_wal()');
      }
    });
  } catch {
    // The end that was meant, or the disk being full already.
  }
}

/** Comes back by itself when it could; ended for good, it is started as whoever supervises it would. */
async function untilBack(control: PostgresControl): Promise<void> {
  const { server } = control;
  const until = performance.now() + BACK_LIMIT_MS;
  for (;;) {
    if (!server.isRunning) await server.start();
    try {
      await control.withClient((client) => client.query('SELECT 1'));
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await delay(20);
    }
  }
}

/** PostgreSQL without a byte left on its disk, for a while; half of the time also without a log to write to. */
export const databaseDiskFull: Harm = {
  what: 'the disk of PostgreSQL is full for a while: writes fail, and in half of the rounds the server ends itself',
  stores: ['postgres'],
  alone: true,
  impossible: whyNoSmallDisk,
  before: ({ world }) =>
    whileStopped(world, (data) => {
      const disk = makeSmallDisk(data, ROOM_MIB);
      copyAll(data, disk);
      renameSync(data, `${data}-before`);
      symlinkSync(disk, data);
    }),
  strike: async (scene) => {
    const { world, random } = scene;
    const control = controlOf(world);
    await scene.acknowledged(between(random, 5, 40));
    const filler = join(control.server.directory, 'data', 'filler');
    fill(filler);
    if (between(random, 1, 2) === 1) await useUpLog(control);
    await delay(between(random, 200, 1_500));
    rmSync(filler, { force: true });
    await untilBack(control);
    scene.healed();
  },
  undo: (world) =>
    whileStopped(world, (data) => {
      if (!lstatSync(data).isSymbolicLink()) return;
      const disk = readlinkSync(data);
      rmSync(data);
      rmSync(`${data}-before`, { recursive: true });
      copyAll(disk, data);
      removeSmallDisk(disk);
    }),
};
