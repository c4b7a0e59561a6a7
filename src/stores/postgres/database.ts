import { type ClientConfig, Pool, type PoolClient, type QueryConfig, types } from 'pg';
import { Problem } from '../../domain/problem.ts';
import { Backoff } from './backoff.ts';
import type { DatabaseAddress } from './database-url.ts';
import { isConnectionLost, isOutOfTime, toCallersError } from './failures.ts';
import { Sockets } from './sockets.ts';

/** One row, columns by name. */
export type Row = Record<string, unknown>;

/** A statement with the values of its `$1`, `$2`, ...; one with a name is planned once per connection. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** Runs one statement and answers its rows. */
export type Run = (statement: Statement) => Promise<Row[]>;

/**
 * What a connection is for. Appends and settlements have one each, so that neither waits for a question;
 * `work` claims and changes settings, `upkeep` cleans up and may take long. `ask` answers what is looked up and
 * what streams follow, `search` what has to be looked for: its questions may take long, and wait for each other.
 *
 * Appends and settlements over one connection were as fast on two cores that the server shared (7,700 and
 * 7,200 pairs a second, in noise larger than that), but each would wait for the other's flush to disk.
 */
export type Lane = 'append' | 'settle' | 'work' | 'upkeep' | 'ask' | 'search';

const LANE_CONNECTIONS: Readonly<Record<Lane, number>> = {
  append: 1,
  settle: 1,
  work: 2,
  upkeep: 1,
  ask: 2,
  search: 2,
};

const CONNECT_TIMEOUT_MS = 5_000;
/** Connections outside of the pools: the one that prepares the schema, and the one that hears notes. */
type LoneConnection = 'start' | 'listen';

/** The server ends a statement after this ... */
const STATEMENT_TIMEOUT_MS: Readonly<Record<Lane | LoneConnection, number>> = {
  append: 10_000,
  settle: 10_000,
  work: 10_000,
  upkeep: 600_000,
  ask: 30_000,
  search: 30_000,
  // A migration may rewrite a table, and nodes that start together wait for the first one's.
  start: 3_600_000,
  listen: 5_000,
};
/** ... and when it does not, because nothing reaches it any more, we give up this much later. */
const SILENCE_MS = 2_000;
const RETRY_AFTER_S = 5;

/** The connections of one lane, and how it goes with making them. */
interface LanePool {
  readonly pool: Pool;
  readonly connections: number;
  readonly backoff: Backoff;
}

/**
 * The connections to one PostgreSQL database, made when first needed and made again when lost.
 *
 * While no connection can be made, calls reject at once with a `Problem` (`store_unavailable`), but for
 * the one that tries again after a pause that grows. That goes lane by lane: a server without a free
 * connection does not keep a lane from using those that it has.
 */
export class Database {
  readonly #lanes: ReadonlyMap<Lane, LanePool>;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #madeAt = new WeakMap<PoolClient, number>();
  #lostAt = Number.NEGATIVE_INFINITY;
  readonly #notePresence: ((run: Run) => Promise<boolean>) | undefined;
  /** Of these connections and of others that are to end with them. */
  readonly sockets = new Sockets();
  #closed = false;

  /** `notePresence` is asked on each new connection for work: false = someone else is alone with the data. */
  constructor(
    address: DatabaseAddress,
    options: { readonly notePresence?: (run: Run) => Promise<boolean> } = {},
  ) {
    this.#notePresence = options.notePresence;
    const lanes = Object.entries(LANE_CONNECTIONS) as [Lane, number][];
    this.#lanes = new Map(
      lanes.map(([lane, connections]) => [
        lane,
        { pool: makePool(address, lane, this.sockets), connections, backoff: new Backoff() },
      ]),
    );
  }

  /** Runs one statement, which is a transaction of its own. */
  async run(lane: Lane, statement: Statement): Promise<Row[]> {
    return this.on(lane, (run) => run(statement));
  }

  /** Runs several statements as one transaction: all of them, or none when `work` rejects. */
  async transaction<Result>(lane: Lane, work: (run: Run) => Promise<Result>): Promise<Result> {
    return this.on(lane, (run) => inTransaction(run, work));
  }

  /** Runs statements on one connection, each a transaction of its own. */
  on<Result>(lane: Lane, work: (run: Run) => Promise<Result>): Promise<Result> {
    if (this.#closed) return Promise.reject(storeClosed());
    const working = this.#work(lane, work);
    this.#underWay.add(working);
    return working.finally(() => this.#underWay.delete(working));
  }

  /** Lets `last` and what was called finish, then closes every connection; gives up waiting as `Sockets` says. */
  close(last: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
    const closing = async (): Promise<void> => {
      await last();
      this.#closed = true;
      await Promise.allSettled(this.#underWay);
      await Promise.all([...this.#lanes.values()].map(({ pool }) => pool.end()));
    };
    return this.sockets.end(closing, () => {
      this.#closed = true;
    });
  }

  async #work<Result>(lane: Lane, work: (run: Run) => Promise<Result>): Promise<Result> {
    const lanePool = this.#lanes.get(lane);
    if (lanePool === undefined) throw new TypeError(`there is no lane ${lane}`);
    const client = await this.#connect(lanePool, lane);
    try {
      const result = await work(async (statement) => (await client.query(toQuery(statement))).rows);
      client.release();
      return result;
    } catch (error) {
      const isLost = isConnectionLost(error);
      client.release(isLost);
      if (isLost) this.#lostAt = performance.now();
      if (lane === 'search' && isOutOfTime(error)) throw tookTooLong(error);
      throw toCallersError(error, RETRY_AFTER_S);
    }
  }

  async #connect(lanePool: LanePool, lane: Lane): Promise<PoolClient> {
    const { pool, connections, backoff } = lanePool;
    const isBusy = pool.idleCount === 0 && pool.totalCount >= connections;
    const waitMs = isBusy ? 0 : backoff.waitMs();
    if (waitMs > 0) throw notReachable(waitMs);
    try {
      const client = await pool.connect();
      backoff.succeeded();
      const madeAt = this.#madeAt.get(client);
      if (madeAt === undefined) {
        await this.#introduce(client, lane);
        this.#madeAt.set(client, performance.now());
      }
      if (madeAt === undefined || madeAt > this.#lostAt) return client;
      // Where one connection fell silent, those made before have most likely done so, too, and each would
      // take its whole time limit to be found out.
      client.release(true);
    } catch (error) {
      if (isBusy) throw new Problem('store_unavailable', 'every connection is busy', { retryAfterS: 1 });
      backoff.failed();
      throw toCallersError(error, RETRY_AFTER_S);
    }
    return this.#connect(lanePool, lane);
  }

  async #introduce(client: PoolClient, lane: Lane): Promise<void> {
    if (lane !== 'work' || this.#notePresence === undefined) return;
    try {
      if (await this.#notePresence(async (statement) => (await client.query(toQuery(statement))).rows))
        return;
      throw new Problem('store_unavailable', 'the store is being moved: no gateway may use it meanwhile', {
        retryAfterS: 60,
      });
    } catch (error) {
      client.release(true);
      throw error;
    }
  }
}

/** Runs several statements of one connection as one transaction. */
export async function inTransaction<Result>(run: Run, work: (run: Run) => Promise<Result>): Promise<Result> {
  await run({ text: 'BEGIN' });
  try {
    const result = await work(run);
    await run({ text: 'COMMIT' });
    return result;
  } catch (error) {
    if (!isConnectionLost(error)) await run({ text: 'ROLLBACK' });
    throw error;
  }
}

function toQuery({ name, text, values }: Statement): QueryConfig {
  const query: QueryConfig = { text };
  if (name !== undefined) query.name = name;
  if (values !== undefined) query.values = [...values];
  return query;
}

function storeClosed(): Problem {
  return new Problem('store_unavailable', 'the store is closed');
}

/** It is the question, most likely, and not the server. */
function tookTooLong(cause: unknown): Problem {
  const detail =
    'the question took too long and was given up; ask for less, such as a shorter time or one source, ' +
    'and without a search in bodies';
  return new Problem('store_unavailable', detail, { retryAfterS: RETRY_AFTER_S, cause });
}

function notReachable(waitMs: number): Problem {
  return new Problem('store_unavailable', 'PostgreSQL cannot be reached', {
    retryAfterS: Math.max(1, Math.ceil(waitMs / 1_000)),
  });
}

function makePool(address: DatabaseAddress, lane: Lane, { stream }: Sockets): Pool {
  const pool = new Pool({
    ...connectionConfig(address, lane),
    stream,
    max: LANE_CONNECTIONS[lane],
    idleTimeoutMillis: lane === 'ask' || lane === 'search' || lane === 'upkeep' ? 60_000 : 0,
  });
  // A connection that breaks rejects its statement and is replaced at the next call. It also emits its
  // error, idle or not: unheard, that would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** How a connection is made, for the pools and for those who need one of their own. */
export function connectionConfig(address: DatabaseAddress, lane: Lane | LoneConnection): ClientConfig {
  const timeoutMs = STATEMENT_TIMEOUT_MS[lane];
  return {
    connectionString: address.url,
    application_name: `ringback ${lane}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: timeoutMs + SILENCE_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    types: { getTypeParser },
    options: [...sessionSettings(address, lane, timeoutMs), address.sessionOptions].join(' ').trim(),
  };
}

function sessionSettings(address: DatabaseAddress, lane: Lane | LoneConnection, timeoutMs: number): string[] {
  const settings = {
    search_path: address.schema,
    // Whatever the server's default is: an acknowledgement means that the commit is on disk.
    synchronous_commit: 'on',
    statement_timeout: timeoutMs,
    idle_in_transaction_session_timeout: 10_000,
    // The server, too, must notice a node that vanished: its locks go with its connection.
    tcp_keepalives_idle: 10,
    tcp_keepalives_interval: 5,
    tcp_keepalives_count: 3,
    ...plannerSettings(lane),
  };
  return Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
}

/**
 * The table of open deliveries is tiny one moment and a million rows the next; a plan that was right for
 * ten rows reads all of the million, and is kept for as long as the statistics say nothing new. Walking an
 * index row by row is right for both.
 *
 * Appends join what they were given with itself, and no table: for that, hashing is right.
 */
function plannerSettings(lane: Lane | LoneConnection): Record<string, string> {
  if (lane === 'ask' || lane === 'search') return {};
  const indexOnly = { enable_seqscan: 'off', enable_bitmapscan: 'off', jit: 'off' };
  return lane === 'append' ? indexOnly : { ...indexOnly, enable_hashjoin: 'off', enable_mergejoin: 'off' };
}

const INT8 = 20;

/** Places and times are safe integers; the driver would give them as text. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
  if (oid === INT8 && format !== 'binary') return Number;
  return types.getTypeParser(oid, format);
}
