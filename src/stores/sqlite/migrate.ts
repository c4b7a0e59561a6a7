import { readdirSync, readFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

/** One step of the schema: its number (from 1) and its text. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

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
 * Brings the schema to the newest version, or to `upTo`. Each step and its number commit together, so a
 * crash leaves a whole version behind.
 *
 * Throws when the database was made by a newer Ringback: going on could destroy what it does not know.
 */
export function migrate(db: DatabaseSync, upTo = Number.POSITIVE_INFINITY): number {
  const migrations = listMigrations();
  const newest = migrations.at(-1)?.number ?? 0;
  const found = schemaVersion(db);
  if (found > newest) {
    throw new Error(
      `the database has schema version ${found}, made by a newer Ringback; this one knows ${newest}. ` +
        'Install the newer version again, or restore a backup made before the upgrade',
    );
  }
  for (const migration of migrations) {
    if (migration.number <= found || migration.number > upTo) continue;
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(migration.sql);
      db.exec(`PRAGMA user_version = ${migration.number}`);
      db.exec('COMMIT');
    } catch (error) {
      db.exec('ROLLBACK');
      throw new Error(`migration ${migration.name} failed; the database is as it was`, { cause: error });
    }
  }
  return schemaVersion(db);
}

export function schemaVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
}
