import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openWriter } from './connection.ts';
import { FileLock } from './lock.ts';
import { listMigrations, migrate, schemaVersion } from './migrate.ts';

/**
 * Brings the file up to date, or only looks when `dryRun` is set. Throws when a gateway has it open: that
 * one would work with a schema that it does not know.
 */
export function migrateSqlite(
  path: string,
  dryRun: boolean,
): { before: number; newest: number; steps: string[] } {
  const migrations = listMigrations();
  const newest = migrations.at(-1)?.number ?? 0;
  const before = dryRun ? look(path, newest) : change(path);
  return { before, newest, steps: migrations.filter((one) => one.number > before).map(({ name }) => name) };
}

function look(path: string, newest: number): number {
  if (!existsSync(path)) return 0;
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const found = schemaVersion(db);
    // Refused in the words of `migrate`, which has nothing to change then.
    return found > newest ? migrate(db) : found;
  } finally {
    db.close();
  }
}

function change(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const lock = FileLock.acquire(path);
  try {
    const db = openWriter({ path, maxBytes: 0 });
    try {
      const before = schemaVersion(db);
      migrate(db);
      return before;
    } finally {
      db.close();
    }
  } finally {
    lock.release();
  }
}
