import type { DatabaseSync } from 'node:sqlite';
import type { Attempt, Delivery } from '../../domain/delivery.ts';
import type { LoggedEvent } from '../../domain/event.ts';
import type { Rejection } from '../../domain/records.ts';
import type {
  DeliveryFilter,
  DestinationBacklog,
  EventFilter,
  FollowedEvents,
  Page,
  PageRequest,
  RejectionFilter,
} from '../../ports/queries.ts';
import { Conditions, pageOf } from './conditions.ts';
import {
  attemptFromRow,
  deliveryFromRow,
  eventFromRow,
  number,
  numberOrNull,
  rejectionFromRow,
  text,
} from './rows.ts';

/** Rows looked at for one answer of `eventsAfter`, so that a rare filter cannot hold the thread. */
const STREAM_SCAN_ROWS = 5_000;

/** Columns of a delivery as the domain knows it. */
export const DELIVERY_SELECT =
  'd.*, e.id AS event_id, e.type AS event_type FROM deliveries AS d JOIN events AS e ON e.seq = d.event_seq';

export function listEvents(db: DatabaseSync, filter: EventFilter, page: PageRequest): Page<LoggedEvent> {
  const where = eventConditions(filter);
  where.addIf('seq < ?', page.before ?? undefined);
  const rows = db
    .prepare(`SELECT * FROM events ${where.sql()} ORDER BY seq DESC LIMIT ?`)
    .all(...where.values, page.limit + 1);
  return pageOf(rows, page.limit, 'seq', eventFromRow);
}

export function findEvent(db: DatabaseSync, id: string): LoggedEvent | null {
  const row = db.prepare('SELECT * FROM events WHERE id = ?').get(id);
  return row === undefined ? null : eventFromRow(row);
}

export function eventsAfter(
  db: DatabaseSync,
  seq: number,
  filter: EventFilter,
  limit: number,
  maxBodyBytes = Number.POSITIVE_INFINITY,
): FollowedEvents {
  const edge = db
    .prepare('SELECT max(seq) AS seq FROM (SELECT seq FROM events WHERE seq > ? ORDER BY seq LIMIT ?)')
    .get(seq, STREAM_SCAN_ROWS);
  const edgeSeq = edge === undefined || edge['seq'] === null ? seq : number(edge, 'seq');
  const where = eventConditions(filter);
  where.add('seq > ?', seq);
  where.add('seq <= ?', edgeSeq);
  const items: LoggedEvent[] = [];
  let bodyBytes = 0;
  let cut = false;
  const rows = db.prepare(`SELECT * FROM events ${where.sql()} ORDER BY seq LIMIT ?`);
  for (const row of rows.iterate(...where.values, limit)) {
    const event = eventFromRow(row);
    bodyBytes += event.body.byteLength;
    cut = items.length > 0 && bodyBytes > maxBodyBytes;
    if (cut) break;
    items.push(event);
  }
  const partial = cut || items.length === limit;
  const pruned = db.prepare('SELECT pruned_event_seq AS seq FROM store_state').get();
  return {
    items,
    reachedSeq: partial ? (items.at(-1)?.seq ?? edgeSeq) : edgeSeq,
    prunedSeq: pruned === undefined ? 0 : number(pruned, 'seq'),
  };
}

export function lastSeq(db: DatabaseSync): number {
  const row = db.prepare('SELECT coalesce(max(seq), 0) AS seq FROM events').get();
  return row === undefined ? 0 : number(row, 'seq');
}

export function listDeliveries(db: DatabaseSync, filter: DeliveryFilter, page: PageRequest): Page<Delivery> {
  const where = deliveryConditions(filter);
  where.addIf('d.seq < ?', page.before ?? undefined);
  const rows = db
    .prepare(`SELECT ${DELIVERY_SELECT} ${where.sql()} ORDER BY d.seq DESC LIMIT ?`)
    .all(...where.values, page.limit + 1);
  return pageOf(rows, page.limit, 'seq', deliveryFromRow);
}

export function findDelivery(db: DatabaseSync, id: string): Delivery | null {
  const row = db.prepare(`SELECT ${DELIVERY_SELECT} WHERE d.id = ?`).get(id);
  return row === undefined ? null : deliveryFromRow(row);
}

export function listAttempts(db: DatabaseSync, deliveryId: string): Attempt[] {
  return db
    .prepare(
      `SELECT * FROM attempts WHERE delivery_seq = (SELECT seq FROM deliveries WHERE id = ?)
       ORDER BY number`,
    )
    .all(deliveryId)
    .map((row) => attemptFromRow(row));
}

export function listRejections(
  db: DatabaseSync,
  filter: RejectionFilter,
  page: PageRequest,
): Page<Rejection> {
  const where = new Conditions();
  where.addIf('tenant = ?', filter.tenant);
  where.addIf('source_id = ?', filter.sourceId);
  where.addIf('code = ?', filter.code);
  where.addIf('at >= ?', filter.from);
  where.addIf('at < ?', filter.to);
  where.addIf('seq < ?', page.before ?? undefined);
  const rows = db
    .prepare(`SELECT * FROM rejections ${where.sql()} ORDER BY seq DESC LIMIT ?`)
    .all(...where.values, page.limit + 1);
  return pageOf(rows, page.limit, 'seq', rejectionFromRow);
}

export function findRejection(db: DatabaseSync, id: string): Rejection | null {
  const row = db.prepare('SELECT * FROM rejections WHERE id = ? OR request_id = ? LIMIT 1').get(id, id);
  return row === undefined ? null : rejectionFromRow(row);
}

export function dedupeHolder(db: DatabaseSync, scope: string, key: string): string | null {
  const row = db.prepare('SELECT event_id FROM dedupe WHERE scope = ? AND key = ?').get(scope, key);
  return row === undefined ? null : text(row, 'event_id');
}

export function backlogs(db: DatabaseSync): DestinationBacklog[] {
  return db
    .prepare(
      `SELECT destination_id, count(*) AS pending, min(due_at) AS oldest FROM deliveries
       WHERE state = 'pending' GROUP BY destination_id`,
    )
    .all()
    .map((row) => ({
      destinationId: text(row, 'destination_id'),
      pending: number(row, 'pending'),
      oldestDueAt: numberOrNull(row, 'oldest'),
    }));
}

function eventConditions(filter: EventFilter): Conditions {
  const where = new Conditions();
  where.addIf('tenant = ?', filter.tenant);
  if (filter.type !== undefined) where.add('type_matches(?, type)', filter.type);
  if (filter.source !== undefined) where.add('(source_id = ? OR source = ?)', filter.source, filter.source);
  where.addIf('key = ?', filter.key);
  where.addIf('correlation_id = ?', filter.correlationId);
  where.addIf('external_id = ?', filter.externalId);
  where.addIf("json_extract(origin, '$.requestId') = ?", filter.requestId);
  where.addIf('seq IN (SELECT event_seq FROM duplicates WHERE request_id = ?)', filter.repeatedBy);
  where.addIf('received_at >= ?', filter.from);
  where.addIf('received_at < ?', filter.to);
  if (filter.text !== undefined) {
    where.add(
      "instr(lower(type || ' ' || coalesce(key, '') || ' ' || coalesce(subject, '') || ' ' || CAST(body AS TEXT)), lower(?)) > 0",
      filter.text,
    );
  }
  // Places follow time, so a lower bound in time ends the walk early.
  if (filter.from !== undefined) where.add('seq >= ?', filter.from * 1000);
  return where;
}

function deliveryConditions(filter: DeliveryFilter): Conditions {
  const where = new Conditions();
  where.addIf('d.tenant = ?', filter.tenant);
  where.addIf('d.state = ?', filter.state);
  where.addIf('d.destination_id = ?', filter.destinationId);
  where.addIf('d.subscription_id = ?', filter.subscriptionId);
  where.addIf('d.event_seq = (SELECT seq FROM events WHERE id = ?)', filter.eventId);
  where.addIf('d.created_at >= ?', filter.from);
  where.addIf('d.created_at < ?', filter.to);
  return where;
}
