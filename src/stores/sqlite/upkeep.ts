import type { DatabaseSync } from 'node:sqlite';
import type { Rejection } from '../../domain/records.ts';
import type { RejectionBounds } from '../../ports/store.ts';
import { number, text } from './rows.ts';

/** What a rejection takes beside its body and headers, roughly: the row and its index entries. */
const ROW_OVERHEAD_BYTES = 300;

/** Keeps refused requests, newest first, within bounds per source and in all. */
export class RejectionRing {
  readonly #db: DatabaseSync;
  #nextSeq: number;
  #keptBytes: number;

  constructor(db: DatabaseSync) {
    this.#db = db;
    const row = db
      .prepare('SELECT coalesce(max(seq), 0) AS seq, coalesce(sum(kept_bytes), 0) AS bytes FROM rejections')
      .get();
    this.#nextSeq = Number(row?.['seq'] ?? 0) + 1;
    this.#keptBytes = Number(row?.['bytes'] ?? 0);
  }

  record(rejections: readonly Rejection[], bounds: RejectionBounds): void {
    const sources = new Set<string | null>();
    for (const rejection of rejections) {
      this.#insert(rejection);
      sources.add(rejection.sourceId);
    }
    for (const sourceId of sources) this.#trimSource(sourceId, bounds.maxPerSource);
    this.#trimBytes(bounds.maxBytes);
  }

  #insert(rejection: Rejection): void {
    const headers = JSON.stringify(rejection.headers);
    const keptBytes = headers.length + rejection.body.byteLength + ROW_OVERHEAD_BYTES;
    this.#db
      .prepare(
        `INSERT INTO rejections (seq, id, tenant, source_id, request_id, at, code, reason, remote_address,
           method, path, headers, body, body_bytes, kept_bytes)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        this.#nextSeq,
        rejection.id,
        rejection.tenant,
        rejection.sourceId,
        rejection.requestId,
        rejection.at,
        rejection.code,
        rejection.reason,
        rejection.remoteAddress,
        rejection.method,
        rejection.path,
        headers,
        rejection.body,
        rejection.bodyBytes,
        keptBytes,
      );
    this.#nextSeq += 1;
    this.#keptBytes += keptBytes;
  }

  #trimSource(sourceId: string | null, max: number): void {
    const edge = this.#db
      .prepare('SELECT seq FROM rejections WHERE source_id IS ? ORDER BY seq DESC LIMIT 1 OFFSET ?')
      .get(sourceId, max - 1);
    if (edge === undefined) return;
    this.#remove('source_id IS ? AND seq < ?', [sourceId, number(edge, 'seq')]);
  }

  #trimBytes(maxBytes: number): void {
    while (this.#keptBytes > maxBytes) {
      const before = this.#keptBytes;
      this.#remove('seq = (SELECT min(seq) FROM rejections)', []);
      if (this.#keptBytes === before) return;
    }
  }

  #remove(where: string, values: (string | number | null)[]): void {
    const rows = this.#db
      .prepare(`DELETE FROM rejections WHERE ${where} RETURNING kept_bytes`)
      .all(...values);
    for (const row of rows) this.#keptBytes -= number(row, 'kept_bytes');
  }
}

/** Removes old events that owe nothing more; see `Upkeep.pruneEvents`. */
export function pruneEvents(db: DatabaseSync, receivedBefore: number, limit: number): number {
  // A place is never less than its time, so this bound ends the walk without an index on received_at.
  const rows = db
    .prepare(
      `SELECT seq FROM events WHERE seq < ? AND received_at < ? AND NOT EXISTS (
         SELECT 1 FROM deliveries WHERE event_seq = events.seq AND state IN ('pending', 'leased'))
       ORDER BY seq LIMIT ?`,
    )
    .all(receivedBefore * 1000, receivedBefore, limit);
  const attempts = db.prepare(
    'DELETE FROM attempts WHERE delivery_seq IN (SELECT seq FROM deliveries WHERE event_seq = ?)',
  );
  const deliveries = db.prepare('DELETE FROM deliveries WHERE event_seq = ? RETURNING seq');
  const events = db.prepare('DELETE FROM events WHERE seq = ?');
  let prunedSeq = 0;
  for (const row of rows) {
    const seq = number(row, 'seq');
    attempts.run(seq);
    for (const gone of deliveries.all(seq)) prunedSeq = Math.max(prunedSeq, number(gone, 'seq'));
    events.run(seq);
    prunedSeq = Math.max(prunedSeq, seq);
  }
  db.prepare('UPDATE store_state SET pruned_seq = max(pruned_seq, ?)').run(prunedSeq);
  return rows.length;
}

export function pruneDedupe(db: DatabaseSync, nowMs: number, limit: number): number {
  const gone = db
    .prepare(
      `DELETE FROM dedupe WHERE (scope, key) IN (
         SELECT scope, key FROM dedupe WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
    )
    .run(nowMs, limit);
  return Number(gone.changes);
}

/** Bytes of the pages in use: freed pages are used again, so they are room and not size. */
export function sizeBytes(db: DatabaseSync): number {
  const row = db
    .prepare(
      `SELECT (page_count - freelist_count) * page_size AS bytes
       FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()`,
    )
    .get();
  return row === undefined ? 0 : number(row, 'bytes');
}

export function noteFailing(db: DatabaseSync, destinationId: string, failingSince: number | null): void {
  if (failingSince === null) {
    db.prepare('DELETE FROM failing_destinations WHERE destination_id = ?').run(destinationId);
    return;
  }
  db.prepare(
    `INSERT INTO failing_destinations VALUES (?, ?)
     ON CONFLICT DO UPDATE SET failing_since = excluded.failing_since`,
  ).run(destinationId, failingSince);
}

export function failingDestinations(db: DatabaseSync): { destinationId: string; failingSince: number }[] {
  return db
    .prepare('SELECT * FROM failing_destinations ORDER BY destination_id')
    .all()
    .map((row) => ({
      destinationId: text(row, 'destination_id'),
      failingSince: number(row, 'failing_since'),
    }));
}
