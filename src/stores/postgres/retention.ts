import { type Database, inTransaction, type Run } from './database.ts';
import {
  type Day,
  DAY_PLACES,
  dropDay,
  dropLeftovers,
  lastPlace,
  listDays,
  type Partitions,
} from './partitions.ts';
import { number, text } from './rows.ts';
import { toText } from './text-columns.ts';

/**
 * While the time that events are kept is at least this many days, the day in which it ends is left to be
 * dropped whole: an event may then stay up to a day longer, and none is deleted one by one.
 */
const WHOLE_DAYS_FROM = 4;

/**
 * Removes old events that owe nothing more; see `Upkeep.pruneEvents`.
 *
 * A day that is over, and of which every delivery has ended, goes in one step whatever its size: its
 * partitions are dropped. Only what such a day cannot take along goes row by row.
 */
export async function pruneEvents(
  database: Database,
  partitions: Partitions,
  receivedBefore: number,
  limit: number,
): Promise<number> {
  const before = receivedBefore * 1_000;
  const dropped = await database.on('upkeep', (run) => dropFirst(run, partitions, before));
  if (dropped > 0) return dropped;
  const keptForPlaces = (await lastPlace(database)) - before;
  const edge =
    keptForPlaces < WHOLE_DAYS_FROM * DAY_PLACES ? before : Math.floor(before / DAY_PLACES) * DAY_PLACES;
  return database.transaction('upkeep', (run) => pruneRows(run, { edge, receivedBefore, limit }));
}

/** Drops the first day with events that can go as a whole; answers how many events it had. */
async function dropFirst(run: Run, partitions: Partitions, before: number): Promise<number> {
  // Nodes take turns; one that finds another at it leaves it to that one.
  const key = `1382641258, current_schema()::regnamespace::oid::int`;
  const [lock] = await run({ text: `SELECT pg_try_advisory_lock(${key})::text AS is_ours` });
  if (lock === undefined || lock['is_ours'] !== 'true') return 0;
  try {
    await dropLeftovers(run);
    for (const day of await listDays(run)) {
      // No place is before its time, so all that was received in this day or earlier is in it.
      if (day.to > before) return 0;
      const events = await retire(run, day);
      if (events === null) continue;
      partitions.forget(day);
      await dropDay(run, day);
      await run({ text: 'DELETE FROM retired_days WHERE from_seq = $1', values: [day.from] });
      if (events > 0) return events;
    }
    return 0;
  } finally {
    await run({ text: `SELECT pg_advisory_unlock(${key})` });
  }
}

/**
 * Gives a day up, unless a delivery of it is unfinished (`null`). From then on no replay owes anything
 * of it, so that it can be dropped. Answers how many events it has.
 */
async function retire(run: Run, day: Day): Promise<number | null> {
  const retired = await inTransaction(run, async () => {
    await run({ text: 'SELECT lock_log()' });
    return run({
      text: `
        INSERT INTO retired_days (from_seq, to_seq) SELECT $1, $2
        WHERE NOT EXISTS (SELECT FROM open_deliveries WHERE event_seq >= $1 AND event_seq < $2)
        ON CONFLICT (from_seq) DO UPDATE SET to_seq = excluded.to_seq
        RETURNING from_seq`,
      values: [day.from, day.to],
    });
  });
  if (retired.length === 0) return null;
  // Before the day is dropped: a reader may be told of a gap that is not yet there, never the reverse.
  const [row] = await run({
    text: `
      WITH going AS (SELECT count(*) AS events, max(seq) AS last FROM events WHERE seq >= $1 AND seq < $2),
      noted AS (
        UPDATE store_state SET pruned_event_seq = greatest(pruned_event_seq, going.last) FROM going
      )
      SELECT events FROM going`,
    values: [day.from, day.to],
  });
  return row === undefined ? 0 : number(row, 'events');
}

/** The lock keeps replays from owing something of an event between the look at it and its end. */
async function pruneRows(
  run: Run,
  bounds: { readonly edge: number; readonly receivedBefore: number; readonly limit: number },
): Promise<number> {
  await run({ text: 'SELECT lock_log()' });
  const rows = await run({
    text: `
      WITH old AS MATERIALIZED (
        SELECT seq FROM events
        WHERE seq < $1 AND received_at < $2
          AND NOT EXISTS (SELECT FROM open_deliveries WHERE event_seq = events.seq)
        ORDER BY seq LIMIT $3
      ), attempted AS (
        DELETE FROM attempts USING old WHERE event_seq = old.seq
      ), repeated AS (
        DELETE FROM duplicates USING old WHERE event_seq = old.seq
      ), ended AS (
        DELETE FROM ended_deliveries USING old WHERE event_seq = old.seq
      ), noted AS (
        UPDATE store_state SET pruned_event_seq = greatest(pruned_event_seq, going.last)
        FROM (SELECT max(seq) AS last FROM old) AS going
      )
      DELETE FROM events USING old WHERE events.seq = old.seq RETURNING old.seq`,
    values: [bounds.edge, bounds.receivedBefore, bounds.limit],
  });
  return rows.length;
}

/** Forgets de-duplication keys that have expired. */
export async function pruneDedupe(database: Database, nowMs: number, limit: number): Promise<number> {
  const rows = await database.run('upkeep', {
    text: `
      DELETE FROM dedupe WHERE (scope, key) IN (
        SELECT scope, key FROM dedupe WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
      ) RETURNING 1`,
    values: [nowMs, limit],
  });
  return rows.length;
}

/** Bytes on disk of everything in the schema. */
export async function sizeBytes(database: Database): Promise<number> {
  const [row] = await database.run('ask', {
    text: `
      SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint AS bytes FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'`,
  });
  return row === undefined ? 0 : number(row, 'bytes');
}

/** Notes since when a destination has only failed; `null` = it works again. */
export async function noteFailing(
  database: Database,
  destinationId: string,
  failingSince: number | null,
): Promise<void> {
  await database.run(
    'work',
    failingSince === null
      ? {
          text: 'DELETE FROM failing_destinations WHERE destination_id = $1',
          values: [toText(destinationId)],
        }
      : {
          text: `
            INSERT INTO failing_destinations (destination_id, failing_since) VALUES ($1, $2)
            ON CONFLICT (destination_id) DO UPDATE SET failing_since = excluded.failing_since`,
          values: [toText(destinationId), failingSince],
        },
  );
}

/** What `noteFailing` noted and did not take back. */
export async function failingDestinations(
  database: Database,
): Promise<{ destinationId: string; failingSince: number }[]> {
  const rows = await database.run('work', {
    text: 'SELECT * FROM failing_destinations ORDER BY destination_id',
  });
  return rows.map((row) => ({
    destinationId: text(row, 'destination_id'),
    failingSince: number(row, 'failing_since'),
  }));
}
