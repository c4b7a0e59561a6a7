import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { openPostgresStore } from '../../src/stores/postgres/open.ts';
import {
  makePostgres,
  type PostgresBinaries,
  type PostgresServer,
} from '../../scripts/services/postgres-server.ts';
import type { Store } from '../../src/ports/store.ts';
import type { StoreHarness } from '../../src/testing/store-harness.ts';

/**
 * A harness for stores in one database, each in a schema of its own. Schemas are emptied and used again:
 * making one takes most of the time of a test.
 */
export function schemaHarness(
  url: () => string,
  parameters: Readonly<Record<string, string>> = {},
): Required<StoreHarness> {
  const opened = new Map<Store, string>();
  const emptied: string[] = [];
  const openIn = async (schema: string): Promise<Store> => {
    const store = await openPostgresStore({
      url: `${url()}?${new URLSearchParams({ ...parameters, schema }).toString()}`,
    });
    opened.set(store, schema);
    return store;
  };
  return {
    open: () => openIn(emptied.pop() ?? newSchema()),
    async reopen(store) {
      const schema = opened.get(store);
      if (schema === undefined) throw new Error('this harness did not open that store');
      await close(store);
      return openIn(schema);
    },
    async dispose() {
      for (const store of opened.keys()) await close(store);
      const schemas = new Set(opened.values());
      opened.clear();
      if (schemas.size === 0) return;
      await withClient(url(), async (client) => {
        for (const schema of schemas) await empty(client, schema);
      });
      emptied.push(...schemas);
    },
  };
}

async function empty(client: Client, schema: string): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', $1::text, relname) AS name FROM pg_class
     WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
       AND relname <> 'migrations'`,
    [schema],
  );
  await client.query(`
    TRUNCATE ${rows.map((row) => row.name).join(', ')} RESTART IDENTITY;
    ALTER SEQUENCE ${schema}.log_place RESTART;
    INSERT INTO ${schema}.store_state (probes) VALUES (0);`);
}

export function newSchema(): string {
  return `test_${randomBytes(6).toString('hex')}`;
}

/** A connection beside the store's own, as the one of an operator. */
export async function withClient<Result>(
  url: string,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Closing twice is an error of no one here: tests close stores themselves, too. */
async function close(store: Store): Promise<void> {
  await store.close().catch(() => {});
}

/** The real server's URL, which `scripts/services.ts run` gives; without one the tests make a server. */
export const REAL_SERVER_URL = process.env['RINGBACK_TEST_POSTGRES_URL'];

/** What servers of the tests' own are made of: the machine's, where those are what is tested. */
export const OWN_BINARIES: PostgresBinaries = REAL_SERVER_URL === undefined ? 'packaged' : 'system';

/** A server of the test's own, to be stopped and starved. */
export function makeOwnPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  return makePostgres(OWN_BINARIES, settings);
}
