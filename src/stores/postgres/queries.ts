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
  Queries,
  RejectionFilter,
} from '../../ports/queries.ts';
import { Conditions, pageOf } from './conditions.ts';
import type { Database, Row } from './database.ts';
import { eventDuplicates } from './duplicates.ts';
import {
  attemptFromRow,
  deliveryFromRow,
  eventFromRow,
  number,
  numberOrNull,
  rejectionFromRow,
  text,
} from './rows.ts';
import { toText } from './text-columns.ts';
import { typePatternRegExp } from './type-pattern-sql.ts';

/** Rows looked at for one answer of `eventsAfter`, so that a rare filter cannot hold a connection. */
const STREAM_SCAN_ROWS = 5_000;

/** The event of a delivery `d`: with its LIMIT, looked up row by row and never by walking the log. */
export const EVENT_OF_DELIVERY = `
  CROSS JOIN LATERAL (
    SELECT id AS event_id, type AS event_type FROM events WHERE seq = d.event_seq LIMIT 1
  ) AS event`;

/** The questions that people and agents ask. */
export function queries(database: Database): Queries {
  const ask: Ask = (sql, values = []) => database.run('ask', { text: sql, values });
  const search: Ask = (sql, values = []) => database.run('search', { text: sql, values });
  const first = async <Item>(
    read: (row: Row) => Item,
    sql: string,
    values: readonly unknown[],
  ): Promise<Item | null> => {
    const [row] = await ask(sql, values);
    return row === undefined ? null : read(row);
  };
  return {
    events: (filter, page) => listEvents(search, filter, page),
    event: (id) => first(eventFromRow, 'SELECT * FROM events WHERE id = $1', [toText(id)]),
    eventsAfter: (seq, filter, limit, maxBodyBytes) => eventsAfter(ask, seq, filter, limit, maxBodyBytes),
    lastSeq: async () => {
      const [row] = await ask('SELECT seq FROM events ORDER BY seq DESC LIMIT 1');
      return row === undefined ? 0 : number(row, 'seq');
    },
    deliveries: (filter, page) => listDeliveries(search, filter, page),
    delivery: (id) =>
      first(deliveryFromRow, `SELECT * FROM deliveries AS d ${EVENT_OF_DELIVERY} WHERE d.id = $1`, [
        toText(id),
      ]),
    attempts: (deliveryId) => listAttempts(ask, deliveryId),
    rejections: (filter, page) => listRejections(search, filter, page),
    rejection: (id) =>
      first(rejectionFromRow, 'SELECT * FROM rejections WHERE id = $1 OR request_id = $1 LIMIT 1', [
        toText(id),
      ]),
    duplicates: (eventId) => eventDuplicates(database, eventId),
    dedupeHolder: (scope, key) =>
      first((row) => text(row, 'event_id'), 'SELECT event_id FROM dedupe WHERE scope = $1 AND key = $2', [
        toText(scope),
        toText(key),
      ]),
    backlogs: () => backlogs(search),
  };
}

/** Asks a question. */
export type Ask = (sql: string, values?: readonly unknown[]) => Promise<Row[]>;

async function listEvents(ask: Ask, filter: EventFilter, page: PageRequest): Promise<Page<LoggedEvent>> {
  const where = eventConditions(filter);
  where.addIf('seq < ?', page.before);
  const limit = where.value(page.limit + 1);
  const rows = await ask(
    `SELECT * FROM events ${where.sql()} ORDER BY seq DESC LIMIT ${limit}`,
    where.values,
  );
  return pageOf(rows, page.limit, 'seq', eventFromRow);
}

async function eventsAfter(
  ask: Ask,
  seq: number,
  filter: EventFilter,
  limit: number,
  maxBodyBytes = Number.MAX_SAFE_INTEGER,
): Promise<FollowedEvents> {
  const [edge] = await ask(
    `SELECT max(seq) AS seq FROM (SELECT seq FROM events WHERE seq > $1 ORDER BY seq LIMIT $2) AS ahead`,
    [seq, STREAM_SCAN_ROWS],
  );
  const edgeSeq = edge === undefined || edge['seq'] === null ? seq : number(edge, 'seq');
  if (edgeSeq === seq) return { items: [], reachedSeq: seq, prunedSeq: await prunedEventSeq(ask) };
  const where = eventConditions(filter);
  where.add('seq > ?', seq);
  where.add('seq <= ?', edgeSeq);
  const most = where.value(limit);
  const fitting = where.value(maxBodyBytes);
  // Sizes first: the length of a body is known without reading it.
  const rows = await ask(
    `WITH candidates AS MATERIALIZED (
       SELECT seq, octet_length(body) AS bytes FROM events ${where.sql()} ORDER BY seq LIMIT ${most}
     ), sized AS (
       SELECT seq, sum(bytes) OVER (ORDER BY seq) AS so_far, row_number() OVER (ORDER BY seq) AS number,
         count(*) OVER () AS candidates FROM candidates
     )
     SELECT events.*, sized.candidates FROM events JOIN sized ON events.seq = sized.seq
     WHERE sized.number = 1 OR sized.so_far <= ${fitting} ORDER BY events.seq`,
    where.values,
  );
  const items = rows.map((row) => eventFromRow(row));
  const candidates = rows[0] === undefined ? 0 : number(rows[0], 'candidates');
  const partial = items.length === limit || items.length < candidates;
  return {
    items,
    reachedSeq: partial ? (items.at(-1)?.seq ?? edgeSeq) : edgeSeq,
    prunedSeq: await prunedEventSeq(ask),
  };
}

async function prunedEventSeq(ask: Ask): Promise<number> {
  const [row] = await ask('SELECT pruned_event_seq AS seq FROM store_state');
  return row === undefined ? 0 : number(row, 'seq');
}

async function listDeliveries(ask: Ask, filter: DeliveryFilter, page: PageRequest): Promise<Page<Delivery>> {
  const where = deliveryConditions(filter);
  where.addIf('seq < ?', page.before);
  const limit = where.value(page.limit + 1);
  const rows = await ask(
    `SELECT * FROM (
       SELECT * FROM deliveries ${where.sql()} ORDER BY seq DESC LIMIT ${limit}
     ) AS d ${EVENT_OF_DELIVERY} ORDER BY d.seq DESC`,
    where.values,
  );
  return pageOf(rows, page.limit, 'seq', deliveryFromRow);
}

async function listAttempts(ask: Ask, deliveryId: string): Promise<Attempt[]> {
  const rows = await ask(
    `SELECT attempts.* FROM (SELECT seq, event_seq FROM deliveries WHERE id = $1 LIMIT 1) AS d
     JOIN attempts ON attempts.event_seq = d.event_seq AND delivery_seq = d.seq
     ORDER BY number`,
    [toText(deliveryId)],
  );
  return rows.map((row) => attemptFromRow(row));
}

async function listRejections(
  ask: Ask,
  filter: RejectionFilter,
  page: PageRequest,
): Promise<Page<Rejection>> {
  const where = new Conditions();
  where.addIf('tenant = ?', filter.tenant);
  where.addIf('source_id = ?', filter.sourceId);
  where.addIf('code = ?', filter.code);
  where.addIf('at >= ?', filter.from);
  where.addIf('at < ?', filter.to);
  where.addIf('seq < ?', page.before);
  const limit = where.value(page.limit + 1);
  const rows = await ask(
    `SELECT * FROM rejections ${where.sql()} ORDER BY seq DESC LIMIT ${limit}`,
    where.values,
  );
  return pageOf(rows, page.limit, 'seq', rejectionFromRow);
}

async function backlogs(ask: Ask): Promise<DestinationBacklog[]> {
  const rows = await ask(
    `SELECT destination_id, count(*) AS pending, min(due_at) AS oldest FROM open_deliveries
     WHERE state = 'pending' GROUP BY destination_id`,
  );
  return rows.map((row) => ({
    destinationId: text(row, 'destination_id'),
    pending: number(row, 'pending'),
    oldestDueAt: numberOrNull(row, 'oldest'),
  }));
}

/**
 * Letters without accents are found in either case, in bodies of any bytes: `encode` leaves ASCII as it
 * is and writes every other byte as digits, so that lower case can be taken of it and undone.
 */
const FOUND_IN_BODY = `
  position(? in decode(lower(encode(body, 'escape') COLLATE "C"), 'escape')) > 0`;
const FOUND_IN_FIELDS = `
  position(? in lower(concat_ws(' ', type, key, subject) COLLATE "C")) > 0`;

function eventConditions(filter: EventFilter): Conditions {
  const where = new Conditions();
  where.addIf('tenant = ?', textOf(filter.tenant));
  if (filter.type !== undefined) where.add('type ~ ?', typePatternRegExp(filter.type));
  where.addIf('(source_id = ? OR source = ?)', textOf(filter.source));
  where.addIf('key = ?', textOf(filter.key));
  where.addIf('correlation_id = ?', textOf(filter.correlationId));
  where.addIf('external_id = ?', textOf(filter.externalId));
  where.addIf("origin::json ->> 'requestId' = ?", textOf(filter.requestId));
  where.addIf(
    'seq = ANY (ARRAY(SELECT event_seq FROM duplicates WHERE request_id = ?))',
    textOf(filter.repeatedBy),
  );
  where.addIf('received_at >= ?', filter.from);
  where.addIf('received_at < ?', filter.to);
  if (filter.text !== undefined) {
    const wanted = asciiLowerCase(filter.text);
    const bytes = where.value(Buffer.from(wanted));
    where.add(
      `(${FOUND_IN_BODY.replace('?', () => `${bytes}::bytea`)} OR ${FOUND_IN_FIELDS})`,
      toText(wanted),
    );
  }
  // Places follow time, so a lower bound in time ends the walk early, and leaves older days alone.
  if (filter.from !== undefined) where.add('seq >= ?', filter.from * 1_000);
  return where;
}

function deliveryConditions(filter: DeliveryFilter): Conditions {
  const where = new Conditions();
  where.addIf('tenant = ?', textOf(filter.tenant));
  where.addIf('state = ?', filter.state);
  where.addIf('destination_id = ?', textOf(filter.destinationId));
  where.addIf('subscription_id = ?', textOf(filter.subscriptionId));
  where.addIf('event_seq = (SELECT seq FROM events WHERE id = ? LIMIT 1)', textOf(filter.eventId));
  where.addIf('created_at >= ?', filter.from);
  where.addIf('created_at < ?', filter.to);
  return where;
}

function textOf(value: string | undefined): string | undefined {
  return value === undefined ? undefined : toText(value);
}

function asciiLowerCase(value: string): string {
  return value.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
