import { DatabaseSync } from 'node:sqlite';
import { typeMatches } from '../../domain/type-pattern.ts';

export interface ConnectionOptions {
  readonly path: string;
  /** Upper bound of the database in bytes; 0 = none. Beyond it appends fail as on a full disk. */
  readonly maxBytes: number;
}

/**
 * The connection that writes. `synchronous=FULL` makes a commit wait for the disk: that wait is what an
 * acknowledgement means, and group commit is what makes it affordable.
 */
export function openWriter(options: ConnectionOptions): DatabaseSync {
  const db = new DatabaseSync(options.path);
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA busy_timeout = 5000;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -32000;
    -- Merge the log into the database every 16 MB, where Checkpoints does not see to it, and keep it from
    -- growing for ever.
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
  `);
  if (options.maxBytes > 0) {
    const pageSize = Number(db.prepare('PRAGMA page_size').get()?.['page_size'] ?? 4096);
    db.exec(`PRAGMA max_page_count = ${Math.max(64, Math.floor(options.maxBytes / pageSize))}`);
  }
  return db;
}

/** A connection that only merges the write-ahead log: no commit waits for what it does. */
export function openCheckpointer(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  // The log and the database are flushed before the log may be overwritten.
  db.exec('PRAGMA synchronous = FULL');
  return db;
}

/** A connection that only reads, for the questions that people ask. */
export function openReader(options: ConnectionOptions): DatabaseSync {
  const db = new DatabaseSync(options.path, { readOnly: true });
  db.exec('PRAGMA busy_timeout = 5000; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;');
  db.function('type_matches', { deterministic: true }, (pattern, type) =>
    typeMatches(String(pattern), String(type)) ? 1 : 0,
  );
  return db;
}
