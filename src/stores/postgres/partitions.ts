import type { Database, Run } from './database.ts';
import { sqlState } from './failures.ts';
import { numberOrNull, text } from './rows.ts';

/** The places of one day, in microseconds: a partition holds the events of a day and what became of them. */
export const DAY_PLACES = 86_400_000_000;

/** How long before a day begins its partition is made, so that no append at midnight waits for it. */
const AHEAD_PLACES = DAY_PLACES / 4;

const PARTITIONED_TABLES = ['events', 'ended_deliveries', 'attempts', 'duplicates'] as const;

/** A day in the log: its first place and the first of the next day. */
export interface Day {
  readonly from: number;
  readonly to: number;
}

/** Makes the partitions that appends need, and finds and drops those that nobody needs any more. */
export class Partitions {
  readonly #database: Database;
  readonly #known = new Set<number>();
  #making: Promise<void> = Promise.resolve();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Makes sure that events with this place have somewhere to go. */
  async ensure(place: number): Promise<void> {
    const day = dayOf(place);
    if (!this.#known.has(day.from)) await this.#make(day);
    const next = dayOf(place + AHEAD_PLACES);
    if (this.#known.has(next.from)) return;
    // A failure is no one's yet: whoever first needs that day tries again.
    void this.#make(next).catch(() => {});
  }

  /** As `ensure`, for the place that the next event will get: the log may be ahead of the clock. */
  async ensureNext(): Promise<void> {
    const last = await lastPlace(this.#database);
    await this.#make(dayOf(last + 1));
    await this.#make(dayOf(last + AHEAD_PLACES));
  }

  /** Forgets that a day has partitions: they are about to be dropped. */
  forget(day: Day): void {
    this.#known.delete(day.from);
  }

  async #make(day: Day): Promise<void> {
    // One at a time: each takes the same lock.
    const making = this.#making.then(() => this.#makeOnce(day));
    this.#making = making.catch(() => {});
    await making;
  }

  async #makeOnce(day: Day): Promise<void> {
    if (this.#known.has(day.from)) return;
    await this.#database.transaction('work', async (run) => {
      await lockPartitions(run);
      const found = await existing(run, day);
      const missing = PARTITIONED_TABLES.filter((table) => !found.has(partitionName(table, day)));
      if (missing.length === 0) return;
      await run({ text: missing.map((table) => partitionStatements(table, day)).join(';') });
    });
    this.#known.add(day.from);
  }
}

/** Days that have a partition, oldest first. */
export async function listDays(run: Run): Promise<Day[]> {
  const names = await attached(run, 'events');
  return names.map((name) => dayOf(placeOfName(name)));
}

/**
 * Drops all that belongs to a day, the events last, so that a day that is half dropped is still listed.
 * The log goes on meanwhile: a partition is detached without locking out its siblings.
 */
export async function dropDay(run: Run, day: Day): Promise<void> {
  for (const table of PARTITIONED_TABLES.toReversed()) {
    const name = partitionName(table, day);
    if (!(await attached(run, table)).includes(name)) continue;
    await run({ text: `ALTER TABLE ${table} DETACH PARTITION ${name} CONCURRENTLY` });
    await run({ text: `DROP TABLE ${name}` });
  }
}

/** Finishes what a crash in the middle of `dropDay` left: partitions that are half or wholly detached. */
export async function dropLeftovers(run: Run): Promise<void> {
  const rows = await run({
    text: `
      SELECT c.relname AS name, parent.relname AS parent
      FROM pg_class AS c
      LEFT JOIN pg_inherits ON inhrelid = c.oid
      LEFT JOIN pg_class AS parent ON parent.oid = inhparent
      WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
        AND c.relname ~ '^(${PARTITIONED_TABLES.join('|')})_[0-9]{8}$'
        AND (inhrelid IS NULL OR inhdetachpending)`,
  });
  for (const row of rows) {
    const name = text(row, 'name');
    if (row['parent'] !== null) {
      await run({ text: `ALTER TABLE ${text(row, 'parent')} DETACH PARTITION ${name} FINALIZE` });
    }
    await run({ text: `DROP TABLE ${name}` });
  }
}

async function attached(run: Run, table: string): Promise<string[]> {
  const rows = await run({
    text: `
      SELECT child.relname AS name
      FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
      WHERE inhparent = $1::regclass AND NOT inhdetachpending
      ORDER BY child.relname`,
    values: [table],
  });
  return rows.map((row) => text(row, 'name'));
}

/** Whether an insert failed because its day has no partition. */
export function isPartitionMissing(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return sqlState(cause) === '23514' && cause instanceof Error && cause.message.includes('no partition');
}

/** The last place given; 0 before the first. */
export async function lastPlace(database: Database): Promise<number> {
  const [row] = await database.run('work', { text: `SELECT pg_sequence_last_value('log_place') AS place` });
  return row === undefined ? 0 : (numberOrNull(row, 'place') ?? 0);
}

export function dayOf(place: number): Day {
  const from = Math.floor(place / DAY_PLACES) * DAY_PLACES;
  return { from, to: from + DAY_PLACES };
}

/** Attached afterwards, not made in place: `PARTITION OF` would lock the whole log for a moment. */
function partitionStatements(table: string, day: Day): string {
  const name = partitionName(table, day);
  return [
    `CREATE TABLE ${name} (LIKE ${table} INCLUDING ALL)`,
    // An id is unique within its day: over all days, PostgreSQL would want the place in the key as well.
    ...(table === 'events' ? [`CREATE UNIQUE INDEX ${name}_id ON ${name} (id)`] : []),
    `ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM (${day.from}) TO (${day.to})`,
  ].join(';');
}

async function existing(run: Run, day: Day): Promise<Set<string>> {
  const rows = await run({
    text: `
      SELECT relname AS name FROM pg_class
      WHERE relname = ANY($1) AND relnamespace = current_schema()::regnamespace`,
    values: [PARTITIONED_TABLES.map((table) => partitionName(table, day))],
  });
  return new Set(rows.map((row) => text(row, 'name')));
}

/** Until the transaction ends, no other node makes or drops partitions of this schema. */
async function lockPartitions(run: Run): Promise<void> {
  await run({ text: `SELECT pg_advisory_xact_lock(1382641256, current_schema()::regnamespace::oid::int)` });
}

function partitionName(table: string, day: Day): string {
  return `${table}_${new Date(day.from / 1_000).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

function placeOfName(name: string): number {
  const [, year, month, date] = /_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(date)) * 1_000;
}
