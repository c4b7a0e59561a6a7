import { readdirSync, readFileSync } from 'node:fs';
import type { Run } from './database.ts';
import { number } from './rows.ts';

/** One step of the schema: its number (from 1) and its text. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/** How long a migration waits for a lock: behind it everyone else waits as well. */
const LOCK_TIMEOUT_MS = 200;
const LOCK_TRIES = 200;
/** ... and are let through before the next try. */
const LOCK_PAUSE_S = 0.3;

/** The migrations of this version, in order. */
export function listMigrations(): Migration[] {
  const folder = new URL('./migrations/', import.meta.url);
  return readdirSync(folder)
    .filter((file) => /^\d{4}-.*\.sql$/.test(file))
    .toSorted()
    .map((file) => ({
      number: Number(file.slice(0, 4)),
      name: file,
      sql: readFileSync(new URL(file, folder), 'utf8'),
    }));
}

/**
 * Brings the schema to the newest version, or to `upTo`. `run` must be one connection throughout.
 *
 * Nodes that start together take turns, and all but the first find nothing left to do. Each step and its
 * number commit together, so a crash leaves a whole version behind. A step that cannot have its locks
 * within a fifth of a second is undone and tried again, so that the nodes at work never wait long behind it.
 *
 * Throws when the schema was made by a newer Ringback: going on could destroy what it does not know.
 */
export async function migrate(
  run: Run,
  schema: string,
  upTo = Number.POSITIVE_INFINITY,
  migrations: readonly Migration[] = listMigrations(),
): Promise<number> {
  // Most starts find everything done: they need no lock, nor the right to make anything.
  const newest = migrations.at(-1)?.number ?? 0;
  const found = await schemaVersion(run, schema);
  if (found === Math.min(newest, upTo)) return found;
  refuseNewer(found, newest, schema);
  await run({ text: `SELECT pg_advisory_lock(1382641257, hashtext($1))`, values: [schema] });
  try {
    await run({ text: `CREATE SCHEMA IF NOT EXISTS ${schema}` });
    await run({
      text: `
        CREATE TABLE IF NOT EXISTS ${schema}.migrations (
          number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
    });
    const version = await schemaVersion(run, schema);
    refuseNewer(version, newest, schema);
    for (const migration of migrations) {
      if (migration.number > version && migration.number <= upTo) await apply(run, migration);
    }
    return await schemaVersion(run, schema);
  } finally {
    await run({ text: `SELECT pg_advisory_unlock(1382641257, hashtext($1))`, values: [schema] });
  }
}

/** The version of the schema; 0 when there is none yet. */
export async function schemaVersion(run: Run, schema: string): Promise<number> {
  const [table] = await run({ text: `SELECT to_regclass($1) AS found`, values: [`${schema}.migrations`] });
  if (table === undefined || table['found'] === null) return 0;
  const [row] = await run({ text: `SELECT coalesce(max(number), 0) AS number FROM ${schema}.migrations` });
  return row === undefined ? 0 : number(row, 'number');
}

function refuseNewer(found: number, newest: number, schema: string): void {
  if (found <= newest) return;
  throw new Error(
    `the schema "${schema}" has version ${found}, made by a newer Ringback; this one knows ${newest}. ` +
      'Install the newer version again, or restore a backup made before the upgrade',
  );
}

async function apply(run: Run, migration: Migration, triesLeft = LOCK_TRIES): Promise<void> {
  await run({ text: 'BEGIN' });
  try {
    await run({ text: `SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}` });
    await run({ text: migration.sql });
    await run({
      text: 'INSERT INTO migrations (number, name) VALUES ($1, $2)',
      values: [migration.number, migration.name],
    });
    await run({ text: 'COMMIT' });
  } catch (error) {
    await run({ text: 'ROLLBACK' });
    if (isLockTimeout(error) && triesLeft > 1) {
      await run({ text: 'SELECT pg_sleep($1)', values: [LOCK_PAUSE_S] });
      return apply(run, migration, triesLeft - 1);
    }
    throw new Error(`migration ${migration.name} failed; the database is as it was`, { cause: error });
  }
}

function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '55P03';
}
