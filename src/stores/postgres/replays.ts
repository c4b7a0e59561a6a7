import { WAITS_FOR_ORDER } from '../../domain/delivery.ts';
import type { Replay } from '../../domain/records.ts';
import type { ReplayAdvance, ReplayStore } from '../../ports/store.ts';
import { newDeliveryRow, orderKeysOf } from './append-columns.ts';
import { WAITS_FOR_TURN } from './append-events.ts';
import type { Database, Run } from './database.ts';
import { number } from './rows.ts';
import { toText, toTextOrNull } from './text-columns.ts';

/** Replays as records, and the deliveries that they make. */
export function replays(database: Database): ReplayStore {
  return {
    create: async (replay) => {
      await database.run('work', {
        text: CREATE,
        values: [JSON.stringify([replayColumns(replay)]), replay.createdAt * 1_000],
      });
    },
    advance: (step) => database.transaction('work', (run) => advanceReplay(run, step)),
    cancel: async (replayId, atMs) => {
      const rows = await database.run('work', { text: CANCEL, values: [toText(replayId), atMs] });
      return rows.length > 0;
    },
  };
}

const CREATE = `
  WITH places AS MATERIALIZED (SELECT take_places(1, $2) AS first)
  INSERT INTO replays (
    seq, id, tenant, filter, destination_id, rate_per_second, state, matched, created, over, cursor, end_seq,
    missing, cut_before, created_at, updated_at, principal)
  SELECT places.first, id, tenant, filter, destination_id, rate_per_second, state, matched, created, over, cursor,
    end_seq, missing, cut_before, created_at, updated_at, principal
  FROM places CROSS JOIN json_to_recordset($1) AS row (
    id text, tenant text, filter text, destination_id text, rate_per_second double precision, state text,
    matched bigint, created bigint, over text, cursor bigint, end_seq bigint, missing bigint,
    cut_before bigint, created_at bigint, updated_at bigint, principal text)`;

const CANCEL = `
  UPDATE replays SET state = 'cancelled', updated_at = $2 WHERE id = $1 AND state = 'running' RETURNING id`;

const MOVE = `
  UPDATE replays SET cursor = $3, state = $4, updated_at = $5
  WHERE id = $1 AND state = 'running' AND cursor = $2 RETURNING id`;

/** Events that retention took since the step was read, or is about to take with their day, are skipped. */
const OWE = `
  WITH held AS MATERIALIZED (
    SELECT held_order_keys($5) AS order_key WHERE cardinality($5) > 0
  ), found AS MATERIALIZED (
    SELECT d.*, ${WAITS_FOR_TURN} AS waits, event.seq AS event_seq, event.tenant, octet_length(event.body) AS body_bytes
    FROM json_to_recordset($1) AS d (
      place int, event_id text, replay_of text, id text, subscription_id text, destination_id text, state text,
      due_at bigint, lease_until bigint, lease_token text, reason text, order_key text)
    CROSS JOIN LATERAL (SELECT seq, tenant, body FROM events WHERE id = d.event_id LIMIT 1) AS event
    WHERE NOT EXISTS (SELECT FROM retired_days WHERE event.seq >= from_seq AND event.seq < to_seq)
  ), open AS (
    INSERT INTO open_deliveries (
      seq, id, tenant, event_seq, subscription_id, destination_id, state, attempts, due_at, lease_until,
      lease_token, created_at, updated_at, reason, replay_of, replay_id, order_key, body_bytes)
    SELECT $2::bigint + place, id, tenant, event_seq, subscription_id, destination_id, state,
      CASE state WHEN 'leased' THEN 1 ELSE 0 END, CASE WHEN NOT waits THEN due_at END, lease_until,
      lease_token, $3, $3, CASE WHEN waits THEN '${WAITS_FOR_ORDER}' ELSE reason END, replay_of, $4, order_key, body_bytes
    FROM found WHERE state <> 'dead'
  ), dead AS (
    INSERT INTO ended_deliveries (
      seq, id, tenant, event_seq, subscription_id, destination_id, state, attempts, created_at, updated_at,
      reason, replay_of, replay_id)
    SELECT $2::bigint + place, id, tenant, event_seq, subscription_id, destination_id, state, 0, $3, $3, reason,
      replay_of, $4
    FROM found WHERE state = 'dead'
  )
  UPDATE replays SET created = created + (SELECT count(*) FROM found) WHERE id = $4`;

/** Moves a replay on and writes its deliveries, unless another step has moved it since. */
async function advanceReplay(run: Run, step: ReplayAdvance): Promise<boolean> {
  const moved = await run({
    text: MOVE,
    values: [toText(step.replayId), step.fromCursor, step.toCursor, step.state, step.atMs],
  });
  if (moved.length === 0) return false;
  if (step.deliveries.length === 0) return true;
  // In a statement of its own, so that the next one sees all that was committed before the lock.
  const [places] = await run({
    text: 'SELECT take_places($1, $2) AS first',
    values: [step.deliveries.length, step.atMs * 1_000],
  });
  const first = places === undefined ? 0 : number(places, 'first');
  const deliveries = step.deliveries.map((delivery, place) => ({
    event_id: toText(delivery.eventId),
    replay_of: delivery.replayOf,
    // The statement finds its events by their ids and does not read `n`.
    ...newDeliveryRow(delivery, place, place),
  }));
  await run({
    text: OWE,
    values: [
      JSON.stringify(deliveries),
      first,
      step.atMs,
      toText(step.replayId),
      orderKeysOf(step.deliveries),
    ],
  });
  return true;
}

function replayColumns(replay: Replay): Record<string, unknown> {
  return {
    id: replay.id,
    tenant: toText(replay.tenant),
    filter: JSON.stringify(replay.filter),
    destination_id: toTextOrNull(replay.destinationId),
    rate_per_second: replay.ratePerSecond,
    state: replay.state,
    matched: replay.matched,
    created: replay.created,
    over: replay.over,
    cursor: replay.cursor,
    end_seq: replay.endSeq,
    missing: replay.losses?.missing ?? null,
    cut_before: replay.losses?.cutBefore ?? null,
    created_at: replay.createdAt,
    updated_at: replay.updatedAt,
    principal: toText(replay.principal),
  };
}
