import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import {
  type CopiedChunk,
  type CopiedKind,
  type CopiedRow,
  type CopiedValue,
  columnsOf,
  type CopyPlace,
  type CopyReader,
} from '../../ports/store-copy.ts';
import { FileLock } from './lock.ts';
import { listMigrations, schemaVersion } from './migrate.ts';
import { number } from './rows.ts';

const CHUNK_ROWS = 1_000;
const CHUNK_BYTES = 4 * 1024 * 1024;

/** What orders the rows of each kind, and is unique among them. */
const KEYS: Readonly<Record<CopiedKind, readonly string[]>> = {
  settings: ['kind', 'id'],
  settings_log: ['version'],
  key_uses: ['key_id'],
  failing_destinations: ['destination_id'],
  source_activity: ['source_id'],
  events: ['seq'],
  deliveries: ['seq'],
  attempts: ['delivery_seq', 'number'],
  duplicates: ['event_seq', 'number'],
  dedupe: ['scope', 'key'],
  replays: ['seq'],
  rejections: ['seq'],
};

/** Columns of unfinished deliveries that are left as they were when these end. */
const ONLY_WHILE_OPEN = new Set(['due_at', 'lease_until', 'lease_token', 'order_key']);

/**
 * Opens an embedded store to be copied. No gateway can open it meanwhile.
 *
 * Throws when there is none, when a gateway uses it, or when this version cannot read it as it is.
 */
export function openSqliteCopyReader(path: string): CopyReader {
  if (!existsSync(path)) throw new Error(`there is no store at ${path}; check the path`);
  const lock = FileLock.acquire(path);
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path);
    checkVersion(db, path);
    return sqliteCopyReader(db, () => lock.release());
  } catch (error) {
    db?.close();
    lock.release();
    throw error;
  }
}

function checkVersion(db: DatabaseSync, path: string): void {
  const newest = listMigrations().at(-1)?.number ?? 0;
  const found = schemaVersion(db);
  if (found === newest) return;
  throw new Error(
    found > newest
      ? `${path} has schema version ${found}, made by a newer Ringback; this one knows ${newest}: install the newer version`
      : `${path} has schema version ${found}, and this Ringback works with ${newest}: run "ringback migrate --store-url sqlite:${path}" first`,
  );
}

/** Reads from a connection, which is closed with the reader. */
export function sqliteCopyReader(db: DatabaseSync, onClose: () => void): CopyReader {
  return {
    count: async (kind) => {
      const row = db.prepare(`SELECT count(*) AS rows FROM ${kind}`).get();
      return row === undefined ? 0 : number(row, 'rows');
    },
    read: async (kind, after) => readChunk(db, kind, after),
    lastPlace: async () => {
      const row = db
        .prepare(
          `SELECT max((SELECT pruned_seq FROM store_state), coalesce((SELECT max(seq) FROM events), 0),
             coalesce((SELECT max(seq) FROM deliveries), 0), coalesce((SELECT max(seq) FROM replays), 0)) AS last`,
        )
        .get();
      return row === undefined ? 0 : number(row, 'last');
    },
    prunedPlace: async () => {
      const row = db.prepare('SELECT pruned_event_seq AS place FROM store_state').get();
      return row === undefined ? 0 : number(row, 'place');
    },
    close: async () => {
      db.close();
      onClose();
    },
  };
}

function readChunk(db: DatabaseSync, kind: CopiedKind, after: CopyPlace | null): CopiedChunk {
  const keys = KEYS[kind];
  const behind = after === null ? '' : `WHERE (${keys.join(', ')}) > (${keys.map(() => '?').join(', ')})`;
  const statement = db.prepare(
    `SELECT ${selected(kind)} FROM ${kind} ${behind} ORDER BY ${keys.join(', ')} LIMIT ${CHUNK_ROWS}`,
  );
  const rows: CopiedRow[] = [];
  let bytes = 0;
  // Row by row: a thousand bodies at once could be a gigabyte.
  for (const found of statement.iterate(...(after ?? []))) {
    const row = found as CopiedRow;
    rows.push(row);
    bytes += sizeOf(row);
    if (bytes >= CHUNK_BYTES) break;
  }
  const isLast = rows.length < CHUNK_ROWS && bytes < CHUNK_BYTES;
  const last = rows.at(-1);
  return { rows, next: isLast || last === undefined ? null : placeOf(keys, last) };
}

function selected(kind: CopiedKind): string {
  return columnsOf(kind)
    .map(([name]) => {
      if (kind === 'deliveries' && ONLY_WHILE_OPEN.has(name)) {
        return `CASE WHEN state IN ('pending', 'leased') THEN ${name} END AS ${name}`;
      }
      if (kind === 'attempts' && name === 'event_seq') {
        return '(SELECT event_seq FROM deliveries WHERE seq = delivery_seq) AS event_seq';
      }
      return name;
    })
    .join(', ');
}

function placeOf(keys: readonly string[], row: CopiedRow): CopyPlace {
  return keys.map((key) => {
    const value = row[key];
    if (typeof value !== 'string' && typeof value !== 'number') throw new TypeError(`${key} is no key`);
    return value;
  });
}

function sizeOf(row: CopiedRow): number {
  return Object.values(row).reduce<number>((bytes, value) => bytes + valueSize(value), 0);
}

function valueSize(value: CopiedValue): number {
  if (typeof value === 'string') return value.length;
  return value instanceof Uint8Array ? value.byteLength : 8;
}
