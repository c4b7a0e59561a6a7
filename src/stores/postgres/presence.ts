import type { Run } from './database.ts';
import { text } from './rows.ts';

/**
 * Whether gateways use a schema: each holds a shared lock for as long as it is connected, and who must be
 * alone (a move) takes it exclusively. Locks end with their connection, however that ends.
 */
const PRESENCE = `1382641259, current_schema()::regnamespace::oid::int`;

/** Notes on this connection that a gateway is at work. False = someone is alone with the schema. */
export async function notePresence(run: Run): Promise<boolean> {
  const [row] = await run({ text: `SELECT pg_try_advisory_lock_shared(${PRESENCE})::text AS had` });
  return row !== undefined && text(row, 'had') === 'true';
}

/** Keeps gateways away for as long as this connection lasts. False = there are some. */
export async function takeAlone(run: Run): Promise<boolean> {
  const [row] = await run({ text: `SELECT pg_try_advisory_lock(${PRESENCE})::text AS had` });
  return row !== undefined && text(row, 'had') === 'true';
}

/** The table that an unfinished move leaves in its target. */
export const MOVE_TABLE = 'move_progress';

/** Throws when the schema is being moved, or was left half moved: what is there is not all. */
export async function refuseHalfMoved(run: Run, schema: string): Promise<void> {
  const [row] = await run({
    text: `SELECT (to_regclass($1) IS NOT NULL)::text AS found`,
    values: [`${schema}.${MOVE_TABLE}`],
  });
  if (row === undefined || text(row, 'found') !== 'true') return;
  throw new Error(
    `a move into the schema "${schema}" is unfinished: run the same "ringback move" again, or drop the schema`,
  );
}
