import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { makePostgres, type PostgresServer } from '../../../scripts/services/postgres-server.ts';
import { buildAppend } from '../../testing/builders.ts';
import type { Run } from './database.ts';
import { listMigrations, migrate, type Migration } from './migrate.ts';
import { openPostgresStore } from './open.ts';

let server: PostgresServer;
const clients: Client[] = [];
let schema = '';
let schemas = 0;

beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off' });
});
afterAll(async () => {
  for (const client of clients) await client.end();
  await server.remove();
});
beforeEach(() => {
  schemas += 1;
  schema = `schema_${schemas}`;
});

async function connected(): Promise<{ client: Client; run: Run }> {
  const client = new Client(server.url());
  clients.push(client);
  await client.connect();
  await client.query(`SET search_path = ${schema}`);
  return { client, run: async ({ text, values }) => (await client.query(text, values && [...values])).rows };
}

const openStore = () => openPostgresStore({ url: `${server.url()}?trust_server=true&schema=${schema}` });

/** A step after those that there are; each adds a column, which locks the log for a moment. */
function further(sql: string): Migration[] {
  const known = listMigrations();
  return [...known, { number: known.length + 1, name: 'further.sql', sql }];
}

it('lets writers go first when a long transaction keeps a step from its lock, and comes back', async () => {
  const store = await openStore();
  await store.log.append(buildAppend());
  const { client: reader } = await connected();
  const { run } = await connected();
  await reader.query('BEGIN');
  await reader.query('SELECT count(*) FROM events');
  const migrating = migrate(run, schema, undefined, further('ALTER TABLE events ADD COLUMN further text'));
  const waits: number[] = [];
  // Appends wait behind a try of the step, and are let through between two of them.
  for (let append = 0; append < 20; append += 1) {
    const beganAt = performance.now();
    await store.log.append(buildAppend());
    waits.push(performance.now() - beganAt);
  }
  expect(Math.max(...waits)).toBeLessThan(2_000);
  await reader.query('COMMIT');

  expect(await migrating).toBe(listMigrations().length + 1);
  await store.log.append(buildAppend());
  await store.close();
});

it('leaves the schema as it was when a step fails, and says which', async () => {
  await (await openStore()).close();
  const { run, client } = await connected();
  const sql = 'CREATE TABLE half (id int); SELECT 1 / 0';
  await expect(migrate(run, schema, undefined, further(sql))).rejects.toThrow(
    /migration further\.sql failed; the database is as it was/,
  );
  const { rows } = await client.query(`SELECT to_regclass('half') AS half`);
  expect(rows).toEqual([{ half: null }]);
  await (await openStore()).close();
});

it('makes each step once, whoever comes at the same time', async () => {
  await (await openStore()).close();
  const nodes = await Promise.all([connected(), connected(), connected()]);
  const steps = further('CREATE TABLE once (id int)');
  const versions = await Promise.all(nodes.map(({ run }) => migrate(run, schema, undefined, steps)));
  expect(new Set(versions)).toEqual(new Set([steps.length]));
});
