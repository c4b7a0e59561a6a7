import { existsSync, readFileSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { listMigrations, schemaVersion } from '../stores/sqlite/migrate.ts';

export type StoreInspection =
  | { readonly state: 'absent' }
  | { readonly state: 'usable'; readonly bytes: number; readonly holderPid: number | null }
  | { readonly state: 'unusable'; readonly problem: string; readonly fix: string };

/** Checking every page of a larger file would take minutes. */
const CHECKED_BYTES = 1024 ** 3;

/**
 * Looks at an SQLite store without changing it and without taking its lock, also while a gateway uses it.
 * `holderPid` is the gateway that has it open, if that still runs.
 */
export function inspectSqliteStore(path: string): StoreInspection {
  if (!existsSync(path)) return { state: 'absent' };
  const bytes = statSync(path).size;
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    const newest = listMigrations().at(-1)?.number ?? 0;
    const version = schemaVersion(db);
    if (version > newest) {
      const problem = `schema version ${version} was made by a newer Ringback; this one knows ${newest}`;
      return { state: 'unusable', problem, fix: 'install the newer version again' };
    }
    if (bytes <= CHECKED_BYTES) {
      const verdict = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
      if (verdict !== 'ok') {
        const problem = `the file is damaged: ${String(verdict)}`;
        return { state: 'unusable', problem, fix: 'stop the gateway and restore a backup' };
      }
    }
    return { state: 'usable', bytes, holderPid: runningHolder(`${path}.pid`) };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return {
      state: 'unusable',
      problem,
      fix: 'check that the file is readable and really an SQLite database',
    };
  } finally {
    db?.close();
  }
}

function runningHolder(pidFile: string): number | null {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8').trim());
    process.kill(pid, 0);
    return pid;
  } catch {
    return null;
  }
}
