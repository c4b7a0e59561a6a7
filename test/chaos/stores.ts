import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { Client } from 'pg';
import {
  makePostgres,
  type PostgresBinaries,
  type PostgresServer,
} from '../../scripts/services/postgres-server.ts';
import { StallingProxy } from '../services/stalling-proxy.ts';

/** What the harness knows of a store beside the gateways that use it. */
export interface ChaosStore {
  readonly kind: 'sqlite' | 'postgres';
  /** What a node finds in RINGBACK_STORE_URL. */
  url(node: { readonly name: string; readonly dataDir: string }): string;
  /** What is wrong with the data itself; asked while nothing is written. */
  damages(dataDir: string): Promise<string[]>;
  readonly version: () => Promise<string>;
  readonly postgres?: PostgresControl;
  /** Ends it; answers where its data is kept, when it is to be kept and is not in the data directory. */
  close(keepData: boolean): Promise<string | null>;
}

/** The database server and the network in front of it. */
export interface PostgresControl {
  readonly server: PostgresServer;
  /** The way from one node to the server. */
  proxyOf(node: string): StallingProxy;
  /** A database that nobody has used yet, for the nodes to come. */
  useNewSchema(): void;
  withClient<Result>(work: (client: Client) => Promise<Result>): Promise<Result>;
}

/** Rows that no crash may leave behind: each question must find nothing. */
const SQLITE_DAMAGES: Readonly<Record<string, string>> = {
  'deliveries of events that are gone':
    'SELECT id FROM deliveries d WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq = d.event_seq)',
  'attempts of deliveries that are gone':
    'SELECT delivery_seq FROM attempts a WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE seq = a.delivery_seq)',
  'ended deliveries without a record of each attempt': `
    SELECT id FROM deliveries d WHERE state IN ('succeeded', 'dead')
      AND attempts <> (SELECT count(*) FROM attempts WHERE delivery_seq = d.seq)`,
  'deliveries that wait for a turn that nobody has before them': `
    SELECT id FROM deliveries d WHERE state = 'pending' AND reason = 'waits_for_order' AND NOT EXISTS (
      SELECT 1 FROM deliveries WHERE order_key = d.order_key AND seq < d.seq AND state IN ('pending', 'leased'))`,
};

const POSTGRES_DAMAGES: Readonly<Record<string, string>> = {
  'open deliveries of events that are gone':
    'SELECT id FROM open_deliveries d WHERE NOT EXISTS (SELECT FROM events WHERE seq = d.event_seq)',
  'ended deliveries of events that are gone':
    'SELECT id FROM ended_deliveries d WHERE NOT EXISTS (SELECT FROM events WHERE seq = d.event_seq)',
  'attempts of deliveries that are gone': `
    SELECT delivery_seq::text AS id FROM attempts a
    WHERE NOT EXISTS (SELECT FROM ended_deliveries WHERE seq = a.delivery_seq AND event_seq = a.event_seq)
      AND NOT EXISTS (SELECT FROM open_deliveries WHERE seq = a.delivery_seq)`,
  'ended deliveries without a record of each attempt': `
    SELECT id FROM ended_deliveries d WHERE state IN ('succeeded', 'dead') AND attempts <> (
      SELECT count(*) FROM attempts WHERE delivery_seq = d.seq AND event_seq = d.event_seq)`,
  'deliveries that are open and ended':
    'SELECT o.id FROM open_deliveries o JOIN ended_deliveries e ON e.seq = o.seq AND e.event_seq = o.event_seq',
};

function databaseFile(dataDir: string): string {
  return join(dataDir, 'ringback.db');
}

export function sqliteStore(): ChaosStore {
  return {
    kind: 'sqlite',
    url: ({ dataDir }) => `sqlite:${databaseFile(dataDir)}`,
    damages: async (dataDir) => {
      const db = new DatabaseSync(databaseFile(dataDir), { readOnly: true });
      try {
        db.exec('PRAGMA busy_timeout = 5000');
        const found = Object.entries(SQLITE_DAMAGES).flatMap(([what, sql]) => {
          const rows = db.prepare(`${sql} LIMIT 5`).all();
          return rows.length === 0 ? [] : [`${what}: ${rows.map((row) => Object.values(row)[0]).join(', ')}`];
        });
        const verdict = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
        return verdict === 'ok' ? found : [...found, `quick_check: ${String(verdict)}`];
      } finally {
        db.close();
      }
    },
    version: async () => {
      const db = new DatabaseSync(':memory:');
      const version = String(db.prepare('SELECT sqlite_version() AS v').get()?.['v']);
      db.close();
      return `SQLite ${version}`;
    },
    close: () => Promise.resolve(null),
  };
}

/** A server of its own, with a relay for each node: it can be killed, starved and cut off. */
export async function postgresStore(
  nodes: number,
  binaries: PostgresBinaries = 'system',
): Promise<ChaosStore> {
  const server = await makePostgres(binaries, { max_connections: '60' });
  const port = Number(new URL(server.url()).port);
  const proxies = await Promise.all(Array.from({ length: nodes }, () => StallingProxy.to(port)));
  const proxyOf = (node: string): StallingProxy => {
    const proxy = proxies[Number(node) - 1];
    if (proxy === undefined) throw new Error(`there is no node ${node}`);
    return proxy;
  };
  let schema = 0;
  const name = (): string => `chaos_${schema}`;
  const withClient = async <Result>(work: (client: Client) => Promise<Result>): Promise<Result> => {
    const client = new Client(server.url());
    client.on('error', () => {});
    await client.connect();
    try {
      await client.query(`SET search_path = ${name()}`);
      return await work(client);
    } finally {
      await client.end().catch(() => {});
    }
  };
  return {
    kind: 'postgres',
    url: (node) => {
      const url = new URL(server.url());
      url.port = String(proxyOf(node.name).port);
      return `${url.href}?schema=${name()}`;
    },
    damages: () =>
      withClient(async (client) => {
        const found: string[] = [];
        for (const [what, sql] of Object.entries(POSTGRES_DAMAGES)) {
          const { rows } = await client.query<{ id: string }>(`${sql} LIMIT 5`);
          if (rows.length > 0) found.push(`${what}: ${rows.map(({ id }) => id).join(', ')}`);
        }
        return found;
      }),
    version: () =>
      withClient(async (client) => {
        const { rows } = await client.query<{ v: string }>(`SELECT current_setting('server_version') AS v`);
        return `PostgreSQL ${rows[0]?.v}`;
      }),
    postgres: {
      server,
      proxyOf,
      useNewSchema: () => {
        schema += 1;
      },
      withClient,
    },
    close: async (keepData) => {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      if (!keepData) await server.remove();
      else await server.stop('fast');
      return keepData ? server.directory : null;
    },
  };
}
