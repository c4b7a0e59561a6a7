import type { DatabaseSync } from 'node:sqlite';
import type { EndRequest } from '../../ports/event-log.ts';
import { text } from './rows.ts';

/** Ends up to `limit` pending deliveries of one delivery, destination or subscription. */
export function endPending(db: DatabaseSync, request: EndRequest): number {
  const [column, value] = whose(request);
  const changed = db
    .prepare(
      `UPDATE deliveries SET state = ?, reason = ?, due_at = NULL, updated_at = ?
       WHERE seq IN (SELECT seq FROM deliveries WHERE state = 'pending' AND ${column} = ? LIMIT ?)`,
    )
    .run(request.state, request.reason, request.atMs, value, request.limit);
  return Number(changed.changes);
}

function whose(request: EndRequest): [column: string, value: string] {
  if (request.deliveryId !== undefined) return ['id', request.deliveryId];
  if (request.destinationId !== undefined) return ['destination_id', request.destinationId];
  if (request.subscriptionId !== undefined) return ['subscription_id', request.subscriptionId];
  throw new TypeError('an end request names a delivery, a destination or a subscription');
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

/** Every destination with pending deliveries: a jump from range to range, not a walk over the rows. */
export function pendingLanes(db: DatabaseSync): { destinationId: string; nextDueAt: number }[] {
  const next = db.prepare(`
    SELECT destination_id, due_at FROM deliveries
    WHERE state = 'pending' AND destination_id > ? ORDER BY destination_id, due_at LIMIT 1`);
  const lanes: { destinationId: string; nextDueAt: number }[] = [];
  let row = next.get('');
  while (row !== undefined) {
    const destinationId = text(row, 'destination_id');
    lanes.push({ destinationId, nextDueAt: Number(row['due_at']) });
    row = next.get(destinationId);
  }
  return lanes;
}
