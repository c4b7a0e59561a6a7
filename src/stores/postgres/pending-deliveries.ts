import type { EndRequest, ReleaseRequest } from '../../ports/event-log.ts';
import type { Database } from './database.ts';
import { number, text } from './rows.ts';
import { toText } from './text-columns.ts';

/** A jump from range to range of the index, not a walk over the rows. */
const PENDING_LANES = `
  WITH RECURSIVE lanes AS (
    (SELECT destination_id FROM open_deliveries WHERE state = 'pending' ORDER BY destination_id LIMIT 1)
    UNION ALL
    SELECT next.destination_id FROM lanes CROSS JOIN LATERAL (
      SELECT destination_id FROM open_deliveries
      WHERE state = 'pending' AND destination_id > lanes.destination_id
      ORDER BY destination_id LIMIT 1
    ) AS next
  )
  SELECT lanes.destination_id, earliest.due_at FROM lanes CROSS JOIN LATERAL (
    SELECT due_at FROM open_deliveries
    WHERE state = 'pending' AND destination_id = lanes.destination_id AND due_at IS NOT NULL
    ORDER BY due_at LIMIT 1
  ) AS earliest`;

/** Every destination with deliveries that have a due time, with the earliest of each. */
export async function pendingLanes(
  database: Database,
): Promise<{ destinationId: string; nextDueAt: number }[]> {
  const rows = await database.run('work', { name: 'pending-lanes', text: PENDING_LANES });
  return rows.map((row) => ({
    destinationId: text(row, 'destination_id'),
    nextDueAt: number(row, 'due_at'),
  }));
}

/** Ends up to `limit` pending deliveries of one delivery, destination or subscription. */
export async function endPending(database: Database, request: EndRequest): Promise<number> {
  const [column, value] = whose(request);
  const [row] = await database.run('work', {
    text: `
      WITH chosen AS MATERIALIZED (
        SELECT seq FROM open_deliveries WHERE state = 'pending' AND ${column} = $1 LIMIT $2 FOR UPDATE
      ), ended AS (
        DELETE FROM open_deliveries WHERE seq IN (SELECT seq FROM chosen) RETURNING *
      ), released AS MATERIALIZED (
        SELECT release_order_keys(array_agg(DISTINCT order_key), $4) FROM ended
        WHERE order_key IS NOT NULL HAVING count(*) > 0
      ), moved AS (
      INSERT INTO ended_deliveries (
        seq, id, tenant, event_seq, subscription_id, destination_id, state, attempts, created_at, updated_at,
        reason, last_status, last_error, replay_of, replay_id)
      SELECT seq, id, tenant, event_seq, subscription_id, destination_id, $3, attempts, created_at, $4,
        $5, last_status, last_error, replay_of, replay_id
      FROM ended RETURNING seq
      )
      SELECT count(*) AS ended, (SELECT count(*) FROM released) AS released FROM moved`,
    values: [toText(value), request.limit, request.state, request.atMs, toText(request.reason)],
  });
  return row === undefined ? 0 : number(row, 'ended');
}

function whose(request: EndRequest): [column: string, value: string] {
  if (request.deliveryId !== undefined) return ['id', request.deliveryId];
  if (request.destinationId !== undefined) return ['destination_id', request.destinationId];
  if (request.subscriptionId !== undefined) return ['subscription_id', request.subscriptionId];
  throw new TypeError('an end request names a delivery, a destination or a subscription');
}

/** Lets go of held deliveries; see `EventLog.releaseHeld`. */
export async function releaseHeld(
  database: Database,
  request: ReleaseRequest,
): Promise<{ released: number; destinationIds: string[] }> {
  const rows = await database.run('work', {
    text: `
      WITH chosen AS MATERIALIZED (
        SELECT seq FROM open_deliveries
        WHERE state = 'pending' AND subscription_id = $1 AND due_at IS NULL AND reason = $2
        ORDER BY seq LIMIT $3 FOR UPDATE
      )
      UPDATE open_deliveries SET due_at = created_at, reason = NULL, updated_at = $4
      WHERE seq IN (SELECT seq FROM chosen) RETURNING destination_id`,
    values: [toText(request.subscriptionId), toText(request.reason), request.limit, request.atMs],
  });
  const destinationIds = new Set(rows.map((row) => text(row, 'destination_id')));
  return { released: rows.length, destinationIds: [...destinationIds] };
}

/** Makes a pending delivery due at `atMs`; answers the state that it was in, `null` when unknown. */
export async function bringForward(
  database: Database,
  deliveryId: string,
  atMs: number,
): Promise<string | null> {
  const [row] = await database.run('work', {
    text: `
      WITH hastened AS (
        UPDATE open_deliveries SET due_at = $2, updated_at = $2
        WHERE id = $1 AND state = 'pending' AND due_at > $2
      )
      SELECT state FROM deliveries WHERE id = $1`,
    values: [toText(deliveryId), atMs],
  });
  return row === undefined ? null : text(row, 'state');
}
