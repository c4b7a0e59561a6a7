import type { DatabaseSync } from 'node:sqlite';
import type { Rejection } from '../../domain/records.ts';
import type { RejectionBounds, SourceActivity } from '../../ports/store.ts';
import { number, numberOrNull, text } from './rows.ts';

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

/** Events looked at in one call: as many that are all owed, and must stay, take some 30 ms. */
const LOOK_LIMIT = 50_000;

/**
 * Removes old events that owe nothing more; see `Upkeep.pruneEvents`.
 *
 * It takes whole ranges of the log: events, what they owe and its attempts lie side by side in the order in
 * which they came. Three statements for a range take less than half the time of three for each event.
 */
export class EventPruning {
  readonly #statements: ReturnType<typeof prepareStatements>;
  /** So far this walk through the log is. What it left behind is owed, and is not looked at in each step. */
  #walkedTo = 0;

  constructor(db: DatabaseSync) {
    this.#statements = prepareStatements(db);
  }

  prune(receivedBefore: number, limit: number): number {
    // A place is never before its time: all below this one was received before.
    const edge = receivedBefore * 1_000;
    let isFromStart = this.#walkedTo === 0;
    let removed = 0;
    for (let looked = 0; removed < limit && looked < LOOK_LIMIT; looked += limit) {
      const to = this.#endOfRange(edge, limit - removed);
      if (to !== null) {
        removed += this.#removeRange(this.#walkedTo, to);
        this.#walkedTo = to;
      } else {
        this.#walkedTo = 0;
        if (isFromStart) break;
        // What was owed when the walk came by may have ended.
        isFromStart = true;
      }
    }
    return removed;
  }

  #endOfRange(edge: number, limit: number): number | null {
    const last = this.#statements.lastOfRange.get(this.#walkedTo, edge, limit);
    return last === undefined ? null : numberOrNull(last, 'seq');
  }

  /** Removes what can go of the places above `from`, up to `to`. */
  #removeRange(from: number, to: number): number {
    const { owed, lastDelivery, lastEvent, pruned } = this.#statements;
    const { attempts, deliveries, duplicates, events } = this.#statements;
    const held = JSON.stringify(owed.all(from, to).map((row) => number(row, 'event_seq')));
    const lastSeq = lastDelivery.get(from, to);
    const lastEventSeq = lastEvent.get(from, to, held);
    attempts.run(from, to, held);
    deliveries.run(from, to, held);
    duplicates.run(from, to, held);
    const { changes } = events.run(from, to, held);
    if (changes === 0) return 0;
    pruned.run(
      Math.max(to, lastSeq === undefined ? 0 : (numberOrNull(lastSeq, 'seq') ?? 0)),
      lastEventSeq === undefined ? 0 : (numberOrNull(lastEventSeq, 'seq') ?? 0),
    );
    return Number(changes);
  }
}

function prepareStatements(db: DatabaseSync) {
  const inRange = 'event_seq > ?1 AND event_seq <= ?2';
  const isFree = 'NOT IN (SELECT value FROM json_each(?3))';
  return {
    lastOfRange: db.prepare(
      'SELECT max(seq) AS seq FROM (SELECT seq FROM events WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?)',
    ),
    owed: db.prepare(
      `SELECT DISTINCT event_seq FROM deliveries WHERE ${inRange} AND state IN ('pending', 'leased')`,
    ),
    // Deliveries of a replay have places far above their event's.
    lastDelivery: db.prepare(`SELECT max(seq) AS seq FROM deliveries WHERE ${inRange}`),
    lastEvent: db.prepare(
      `SELECT max(seq) AS seq FROM events WHERE seq > ?1 AND seq <= ?2 AND seq ${isFree}`,
    ),
    attempts: db.prepare(
      `DELETE FROM attempts WHERE delivery_seq IN (
         SELECT seq FROM deliveries WHERE ${inRange} AND event_seq ${isFree})`,
    ),
    deliveries: db.prepare(`DELETE FROM deliveries WHERE ${inRange} AND event_seq ${isFree}`),
    duplicates: db.prepare(`DELETE FROM duplicates WHERE ${inRange} AND event_seq ${isFree}`),
    events: db.prepare(`DELETE FROM events WHERE seq > ?1 AND seq <= ?2 AND seq ${isFree}`),
    pruned: db.prepare(
      `UPDATE store_state SET pruned_seq = max(pruned_seq, ?), pruned_event_seq = max(pruned_event_seq, ?)`,
    ),
  };
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

export function noteSourceEvents(
  db: DatabaseSync,
  notes: readonly { readonly sourceId: string; readonly lastEventAt: number }[],
): void {
  const statement = db.prepare(
    `INSERT INTO source_activity (source_id, last_event_at) VALUES (?, ?)
     ON CONFLICT (source_id) DO UPDATE SET last_event_at = max(last_event_at, excluded.last_event_at)`,
  );
  for (const { sourceId, lastEventAt } of notes) statement.run(sourceId, lastEventAt);
}

export function noteSilent(db: DatabaseSync, sourceId: string, silentSince: number | null): boolean {
  const { changes } = db
    .prepare(
      `UPDATE source_activity SET silent_since = ?2
       WHERE source_id = ?1 AND (silent_since IS NULL) <> (?2 IS NULL)`,
    )
    .run(sourceId, silentSince);
  return Number(changes) > 0;
}

export function sourceActivity(db: DatabaseSync): SourceActivity[] {
  return db
    .prepare('SELECT * FROM source_activity')
    .all()
    .map((row) => ({
      sourceId: text(row, 'source_id'),
      lastEventAt: number(row, 'last_event_at'),
      silentSince: numberOrNull(row, 'silent_since'),
    }));
}
