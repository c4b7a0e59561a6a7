import type { DatabaseSync } from 'node:sqlite';
import type { Replay } from '../../domain/records.ts';
import type { ReplayAdvance } from '../../ports/store.ts';
import { eventSeq } from './append-event.ts';
import { deliveryValues } from './rows.ts';
import type { Sequence } from './sequence.ts';

export function createReplay(db: DatabaseSync, sequence: Sequence, replay: Replay): void {
  db.prepare(
    `INSERT INTO replays (seq, id, tenant, filter, destination_id, rate_per_second, state, matched,
       created, over, cursor, end_seq, created_at, updated_at, principal)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
    replay.createdAt,
    replay.updatedAt,
    replay.principal,
  );
}

/** Moves a replay on and writes its deliveries, unless another step has moved it since. */
export function advanceReplay(db: DatabaseSync, sequence: Sequence, step: ReplayAdvance): boolean {
  const moved = db
    .prepare(
      `UPDATE replays SET cursor = ?, state = ?, created = created + ?, updated_at = ?
       WHERE id = ? AND state = 'running' AND cursor = ?`,
    )
    .run(step.toCursor, step.state, step.deliveries.length, step.atMs, step.replayId, step.fromCursor);
  if (moved.changes === 0) return false;
  const insert = db.prepare(`
    INSERT INTO deliveries (
      id, subscription_id, destination_id, state, attempts, due_at, lease_until, lease_token, reason,
      seq, tenant, event_seq, created_at, updated_at, replay_of, replay_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT tenant FROM events WHERE seq = ?), ?, ?, ?, ?, ?)`);
  for (const delivery of step.deliveries) {
    const of = eventSeq(db, delivery.eventId);
    const place = sequence.next(step.atMs);
    const owed = deliveryValues(delivery);
    insert.run(...owed, place, of, of, step.atMs, step.atMs, delivery.replayOf, step.replayId);
  }
  return true;
}

export function cancelReplay(db: DatabaseSync, replayId: string, atMs: number): boolean {
  const done = db
    .prepare(`UPDATE replays SET state = 'cancelled', updated_at = ? WHERE id = ? AND state = 'running'`)
    .run(atMs, replayId);
  return done.changes > 0;
}
