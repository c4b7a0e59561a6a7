import type { DatabaseSync } from 'node:sqlite';
import type { Replay, ReplayFilter } from '../../domain/records.ts';
import type { Page, PageRequest, ReplayCandidate } from '../../ports/queries.ts';
import { Conditions, pageOf } from './conditions.ts';
import { deliveryFromRow, eventFromRow, number, replayFromRow } from './rows.ts';

const NO_BODY = new Uint8Array(0);

export function listReplays(db: DatabaseSync, tenant: string | null, page: PageRequest): Page<Replay> {
  const where = new Conditions();
  where.addIf('tenant = ?', tenant ?? undefined);
  where.addIf('seq < ?', page.before ?? undefined);
  const rows = db
    .prepare(`SELECT * FROM replays ${where.sql()} ORDER BY seq DESC LIMIT ?`)
    .all(...where.values, page.limit + 1);
  return pageOf(rows, page.limit, 'seq', replayFromRow);
}

export function findReplay(db: DatabaseSync, id: string): Replay | null {
  const row = db.prepare('SELECT * FROM replays WHERE id = ?').get(id);
  return row === undefined ? null : replayFromRow(row);
}

export function runningReplays(db: DatabaseSync): Replay[] {
  const rows = db.prepare(`SELECT * FROM replays WHERE state = 'running' ORDER BY seq`).all();
  return rows.map((row) => replayFromRow(row));
}

export function countReplay(
  db: DatabaseSync,
  filter: ReplayFilter,
  over: Replay['over'],
  tenant: string | null,
): { matched: number; endSeq: number } {
  const where = replayConditions(filter, over, tenant);
  const place = over === 'deliveries' ? 'd.seq' : 'e.seq';
  const row = db
    .prepare(`SELECT count(*) AS matched, coalesce(max(${place}), 0) AS last ${from(over)} ${where.sql()}`)
    .get(...where.values);
  if (row === undefined) return { matched: 0, endSeq: 0 };
  return { matched: number(row, 'matched'), endSeq: number(row, 'last') };
}

export function replayCandidates(
  db: DatabaseSync,
  replay: Pick<Replay, 'filter' | 'over' | 'tenant' | 'cursor' | 'endSeq'>,
  limit: number,
): ReplayCandidate[] {
  const where = replayConditions(replay.filter, replay.over, replay.tenant);
  if (replay.over === 'events') {
    where.add('e.seq > ? AND e.seq <= ?', replay.cursor, replay.endSeq);
    return db
      .prepare(`SELECT e.* ${from('events')} ${where.sql()} ORDER BY e.seq LIMIT ?`)
      .all(...where.values, limit)
      .map((row) => ({ seq: number(row, 'seq'), delivery: null, event: eventFromRow(row) }));
  }
  where.add('d.seq > ? AND d.seq <= ?', replay.cursor, replay.endSeq);
  const event = db.prepare('SELECT * FROM events WHERE seq = ?');
  return db
    .prepare(
      `SELECT d.*, e.id AS event_id, e.type AS event_type ${from('deliveries')} ${where.sql()}
       ORDER BY d.seq LIMIT ?`,
    )
    .all(...where.values, limit)
    .map((row) => {
      const eventRow = event.get(number(row, 'event_seq'));
      if (eventRow === undefined) throw new Error('a delivery owes an event that is not in the log');
      return {
        seq: number(row, 'seq'),
        delivery: deliveryFromRow(row),
        event: { ...eventFromRow(eventRow), body: NO_BODY },
      };
    });
}

function from(over: Replay['over']): string {
  return over === 'deliveries'
    ? 'FROM deliveries AS d JOIN events AS e ON e.seq = d.event_seq'
    : 'FROM events AS e';
}

function replayConditions(filter: ReplayFilter, over: Replay['over'], tenant: string | null): Conditions {
  const where = new Conditions();
  where.addIf('e.tenant = ?', tenant ?? undefined);
  if (filter.eventIds !== undefined) {
    where.add('e.id IN (SELECT value FROM json_each(?))', JSON.stringify(filter.eventIds));
  }
  if (filter.type !== undefined) where.add('type_matches(?, e.type)', filter.type);
  where.addIf('e.source_id = ?', filter.sourceId);
  where.addIf('e.received_at >= ?', filter.from);
  where.addIf('e.received_at < ?', filter.to);
  if (over === 'events') return where;
  if (filter.deliveryIds !== undefined) {
    where.add('d.id IN (SELECT value FROM json_each(?))', JSON.stringify(filter.deliveryIds));
  }
  where.addIf('d.state = ?', filter.state);
  where.addIf('d.destination_id = ?', filter.destinationId);
  where.addIf('d.subscription_id = ?', filter.subscriptionId);
  return where;
}
