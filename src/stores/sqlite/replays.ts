import type { DatabaseSync } from 'node:sqlite';
import type { Replay } from '../../domain/records.ts';
import type { ReplayAdvance } from '../../ports/store.ts';
import type { OrderGate } from './order-gate.ts';
import { deliveryValues, NEW_DELIVERY_COLUMNS, number, text } from './rows.ts';
import type { Sequence } from './sequence.ts';

export function createReplay(db: DatabaseSync, sequence: Sequence, replay: Replay): void {
  db.prepare(
    `INSERT INTO replays (seq, id, tenant, filter, destination_id, rate_per_second, state, matched,
       created, over, cursor, end_seq, missing, cut_before, created_at, updated_at, principal)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    sequence.next(replay.createdAt),
    replay.id,
    replay.tenant,
    JSON.stringify(replay.filter),
    replay.destinationId,
    replay.ratePerSecond,
    replay.state,
    replay.matched,
    replay.created,
    replay.over,
    replay.cursor,
    replay.endSeq,
    replay.losses?.missing ?? null,
    replay.losses?.cutBefore ?? null,
    replay.createdAt,
    replay.updatedAt,
    replay.principal,
  );
}

/** Moves a replay on and writes its deliveries, unless another step has moved it since. */
export function advanceReplay(
  db: DatabaseSync,
  sequence: Sequence,
  order: OrderGate,
  step: ReplayAdvance,
): boolean {
  const moved = db
    .prepare(
      `UPDATE replays SET cursor = ?, state = ?, updated_at = ?
       WHERE id = ? AND state = 'running' AND cursor = ?`,
    )
    .run(step.toCursor, step.state, step.atMs, step.replayId, step.fromCursor);
  if (moved.changes === 0) return false;
  const created = insertDeliveries(db, sequence, order, step);
  db.prepare('UPDATE replays SET created = created + ? WHERE id = ?').run(created, step.replayId);
  return true;
}

/** Events that retention took since the step was read are skipped. */
function insertDeliveries(
  db: DatabaseSync,
  sequence: Sequence,
  order: OrderGate,
  step: ReplayAdvance,
): number {
  const event = db.prepare('SELECT seq, tenant FROM events WHERE id = ?');
  const insert = db.prepare(`
    INSERT INTO deliveries (
      ${NEW_DELIVERY_COLUMNS}, seq, tenant, event_seq, created_at, updated_at, replay_of, replay_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  let created = 0;
  for (const delivery of step.deliveries) {
    const row = event.get(delivery.eventId);
    if (row === undefined) continue;
    const place = sequence.next(step.atMs);
    const owed = order.inTurn(deliveryValues(delivery));
    const { atMs, replayId } = step;
    insert.run(
      ...owed,
      place,
      text(row, 'tenant'),
      number(row, 'seq'),
      atMs,
      atMs,
      delivery.replayOf,
      replayId,
    );
    created += 1;
  }
  return created;
}

export function cancelReplay(db: DatabaseSync, replayId: string, atMs: number): boolean {
  const done = db
    .prepare(`UPDATE replays SET state = 'cancelled', updated_at = ? WHERE id = ? AND state = 'running'`)
    .run(atMs, replayId);
  return done.changes > 0;
}
