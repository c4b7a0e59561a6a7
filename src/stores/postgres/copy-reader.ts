import {
  type CopiedChunk,
  type CopiedKind,
  type CopiedRow,
  type CopiedValue,
  columnsOf,
  type CopyPlace,
  type CopyReader,
} from '../../ports/store-copy.ts';
import { Database, type Row } from './database.ts';
import { type DatabaseAddress, readDatabaseUrl } from './database-url.ts';
import { listMigrations, schemaVersion } from './migrate.ts';
import { lastPlace } from './partitions.ts';
import { takeAlone, refuseHalfMoved } from './presence.ts';
import { number } from './rows.ts';
import { connectToStart, type StartConnection } from './start-connection.ts';
import { fromText } from './text-columns.ts';
import { explainStart } from './start-checks.ts';

const CHUNK_ROWS = 1_000;
const CHUNK_BYTES = 4 * 1024 * 1024;
const ALONE_TRIES = 20;

/** A table that is read in the order of its key. */
interface Part {
  readonly table: string;
  readonly key: readonly string[];
  /** Columns that this table has not; null in its rows. */
  readonly without?: readonly string[];
  /** Bytes of a row beside its few small columns. */
  readonly size?: string;
}

const CONTENT_SIZE = 'octet_length(headers) + octet_length(body)';

/** What each kind of row is kept in; deliveries are in two tables. */
const PARTS: Readonly<Record<CopiedKind, readonly Part[]>> = {
  settings: [{ table: 'settings', key: ['kind', 'id'], size: 'octet_length(document)' }],
  settings_log: [{ table: 'settings_log', key: ['version'], size: 'coalesce(octet_length(document), 0)' }],
  key_uses: [{ table: 'key_uses', key: ['key_id'] }],
  failing_destinations: [{ table: 'failing_destinations', key: ['destination_id'] }],
  source_activity: [{ table: 'source_activity', key: ['source_id'] }],
  events: [{ table: 'events', key: ['seq'], size: CONTENT_SIZE }],
  deliveries: [
    { table: 'open_deliveries', key: ['seq'] },
    {
      table: 'ended_deliveries',
      key: ['event_seq', 'seq'],
      without: ['due_at', 'lease_until', 'lease_token', 'order_key'],
    },
  ],
  attempts: [
    {
      table: 'attempts',
      key: ['event_seq', 'delivery_seq', 'number'],
      size: 'octet_length(response_headers) + octet_length(response_body)',
    },
  ],
  duplicates: [{ table: 'duplicates', key: ['event_seq', 'number'] }],
  dedupe: [{ table: 'dedupe', key: ['scope', 'key'] }],
  replays: [{ table: 'replays', key: ['seq'] }],
  rejections: [{ table: 'rejections', key: ['seq'], size: CONTENT_SIZE }],
};

/** The tables that hold what a move takes along. */
export const COPIED_TABLES: readonly string[] = Object.values(PARTS).flatMap((parts) =>
  parts.map(({ table }) => table),
);

/**
 * Opens a PostgreSQL store to be copied. No gateway can use it meanwhile.
 *
 * Rejects when there is none, when gateways use it, or when this version cannot read it as it is.
 */
export async function openPostgresCopyReader(url: string): Promise<CopyReader> {
  const address = readDatabaseUrl(url);
  const connection = await connectToStart(address);
  try {
    await checkVersion(connection, address);
    await refuseHalfMoved(connection.run, address.schema);
    await beAlone(connection, address);
  } catch (error) {
    await connection.close();
    throw explainStart(error, address);
  }
  const database = new Database(address);
  return postgresCopyReader(database, async () => {
    await database.close();
    await connection.close();
  });
}

/** Rejects when gateways are connected; while the connection lasts none can come. */
export async function beAlone({ run }: StartConnection, { said }: DatabaseAddress): Promise<void> {
  // A process that was killed a moment ago may still be connected.
  for (let tries = 0; tries < ALONE_TRIES; tries += 1) {
    if (await takeAlone(run)) return;
    await run({ text: 'SELECT pg_sleep(0.1)' });
  }
  throw new Error(`a gateway, or another move, is using ${said}; stop every node of it first`);
}

async function checkVersion({ run }: StartConnection, { said, schema }: DatabaseAddress): Promise<void> {
  const newest = listMigrations().at(-1)?.number ?? 0;
  const found = await schemaVersion(run, schema);
  if (found === newest) return;
  if (found === 0) {
    throw new Error(`there is no Ringback in the schema "${schema}" of ${said}; correct the URL`);
  }
  throw new Error(
    found > newest
      ? `${said} has schema version ${found}, made by a newer Ringback; this one knows ${newest}: install the newer version`
      : `${said} has schema version ${found}, and this Ringback works with ${newest}: run "ringback migrate" on it first`,
  );
}

/** Reads by way of a database's connections; `close` is what the reader does when it is closed. */
export function postgresCopyReader(database: Database, close: () => Promise<void>): CopyReader {
  return {
    count: async (kind) => {
      let rows = 0;
      for (const { table } of PARTS[kind]) {
        const [row] = await database.run('upkeep', { text: `SELECT count(*) AS rows FROM ${table}` });
        rows += row === undefined ? 0 : number(row, 'rows');
      }
      return rows;
    },
    read: (kind, after) => readChunk(database, kind, after),
    lastPlace: () => lastPlace(database),
    prunedPlace: async () => {
      const [row] = await database.run('upkeep', {
        text: 'SELECT pruned_event_seq AS place FROM store_state',
      });
      return row === undefined ? 0 : number(row, 'place');
    },
    close,
  };
}

/** A place is the number of the part, then its key. */
async function readChunk(
  database: Database,
  kind: CopiedKind,
  after: CopyPlace | null,
): Promise<CopiedChunk> {
  const parts = PARTS[kind];
  const index = Number(after?.[0] ?? 0);
  const part = parts[index];
  if (part === undefined) throw new TypeError(`${kind} has no part ${index}`);
  const key = after?.slice(1) ?? [];
  const rows = await database.run('upkeep', {
    text: chunkQuery(kind, part, key.length > 0),
    values: [...key],
  });
  const last = rows.at(-1);
  if (last !== undefined) {
    const place = part.key.map((column) => last[column] as string | number);
    return { rows: rows.map((row) => copiedRow(kind, row)), next: [index, ...place] };
  }
  return { rows: [], next: index + 1 < parts.length ? [index + 1] : null };
}

function chunkQuery(kind: CopiedKind, part: Part, isContinued: boolean): string {
  const keys = part.key.join(', ');
  const behind = isContinued ? `WHERE (${keys}) > (${part.key.map((_, at) => `$${at + 1}`).join(', ')})` : '';
  const columns = columnsOf(kind)
    .map(([name]) => (part.without?.includes(name) === true ? `NULL AS ${name}` : name))
    .join(', ');
  // Sizes are known without reading what is large: only what is answered is read.
  return `
    SELECT ${columns} FROM (
      SELECT *, sum(100 + ${part.size ?? '0'}) OVER (ORDER BY ${keys} ROWS UNBOUNDED PRECEDING) AS bytes,
        row_number() OVER (ORDER BY ${keys}) AS n
      FROM (SELECT * FROM ${part.table} ${behind} ORDER BY ${keys} LIMIT ${CHUNK_ROWS}) AS ahead
    ) AS measured
    WHERE n = 1 OR bytes <= ${CHUNK_BYTES} ORDER BY ${keys}`;
}

function copiedRow(kind: CopiedKind, row: Row): CopiedRow {
  return Object.fromEntries(columnsOf(kind).map(([name]) => [name, copiedValue(row[name])]));
}

function copiedValue(value: unknown): CopiedValue {
  if (typeof value === 'string') return fromText(value);
  if (value === null || typeof value === 'number' || value instanceof Uint8Array) return value;
  throw new TypeError(`a column has a ${typeof value}`);
}
