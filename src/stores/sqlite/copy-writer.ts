import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import {
  type CopiedKind,
  type CopiedRow,
  columnsOf,
  type CopyPlace,
  type CopyProgress,
  type CopyWriter,
} from '../../ports/store-copy.ts';
import { openWriter } from './connection.ts';
import { sqliteCopyReader } from './copy-reader.ts';
import { FileLock } from './lock.ts';
import { migrate } from './migrate.ts';
import { number, text, textOrNull } from './rows.ts';

/** What is there for a move to write to; `from` is the source of an unfinished one, empty before its first row. */
export type SqliteCopyTarget =
  | { readonly state: 'absent' }
  | { readonly state: 'unfinished'; readonly from: string }
  | { readonly state: 'occupied'; readonly why: string };

/** Where a copy grows until it is whole: no gateway looks for a store there. */
function growingPath(path: string): string {
  return `${path}.moving`;
}

export function inspectSqliteCopyTarget(path: string): SqliteCopyTarget {
  if (existsSync(path)) {
    return { state: 'occupied', why: `${path} exists already; name a new file, or move that one away` };
  }
  if (!existsSync(growingPath(path))) return { state: 'absent' };
  const db = openWriter({ path: growingPath(path), maxBytes: 0 });
  try {
    return { state: 'unfinished', from: sourceOf(db) };
  } finally {
    db.close();
  }
}

/**
 * Opens an embedded store to be filled from `from`, beside where it will be; an unfinished one is gone on
 * with. Throws when something is there already, or the unfinished one is from somewhere else.
 */
export function openSqliteCopyWriter(path: string, from: string): CopyWriter {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const lock = FileLock.acquire(path);
  let db: DatabaseSync | null = null;
  try {
    const found = inspectSqliteCopyTarget(path);
    if (found.state === 'occupied') throw new Error(found.why);
    if (found.state === 'unfinished' && found.from !== '' && found.from !== from) {
      throw new Error(
        `${growingPath(path)} is an unfinished move from ${found.from}; finish that one, or remove the file`,
      );
    }
    db = openWriter({ path: growingPath(path), maxBytes: 0 });
    migrate(db);
    db.exec(`
      CREATE TABLE IF NOT EXISTS move_progress (
        source TEXT NOT NULL, kind TEXT NOT NULL PRIMARY KEY, rows INTEGER NOT NULL, next TEXT
      ) STRICT, WITHOUT ROWID`);
    return writerOf(db, path, from, lock);
  } catch (error) {
    db?.close();
    lock.release();
    throw error;
  }
}

function writerOf(db: DatabaseSync, path: string, from: string, lock: FileLock): CopyWriter {
  const reader = sqliteCopyReader(db, () => lock.release());
  return {
    ...reader,
    close: async () => {
      if (db.isOpen) db.close();
      lock.release();
    },
    progress: async () => progressOf(db),
    write: async (kind, rows, progress) => {
      db.exec('BEGIN IMMEDIATE');
      try {
        insertRows(db, kind, rows);
        db.prepare(
          `INSERT INTO move_progress VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET rows = excluded.rows, next = excluded.next`,
        ).run(from, kind, progress.rows, progress.next === null ? null : JSON.stringify(progress.next));
        db.exec('COMMIT');
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      }
    },
    finish: async (lastPlace, prunedPlace) => {
      db.exec('BEGIN IMMEDIATE');
      db.prepare('UPDATE store_state SET pruned_seq = max(pruned_seq, ?), pruned_event_seq = ?').run(
        lastPlace,
        prunedPlace,
      );
      db.exec('DROP TABLE move_progress; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
      db.close();
      putInPlace(path);
    },
  };
}

/** The name appears whole, and is on disk with what it names. */
function putInPlace(path: string): void {
  for (const rest of ['-wal', '-shm']) rmSync(`${growingPath(path)}${rest}`, { force: true });
  renameSync(growingPath(path), path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function insertRows(db: DatabaseSync, kind: CopiedKind, rows: readonly CopiedRow[]): void {
  // The event of an attempt is that of its delivery.
  const names = columnsOf(kind)
    .map(([name]) => name)
    .filter((name) => kind !== 'attempts' || name !== 'event_seq');
  const insert = db.prepare(
    `INSERT INTO ${kind} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
  );
  for (const row of rows) insert.run(...names.map((name) => row[name] ?? null));
}

function sourceOf(db: DatabaseSync): string {
  const isBegun = db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'move_progress'`).get() !== undefined;
  const row = isBegun ? db.prepare('SELECT source FROM move_progress LIMIT 1').get() : undefined;
  return row === undefined ? '' : text(row, 'source');
}

function progressOf(db: DatabaseSync): Map<CopiedKind, CopyProgress> {
  const rows = db.prepare('SELECT kind, rows, next FROM move_progress').all();
  return new Map(
    rows.map((row) => {
      const next = textOrNull(row, 'next');
      return [
        text(row, 'kind') as CopiedKind,
        { rows: number(row, 'rows'), next: next === null ? null : (JSON.parse(next) as CopyPlace) },
      ];
    }),
  );
}
