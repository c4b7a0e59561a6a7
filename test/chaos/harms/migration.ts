import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type { SeededRandomness } from '../../../src/testing/seeded-randomness.ts';
import { listMigrations, migrate } from '../../../src/stores/sqlite/migrate.ts';
import type { GatewayNode } from '../gateway-node.ts';
import { between, type Harm } from '../harm.ts';
import type { World } from '../world.ts';

/** Before this version there was no order to keep. */
const OLDEST = 2;
/** Statements of one migration at which a process can die: its text, and the note that it is done. */
const PLACES = 2;

/**
 * Puts a database back to an older schema, as if the older version had made it and everything in it: each
 * table of then, with the columns that it had.
 */
function downgrade(file: string, version: number): void {
  const older = new DatabaseSync(`${file}.older`);
  migrate(older, version);
  older.prepare('ATTACH ? AS newer').run(file);
  const tables = older.prepare(`SELECT name FROM main.sqlite_master WHERE type = 'table'`).all();
  for (const { name } of tables) {
    const columnsOf = (schema: string): string[] =>
      older
        .prepare(`SELECT name FROM ${schema}.pragma_table_info(?)`)
        .all(String(name))
        .map((row) => String(row['name']));
    const known = new Set(
      older
        .prepare('SELECT name FROM pragma_table_info(?, ?)')
        .all(String(name), 'newer')
        .map((row) => String(row['name'])),
    );
    const columns = columnsOf('main')
      .filter((column) => known.has(column))
      .join(', ');
    older.exec(`DELETE FROM main.${String(name)}`);
    older.exec(`INSERT INTO main.${String(name)} (${columns}) SELECT ${columns} FROM newer.${String(name)}`);
  }
  older.exec('DETACH newer');
  older.close();
  for (const ending of ['-wal', '-shm']) rmSync(`${file}${ending}`, { force: true });
  renameSync(`${file}.older`, file);
  if (existsSync(`${file}.older-wal`)) throw new Error('the older database was not closed whole');
}

/** Starts the node again and again, each time to die a little later in its migrations, until it lives. */
async function dieThrough(
  world: World,
  node: GatewayNode,
  random: SeededRandomness,
  places: number,
): Promise<number> {
  let deaths = 0;
  for (let place = between(random, 1, 2); place <= places; place += between(random, 1, 3)) {
    writeFileSync(node.deathFile, `migration ${place}`);
    node.mayEnd = true;
    if (await world.start(node)) break;
    deaths += 1;
  }
  rmSync(node.deathFile, { force: true });
  if (!(await world.start(node))) {
    world.ledger.violate('damaged', `node ${node.name} does not start after it died in a migration`);
  }
  return deaths;
}

/** SQLite: under load the process is killed, and what starts in its place finds a database of an older version. */
const sqlite: Pick<Harm, 'strike'> = {
  strike: async ({ world, node, random, healed, missed }) => {
    await delay(between(random, 20, 400));
    await node.kill();
    const newest = listMigrations().at(-1)?.number ?? 0;
    const version = between(random, Math.min(OLDEST, newest - 1), newest - 1);
    downgrade(join(node.dataDir, 'ringback.db'), version);
    healed();
    const deaths = await dieThrough(world, node, random, (newest - version) * PLACES);
    if (deaths === 0) missed();
  },
};

export const killInMigration: Harm = {
  what: 'kill -9 inside the migrations of a database that an older version has left behind',
  stores: ['sqlite'],
  alone: true,
  ...sqlite,
};

/** PostgreSQL: nodes that make a new database die in its migrations; the run goes on in that one. */
export const killInFirstMigration: Harm = {
  what: 'kill -9 inside the migrations that make a new database, which the run then goes on with',
  stores: ['postgres'],
  alone: true,
  before: async ({ world, random, missed }) => {
    for (const node of world.nodes) await node.stop();
    world.store.postgres?.useNewSchema();
    const [first, ...others] = world.nodes;
    if (first === undefined) return;
    const deaths = await dieThrough(world, first, random, 6);
    if (deaths === 0) missed();
    await world.arrange();
    for (const node of others) await world.start(node);
  },
  strike: async ({ healed }) => healed(),
};
