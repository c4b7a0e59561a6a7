import type { DatabaseSync } from 'node:sqlite';
import { DUPLICATES_KEPT } from '../../domain/records.ts';
import type { EventDuplicates } from '../../ports/queries.ts';
import type { RepeatedEvent } from '../../ports/store.ts';
import { duplicateFromRow, number } from './rows.ts';

/** Adds duplicates to those of their events; see `Upkeep.recordDuplicates`. */
export function recordDuplicates(db: DatabaseSync, repeated: readonly RepeatedEvent[]): void {
  const place = db.prepare(
    `SELECT seq, coalesce((SELECT max(number) FROM duplicates WHERE event_seq = seq), 0) AS last
     FROM events WHERE id = ?`,
  );
  const insert = db.prepare(
    `INSERT INTO duplicates (event_seq, number, request_id, at, remote_address, principal, idempotency_key)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const trim = db.prepare(
    `DELETE FROM duplicates WHERE event_seq = ?1 AND number < (
       SELECT number FROM duplicates WHERE event_seq = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)`,
  );
  for (const { eventId, count, requests } of repeated) {
    const row = place.get(eventId);
    if (row === undefined) continue;
    const seq = number(row, 'seq');
    let at = number(row, 'last') + count - requests.length;
    for (const { requestId, at: cameAt, remoteAddress, principal, idempotencyKey } of requests) {
      at += 1;
      insert.run(seq, at, requestId, cameAt, remoteAddress, principal, idempotencyKey);
    }
    trim.run(seq, DUPLICATES_KEPT - 1);
  }
}

export function eventDuplicates(db: DatabaseSync, eventId: string): EventDuplicates {
  const rows = db
    .prepare(
      `SELECT * FROM duplicates WHERE event_seq = (SELECT seq FROM events WHERE id = ?)
       ORDER BY number DESC LIMIT ?`,
    )
    .all(eventId, DUPLICATES_KEPT);
  const [newest] = rows;
  return {
    count: newest === undefined ? 0 : number(newest, 'number'),
    newest: rows.map((row) => duplicateFromRow(row)),
  };
}
