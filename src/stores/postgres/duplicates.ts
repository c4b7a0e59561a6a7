import { DUPLICATES_KEPT } from '../../domain/records.ts';
import type { EventDuplicates } from '../../ports/queries.ts';
import type { RepeatedEvent } from '../../ports/store.ts';
import type { Database } from './database.ts';
import { duplicateFromRow, number } from './rows.ts';
import { toText, toTextOrNull } from './text-columns.ts';

/** `back` is how many of its event came after it. A day that is being dropped takes nothing new. */
const RECORD = `
  INSERT INTO duplicates (event_seq, number, request_id, at, remote_address, principal, idempotency_key)
  SELECT seq, coalesce((SELECT max(number) FROM duplicates WHERE event_seq = seq), 0) + came - back,
    request_id, at, remote_address, principal, idempotency_key
  FROM json_to_recordset($1) AS note (
    event_id text, came bigint, back bigint, request_id text, at bigint, remote_address text, principal text,
    idempotency_key text)
  CROSS JOIN LATERAL (SELECT seq FROM events WHERE id = event_id LIMIT 1) AS event
  WHERE NOT EXISTS (SELECT FROM retired_days WHERE seq >= from_seq AND seq < to_seq)
  RETURNING event_seq`;

const TRIM = `
  DELETE FROM duplicates AS old USING unnest($1::bigint[]) AS noted (seq)
  WHERE old.event_seq = noted.seq AND old.number < (
    SELECT number FROM duplicates WHERE event_seq = noted.seq ORDER BY number DESC LIMIT 1 OFFSET $2)`;

/** Adds duplicates to those of their events; see `Upkeep.recordDuplicates`. */
export async function recordDuplicates(
  database: Database,
  repeated: readonly RepeatedEvent[],
): Promise<void> {
  const notes = repeated.flatMap(({ eventId, count, requests }) =>
    requests.map((request, place) => ({
      event_id: toText(eventId),
      came: count,
      back: requests.length - 1 - place,
      request_id: toText(request.requestId),
      at: request.at,
      remote_address: toTextOrNull(request.remoteAddress),
      principal: toTextOrNull(request.principal),
      idempotency_key: toTextOrNull(request.idempotencyKey),
    })),
  );
  if (notes.length === 0) return;
  await database.transaction('upkeep', async (run) => {
    // Two nodes at once would give the duplicates of one event the same numbers.
    await run({
      text: 'SELECT pg_advisory_xact_lock(1382641260, current_schema()::regnamespace::oid::int)',
    });
    const rows = await run({ text: RECORD, values: [JSON.stringify(notes)] });
    const places = new Set(rows.map((row) => number(row, 'event_seq')));
    if (places.size > 0) await run({ text: TRIM, values: [[...places], DUPLICATES_KEPT - 1] });
  });
}

export async function eventDuplicates(database: Database, eventId: string): Promise<EventDuplicates> {
  const rows = await database.run('ask', {
    text: `SELECT duplicates.* FROM (SELECT seq FROM events WHERE id = $1 LIMIT 1) AS event
     JOIN duplicates ON event_seq = seq
     ORDER BY number DESC LIMIT $2`,
    values: [toText(eventId), DUPLICATES_KEPT],
  });
  const [newest] = rows;
  return {
    count: newest === undefined ? 0 : number(newest, 'number'),
    newest: rows.map((row) => duplicateFromRow(row)),
  };
}
