import type { Replay, ReplayFilter } from '../../domain/records.ts';
import type { Page, PageRequest, ReplayCandidate, ReplayQueries } from '../../ports/queries.ts';
import { Conditions, pageOf } from './conditions.ts';
import type { Database, Row } from './database.ts';
import type { Ask } from './queries.ts';
import { deliveryFromRow, eventFromRow, number, replayFromRow } from './rows.ts';
import { toText } from './text-columns.ts';
import { typePatternRegExp } from './type-pattern-sql.ts';

/** What replays read. */
export function replayQueries(database: Database): ReplayQueries {
  const ask: Ask = (sql, values = []) => database.run('ask', { text: sql, values });
  const search: Ask = (sql, values = []) => database.run('search', { text: sql, values });
  return {
    replays: (tenant, page) => listReplays(search, tenant, page),
    replay: async (id) => {
      const [row] = await ask('SELECT * FROM replays WHERE id = $1', [toText(id)]);
      return row === undefined ? null : replayFromRow(row);
    },
    runningReplays: async () => {
      const rows = await ask(`SELECT * FROM replays WHERE state = 'running' ORDER BY seq`);
      return rows.map((row) => replayFromRow(row));
    },
    countReplay: (filter, over, tenant) => countReplay(search, filter, over, tenant),
    replayCandidates: (replay, limit) => replayCandidates(search, replay, limit),
  };
}

async function listReplays(ask: Ask, tenant: string | null, page: PageRequest): Promise<Page<Replay>> {
  const where = new Conditions();
  where.addIf('tenant = ?', tenant);
  where.addIf('seq < ?', page.before);
  const limit = where.value(page.limit + 1);
  const rows = await ask(
    `SELECT * FROM replays ${where.sql()} ORDER BY seq DESC LIMIT ${limit}`,
    where.values,
  );
  return pageOf(rows, page.limit, 'seq', replayFromRow);
}

async function countReplay(
  ask: Ask,
  filter: ReplayFilter,
  over: Replay['over'],
  tenant: string | null,
): Promise<{ matched: number; endSeq: number }> {
  const where = replayConditions(filter, over, tenant);
  const place = over === 'deliveries' ? 'd.seq' : 'e.seq';
  const [row] = await ask(
    `SELECT count(*) AS matched, coalesce(max(${place}), 0) AS last ${from(over)} ${where.sql()}`,
    where.values,
  );
  if (row === undefined) return { matched: 0, endSeq: 0 };
  return { matched: number(row, 'matched'), endSeq: number(row, 'last') };
}

async function replayCandidates(
  ask: Ask,
  replay: Pick<Replay, 'filter' | 'over' | 'tenant' | 'cursor' | 'endSeq'>,
  limit: number,
): Promise<ReplayCandidate[]> {
  const where = replayConditions(replay.filter, replay.over, replay.tenant);
  const place = replay.over === 'deliveries' ? 'd.seq' : 'e.seq';
  where.add(`${place} > ?`, replay.cursor);
  where.add(`${place} <= ?`, replay.endSeq);
  const most = where.value(limit);
  if (replay.over === 'events') {
    const rows = await ask(
      `SELECT e.* ${from('events')} ${where.sql()} ORDER BY e.seq LIMIT ${most}`,
      where.values,
    );
    return rows.map((row) => ({ seq: number(row, 'seq'), delivery: null, event: eventFromRow(row) }));
  }
  const rows = await ask(
    `SELECT d.*, e.id AS event_id, e.type AS event_type, ${EVENT_WITHOUT_BODY} AS event
     ${from('deliveries')} ${where.sql()} ORDER BY d.seq LIMIT ${most}`,
    where.values,
  );
  return rows.map((row) => ({
    seq: number(row, 'seq'),
    delivery: deliveryFromRow(row),
    event: { ...eventFromRow({ ...(row['event'] as Row), body: NO_BODY }) },
  }));
}

const NO_BODY = new Uint8Array(0);

/** Places and times of an event are safe integers, so JSON carries them as they are. */
const EVENT_WITHOUT_BODY = `
  json_build_object(
    'seq', e.seq, 'id', e.id, 'tenant', e.tenant, 'source_id', e.source_id, 'source', e.source, 'type', e.type,
    'key', e.key, 'subject', e.subject, 'external_id', e.external_id, 'correlation_id', e.correlation_id,
    'causation_id', e.causation_id, 'occurred_at', e.occurred_at, 'received_at', e.received_at,
    'content_type', e.content_type, 'headers', e.headers, 'settings_version', e.settings_version,
    'origin', e.origin)`;

function from(over: Replay['over']): string {
  return over === 'deliveries'
    ? 'FROM deliveries AS d JOIN events AS e ON e.seq = d.event_seq'
    : 'FROM events AS e';
}

function replayConditions(filter: ReplayFilter, over: Replay['over'], tenant: string | null): Conditions {
  const where = new Conditions();
  where.addIf('e.tenant = ?', tenant === null ? null : toText(tenant));
  where.addIf(
    'e.id = ANY(?)',
    filter.eventIds?.map((id) => toText(id)),
  );
  if (filter.type !== undefined) where.add('e.type ~ ?', typePatternRegExp(filter.type));
  where.addIf('e.source_id = ?', filter.sourceId);
  where.addIf('e.received_at >= ?', filter.from);
  where.addIf('e.received_at < ?', filter.to);
  // Places follow time: older days are left alone.
  if (filter.from !== undefined) where.add('e.seq >= ?', filter.from * 1_000);
  if (over === 'events') return where;
  where.addIf(
    'd.id = ANY(?)',
    filter.deliveryIds?.map((id) => toText(id)),
  );
  where.addIf('d.state = ?', filter.state);
  where.addIf('d.destination_id = ?', filter.destinationId);
  where.addIf('d.subscription_id = ?', filter.subscriptionId);
  return where;
}
