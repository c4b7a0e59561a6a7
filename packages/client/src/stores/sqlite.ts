import type { Claim, IdempotencyStore } from '../receive/idempotency.ts';

/** What is used of a database: `DatabaseSync` of `node:sqlite` is one, and so is one of better-sqlite3. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): {
    get(...values: (string | number | null)[]): unknown;
    run(...values: (string | number | null)[]): { readonly changes: number | bigint };
  };
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS ringback_received (
    key TEXT PRIMARY KEY,
    token TEXT,
    until_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS ringback_received_until ON ringback_received (until_ms);
`;

// One statement, so that of two processes one takes the event and the other sees it taken.
const CLAIM = `
  INSERT INTO ringback_received (key, token, until_ms) VALUES (?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET token = excluded.token, until_ms = excluded.until_ms
    WHERE ringback_received.until_ms <= ?
`;

const SWEEP = `
  DELETE FROM ringback_received WHERE key IN (
    SELECT key FROM ringback_received WHERE until_ms <= ? ORDER BY until_ms LIMIT 1000
  )
`;
const CLAIMS_PER_SWEEP = 500;

/**
 * Remembers events in a SQLite database, in the table `ringback_received`, which it makes. Processes
 * of one machine may share the file; set `PRAGMA busy_timeout` then. What is too old is swept out.
 */
export function sqliteStore(database: SqliteDatabase): IdempotencyStore {
  database.exec(SCHEMA);
  const claim = database.prepare(CLAIM);
  const find = database.prepare('SELECT token, until_ms FROM ringback_received WHERE key = ?');
  const change = database.prepare(
    'UPDATE ringback_received SET token = ?, until_ms = ? WHERE key = ? AND token = ?',
  );
  const remove = database.prepare('DELETE FROM ringback_received WHERE key = ? AND token = ?');
  const sweep = database.prepare(SWEEP);
  let claims = 0;

  const take = (key: string, leaseMs: number): Claim => {
    const now = Date.now();
    claims += 1;
    if (claims % CLAIMS_PER_SWEEP === 0) sweep.run(now);
    const token = crypto.randomUUID();
    if (Number(claim.run(key, token, now + leaseMs, now).changes) > 0) return { state: 'claimed', token };
    const held = find.get(key) as { token: string | null; until_ms: number } | undefined;
    if (held?.token === null) return { state: 'done' };
    // Given back between the two statements: whoever asks again gets it.
    return { state: 'running', retryAfterMs: Math.max(1, (held?.until_ms ?? now) - now) };
  };
  return {
    claim: async (key, leaseMs) => take(key, leaseMs),
    extend: async (key, token, leaseMs) =>
      Number(change.run(token, Date.now() + leaseMs, key, token).changes) > 0,
    complete: async (key, token, keepMs) =>
      Number(change.run(null, Date.now() + keepMs, key, token).changes) > 0,
    release: async (key, token) => {
      remove.run(key, token);
    },
  };
}
