import type { DatabaseSync } from 'node:sqlite';
import type { EndRequest, ReleaseRequest } from '../../ports/event-log.ts';
import type { OrderGate } from './order-gate.ts';
import { number, text, textOrNull } from './rows.ts';

const NEXT_LANE = `
  SELECT destination_id FROM deliveries WHERE state = 'pending' AND destination_id > ?
  ORDER BY destination_id LIMIT 1`;

/** Ends up to `limit` pending deliveries of one delivery, destination or subscription. */
export function endPending(db: DatabaseSync, order: OrderGate, request: EndRequest): number {
  const [column, value] = whose(request);
  const ended = db
    .prepare(
      `UPDATE deliveries SET state = ?, reason = ?, due_at = NULL, updated_at = ?
       WHERE seq IN (SELECT seq FROM deliveries WHERE state = 'pending' AND ${column} = ? LIMIT ?)
       RETURNING order_key`,
    )
    .all(request.state, request.reason, request.atMs, value, request.limit);
  const orderKeys = new Set(ended.map((row) => textOrNull(row, 'order_key')));
  for (const orderKey of orderKeys) if (orderKey !== null) order.release(orderKey, request.atMs);
  return ended.length;
}

function whose(request: EndRequest): [column: string, value: string] {
  if (request.deliveryId !== undefined) return ['id', request.deliveryId];
  if (request.destinationId !== undefined) return ['destination_id', request.destinationId];
  if (request.subscriptionId !== undefined) return ['subscription_id', request.subscriptionId];
  throw new TypeError('an end request names a delivery, a destination or a subscription');
}

/** Lets go of held deliveries; see `EventLog.releaseHeld`. Lane by lane: that is how the index goes. */
export function releaseHeld(
  db: DatabaseSync,
  request: ReleaseRequest,
): { released: number; destinationIds: string[] } {
  const nextLane = db.prepare(NEXT_LANE);
  const release = db.prepare(
    `UPDATE deliveries SET due_at = created_at, reason = NULL, updated_at = ?
     WHERE seq IN (
       SELECT seq FROM deliveries INDEXED BY deliveries_pending
       WHERE state = 'pending' AND destination_id = ? AND due_at IS NULL AND subscription_id = ? AND reason = ?
       ORDER BY seq LIMIT ?)`,
  );
  const { atMs, subscriptionId, reason, limit } = request;
  const destinationIds: string[] = [];
  let released = 0;
  let lane = nextLane.get('');
  while (lane !== undefined && released < limit) {
    const destinationId = text(lane, 'destination_id');
    const { changes } = release.run(atMs, destinationId, subscriptionId, reason, limit - released);
    if (Number(changes) > 0) destinationIds.push(destinationId);
    released += Number(changes);
    lane = nextLane.get(destinationId);
  }
  return { released, destinationIds };
}

/** Makes a pending delivery due at `atMs`; answers the state that it was in, `null` when unknown. */
export function bringForward(db: DatabaseSync, deliveryId: string, atMs: number): string | null {
  const row = db.prepare('SELECT state FROM deliveries WHERE id = ?').get(deliveryId);
  if (row === undefined) return null;
  db.prepare(
    `UPDATE deliveries SET due_at = ?, updated_at = ? WHERE id = ? AND state = 'pending' AND due_at > ?`,
  ).run(atMs, atMs, deliveryId, atMs);
  return text(row, 'state');
}

/**
 * Every destination with deliveries that have a due time: a jump from range to range, not a walk over
 * the rows.
 */
export function pendingLanes(db: DatabaseSync): { destinationId: string; nextDueAt: number }[] {
  const nextLane = db.prepare(NEXT_LANE);
  const earliest = db.prepare(`
    SELECT due_at FROM deliveries WHERE state = 'pending' AND destination_id = ? AND due_at IS NOT NULL
    ORDER BY due_at LIMIT 1`);
  const lanes: { destinationId: string; nextDueAt: number }[] = [];
  let lane = nextLane.get('');
  while (lane !== undefined) {
    const destinationId = text(lane, 'destination_id');
    const due = earliest.get(destinationId);
    if (due !== undefined) lanes.push({ destinationId, nextDueAt: number(due, 'due_at') });
    lane = nextLane.get(destinationId);
  }
  return lanes;
}
