import type { AppendRequest } from '../../ports/event-log.ts';
import { dedupeColumns } from './append-columns.ts';
import type { Run } from './database.ts';
import { text } from './rows.ts';

/** Takes idempotency keys, before the events that they stand for. Answers those that were free. */
const TAKE_IDEMPOTENCY = `
  INSERT INTO dedupe AS held (scope, key, event_id, fingerprint, taken_at, expires_at)
  SELECT scope, dedupe_key, id, fingerprint, received_at, expires_at FROM json_to_recordset($1) AS row (
    scope text, dedupe_key text, id text, fingerprint text, received_at bigint, expires_at bigint)
  ON CONFLICT (scope, key) DO UPDATE
    SET event_id = excluded.event_id, fingerprint = excluded.fingerprint, taken_at = excluded.taken_at,
      expires_at = excluded.expires_at
    WHERE held.expires_at <= excluded.taken_at
  RETURNING event_id`;

/** Lets go of idempotency keys whose event was not written, because its own id was taken. */
const RELEASE_IDEMPOTENCY = `
  DELETE FROM dedupe USING json_to_recordset($1) AS row (scope text, dedupe_key text, id text)
  WHERE dedupe.scope = row.scope AND dedupe.key = row.dedupe_key AND dedupe.event_id = row.id`;

/** Ids of the events whose idempotency key was free; `null` when none has one. */
export async function takeIdempotencyKeys(
  run: Run,
  requests: readonly AppendRequest[],
): Promise<ReadonlySet<string> | null> {
  const rows = requests.flatMap(({ event, idempotency }) =>
    idempotency === undefined
      ? []
      : [{ id: event.id, received_at: event.receivedAt, ...dedupeColumns(idempotency) }],
  );
  if (rows.length === 0) return null;
  const taken = await run({ text: TAKE_IDEMPOTENCY, values: [JSON.stringify(rows)] });
  return new Set(taken.map((row) => text(row, 'event_id')));
}

/** Takes back the keys of events that were not written. */
export async function releaseUnused(
  run: Run,
  requests: readonly AppendRequest[],
  seqs: ReadonlyMap<number, number>,
): Promise<void> {
  const unused = requests.flatMap(({ event, idempotency }, index) =>
    idempotency === undefined || seqs.has(index) ? [] : [{ id: event.id, ...dedupeColumns(idempotency) }],
  );
  if (unused.length > 0) await run({ text: RELEASE_IDEMPOTENCY, values: [JSON.stringify(unused)] });
}
