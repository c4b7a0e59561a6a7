import {
  type CopiedKind,
  type CopiedRow,
  columnsOf,
  type CopyPlace,
  type CopyProgress,
  type CopyWriter,
} from '../../ports/store-copy.ts';
import { beAlone, COPIED_TABLES, postgresCopyReader } from './copy-reader.ts';
import { Database, type Run } from './database.ts';
import { type DatabaseAddress, readDatabaseUrl } from './database-url.ts';
import { migrate, schemaVersion } from './migrate.ts';
import { dayOf, Partitions } from './partitions.ts';
import { MOVE_TABLE } from './presence.ts';
import { number, text, textOrNull } from './rows.ts';
import { checkSchema } from './schema-drift.ts';
import { explainStart } from './start-checks.ts';
import { connectToStart, onStartConnection, type StartConnection } from './start-connection.ts';
import { toText } from './text-columns.ts';

/** What is there for a move to write to; `from` is the source of an unfinished one, empty before its first row. */
export type PostgresCopyTarget =
  | { readonly state: 'absent' | 'empty' }
  | { readonly state: 'unfinished'; readonly from: string }
  | { readonly state: 'occupied'; readonly why: string };

/** Looks, and changes nothing. */
export function inspectPostgresCopyTarget(url: string): Promise<PostgresCopyTarget> {
  const address = readDatabaseUrl(url);
  return onStartConnection(address, (connection) => inspect(connection, address));
}

async function inspect(
  { run }: StartConnection,
  { schema, said }: DatabaseAddress,
): Promise<PostgresCopyTarget> {
  if ((await schemaVersion(run, schema)) === 0) return { state: 'absent' };
  const [move] = await run({
    text: `SELECT to_regclass($1)::text AS name`,
    values: [`${schema}.${MOVE_TABLE}`],
  });
  if (move !== undefined && move['name'] !== null) {
    const [row] = await run({ text: `SELECT source FROM ${schema}.${MOVE_TABLE} LIMIT 1` });
    return { state: 'unfinished', from: row === undefined ? '' : text(row, 'source') };
  }
  for (const table of COPIED_TABLES) {
    const [row] = await run({ text: `SELECT 1 AS one FROM ${schema}.${table} LIMIT 1` });
    if (row === undefined) continue;
    return {
      state: 'occupied',
      why: `the schema "${schema}" of ${said} has data already; name another with the parameter schema=, or drop it`,
    };
  }
  return { state: 'empty' };
}

/**
 * Opens a PostgreSQL store to be filled from `from`; an unfinished move is gone on with. No gateway can use
 * it until it is whole. Rejects when something is there already, or the unfinished one is from elsewhere.
 */
export async function openPostgresCopyWriter(url: string, from: string): Promise<CopyWriter> {
  const address = readDatabaseUrl(url);
  const connection = await connectToStart(address);
  try {
    const found = await inspect(connection, address);
    if (found.state === 'occupied') throw new Error(found.why);
    if (found.state === 'unfinished' && found.from !== '' && found.from !== from) {
      throw new Error(
        `the schema "${address.schema}" has an unfinished move from ${found.from}; finish that one, or drop the schema`,
      );
    }
    await migrate(connection.run, address.schema);
    await checkSchema(connection.run, address.schema);
    await beAlone(connection, address);
    await connection.run({
      text: `CREATE TABLE IF NOT EXISTS ${MOVE_TABLE} (
        source text NOT NULL, kind text PRIMARY KEY, rows bigint NOT NULL, next text)`,
    });
  } catch (error) {
    await connection.close();
    throw explainStart(error, address);
  }
  return writerOn(connection, new Database(address), from);
}

function writerOn(connection: StartConnection, database: Database, from: string): CopyWriter {
  const partitions = new Partitions(database);
  const close = async (): Promise<void> => {
    await database.close();
    await connection.close();
  };
  return {
    ...postgresCopyReader(database, close),
    progress: () => progressOf(database),
    write: async (kind, rows, progress) => {
      for (const day of daysOf(kind, rows)) await partitions.ensure(day);
      await database.transaction('upkeep', async (run) => {
        await insertRows(run, kind, rows);
        await run({
          text: `
            INSERT INTO ${MOVE_TABLE} (source, kind, rows, next) VALUES ($1, $2, $3, $4)
            ON CONFLICT (kind) DO UPDATE SET rows = excluded.rows, next = excluded.next`,
          values: [
            toText(from),
            kind,
            progress.rows,
            progress.next === null ? null : JSON.stringify(progress.next),
          ],
        });
      });
    },
    finish: async (lastPlace, prunedPlace) => {
      await database.run('upkeep', {
        text: 'UPDATE store_state SET pruned_event_seq = $1',
        values: [prunedPlace],
      });
      await database.run('upkeep', {
        text: `
          SELECT setval('log_place', $1),
            setval(pg_get_serial_sequence('rejections', 'seq'), greatest(1, (SELECT max(seq) FROM rejections)))`,
        values: [lastPlace],
      });
      for (const table of COPIED_TABLES) await database.run('upkeep', { text: `ANALYZE ${table}` });
      // On the connection that keeps gateways away: if it was lost, this fails.
      await connection.run({ text: `DROP TABLE ${MOVE_TABLE}` });
    },
  };
}

/** The first place of each day that the rows' events are in: all that belongs to one lies in its partitions. */
function daysOf(kind: CopiedKind, rows: readonly CopiedRow[]): Set<number> {
  if (kind !== 'events') return new Set();
  return new Set(rows.map((row) => dayOf(Number(row['seq'])).from));
}

const SQL_TYPES = { text: 'text', integer: 'bigint', real: 'double precision', bytes: 'text' } as const;

async function insertRows(run: Run, kind: CopiedKind, rows: readonly CopiedRow[]): Promise<void> {
  if (rows.length === 0) return;
  const values = [JSON.stringify(rows.map((row) => toColumns(row)))];
  for (const insertion of insertionsOf(kind)) await run({ text: insertStatement(kind, insertion), values });
}

interface Insertion {
  readonly table: string;
  /** Columns of the row that this table has not. */
  readonly without?: readonly string[];
  /** Columns that no row brings, with what they are made from. */
  readonly made?: Readonly<Record<string, string>>;
  readonly where?: string;
}

const IS_OPEN = `state IN ('pending', 'leased')`;

function insertionsOf(kind: CopiedKind): readonly Insertion[] {
  // When a name was taken matters only at the moment of taking it.
  if (kind === 'dedupe') return [{ table: kind, made: { taken_at: '0' } }];
  if (kind !== 'deliveries') return [{ table: kind }];
  const made = { body_bytes: '(SELECT octet_length(body) FROM events WHERE seq = event_seq LIMIT 1)' };
  return [
    { table: 'open_deliveries', made, where: IS_OPEN },
    {
      table: 'ended_deliveries',
      without: ['due_at', 'lease_until', 'lease_token', 'order_key'],
      where: `NOT ${IS_OPEN}`,
    },
  ];
}

function insertStatement(kind: CopiedKind, { table, without = [], made = {}, where }: Insertion): string {
  const columns = columnsOf(kind);
  const names = columns.map(([name]) => name).filter((name) => !without.includes(name));
  const taken = names.map((name) => (name === 'body' ? `decode(body, 'base64')` : name));
  return `
    INSERT INTO ${table} (${[...names, ...Object.keys(made)].join(', ')}) OVERRIDING SYSTEM VALUE
    SELECT ${[...taken, ...Object.values(made)].join(', ')}
    FROM json_to_recordset($1) AS row (${columns.map(([name, holds]) => `${name} ${SQL_TYPES[holds]}`).join(', ')})
    ${where === undefined ? '' : `WHERE ${where}`}`;
}

function toColumns(row: CopiedRow): Record<string, string | number | null> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (typeof value === 'string') return [name, toText(value)];
      if (value instanceof Uint8Array) return [name, Buffer.from(value).toString('base64')];
      return [name, value];
    }),
  );
}

async function progressOf(database: Database): Promise<Map<CopiedKind, CopyProgress>> {
  const rows = await database.run('upkeep', { text: `SELECT kind, rows, next FROM ${MOVE_TABLE}` });
  return new Map(
    rows.map((row) => {
      const next = textOrNull(row, 'next');
      return [
        text(row, 'kind') as CopiedKind,
        { rows: number(row, 'rows'), next: next === null ? null : (JSON.parse(next) as CopyPlace) },
      ];
    }),
  );
}
