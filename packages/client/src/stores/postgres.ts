import type { Claim, IdempotencyStore } from '../receive/idempotency.ts';

/** What is used of a database: a `Pool` or `Client` of `pg` is one. */
export interface PostgresDatabase {
  query(text: string, values: (string | number | null)[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** The table that `postgresStore` works on: run it with your migrations. */
export const postgresSchema = `
  CREATE TABLE IF NOT EXISTS ringback_received (
    key text PRIMARY KEY,
    token text,
    until_at timestamptz NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ringback_received_until ON ringback_received (until_at);
`;

// One statement, so that of two processes one takes the event and the other sees it taken. The
// server's clock decides: the clocks of processes differ.
const CLAIM = `
  INSERT INTO ringback_received AS held (key, token, until_at)
  VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
  ON CONFLICT (key) DO UPDATE SET token = excluded.token, until_at = excluded.until_at
    WHERE held.until_at <= clock_timestamp()
  RETURNING key
`;

const FIND = `
  SELECT token, extract(epoch FROM until_at - clock_timestamp()) * 1000 AS left_ms
  FROM ringback_received WHERE key = $1
`;

const CHANGE = `
  UPDATE ringback_received SET token = $1, until_at = clock_timestamp() + $2 * interval '1 millisecond'
  WHERE key = $3 AND token = $4 RETURNING key
`;

const REMOVE = 'DELETE FROM ringback_received WHERE key = $1 AND token = $2';

const SWEEP = `
  DELETE FROM ringback_received WHERE key IN (
    SELECT key FROM ringback_received WHERE until_at <= clock_timestamp()
    ORDER BY until_at LIMIT 1000 FOR UPDATE SKIP LOCKED
  )
`;
const CLAIMS_PER_SWEEP = 500;

/**
 * Remembers events in PostgreSQL, in the table of `postgresSchema`, for any number of processes.
 * What is too old is swept out.
 */
export function postgresStore(database: PostgresDatabase): IdempotencyStore {
  let claims = 0;
  const change = async (
    values: [token: string | null, ms: number, key: string, held: string],
  ): Promise<boolean> => (await database.query(CHANGE, values)).rows.length > 0;

  const claim = async (key: string, leaseMs: number): Promise<Claim> => {
    claims += 1;
    if (claims % CLAIMS_PER_SWEEP === 0) await database.query(SWEEP, []);
    const token = crypto.randomUUID();
    const { rows } = await database.query(CLAIM, [key, token, leaseMs]);
    if (rows.length > 0) return { state: 'claimed', token };
    const found = await database.query(FIND, [key]);
    const [held] = found.rows as readonly { token: string | null; left_ms: string | number }[];
    if (held?.token === null) return { state: 'done' };
    // Given back between the two statements: whoever asks again gets it.
    return { state: 'running', retryAfterMs: Math.max(1, Number(held?.left_ms ?? 1)) };
  };
  return {
    claim,
    extend: (key, token, leaseMs) => change([token, leaseMs, key, token]),
    complete: (key, token, keepMs) => change([null, keepMs, key, token]),
    release: async (key, token) => {
      await database.query(REMOVE, [key, token]);
    },
  };
}
