import { readFileSync, writeFileSync } from 'node:fs';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  makePostgres,
  PASSWORD_USERS,
  type PostgresServer,
} from '../../../scripts/services/postgres-server.ts';
import { buildAppend, buildAuthor, buildClaim, buildDuplicate, buildOwed } from '../../testing/builders.ts';
import { buildSource } from '../../testing/setting-builders.ts';
import { EXPECTED_SCHEMA } from './expected-schema.ts';
import type { Run } from './database.ts';
import { listMigrations, migrate } from './migrate.ts';
import { openPostgresStore } from './open.ts';
import { describeSchema } from './schema-drift.ts';

const EXPECTED_FILE = new URL('./expected-schema.ts', import.meta.url);

let server: PostgresServer;
let client: Client;
let schemas = 0;

beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off' });
  client = new Client(server.url());
  client.on('error', () => {});
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await server.remove();
});

const run: Run = async ({ text, values }) => (await client.query(text, values && [...values])).rows;

function newSchema(): string {
  schemas += 1;
  return `schema_${schemas}`;
}

async function urlOf(schema: string, parameters = 'trust_server=true'): Promise<string> {
  return `${server.url()}?${parameters}&schema=${schema}`;
}

async function migrateTo(schema: string, upTo?: number): Promise<number> {
  await client.query(`SET search_path = ${schema}`);
  return migrate(run, schema, upTo);
}

async function opening(url: string): Promise<string> {
  const outcome = await openPostgresStore({ url }).then(
    async (store) => {
      await store.close();
      return 'opened';
    },
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  return outcome;
}

describe('the schema', () => {
  it('is what expected-schema.ts says; RINGBACK_UPDATE=1 writes that file anew', async () => {
    const schema = newSchema();
    await migrateTo(schema);
    const lines = await describeSchema(run, schema);
    if (process.env['RINGBACK_UPDATE'] === '1') {
      const quoted = lines.map((line) => `  '${line}',\n`).join('');
      const [head] = readFileSync(EXPECTED_FILE, 'utf8').split('export const');
      writeFileSync(
        EXPECTED_FILE,
        `${head}export const EXPECTED_SCHEMA: readonly string[] = [\n${quoted}];\n`,
      );
    } else {
      expect(EXPECTED_SCHEMA).toEqual(lines);
    }
  });

  it.each(listMigrations().map((migration) => migration.number))(
    'is brought up to date from version %i, and works',
    async (version) => {
      const schema = newSchema();
      expect(await migrateTo(schema, version)).toBe(version);
      const store = await openPostgresStore({ url: await urlOf(schema) });
      await store.log.append(buildOwed());
      expect((await store.log.claimDue(buildClaim())).leased).toHaveLength(1);
      await store.settings.put('source', buildSource(), buildAuthor());
      await store.close();
      expect(await describeSchema(run, schema)).toEqual(EXPECTED_SCHEMA);
    },
  );

  it('takes duplicates of events of days that were there before it knew of any', async () => {
    const schema = newSchema();
    await migrateTo(schema, 5);
    await client.query(`
      CREATE TABLE events_20250615 PARTITION OF events
        FOR VALUES FROM (1749945600000000) TO (1750032000000000);
      INSERT INTO events VALUES (1750000000000000, 'evt_old', 'default', NULL, 'api', 'a.b', NULL, NULL, NULL,
        NULL, NULL, 1750000000000, 1750000000000, NULL, '[]', 1, '{}', '')`);
    const store = await openPostgresStore({ url: await urlOf(schema) });
    const requests = [buildDuplicate()];
    await store.upkeep.recordDuplicates([{ eventId: 'evt_old', count: 1, requests }]);
    expect(await store.queries.duplicates('evt_old')).toEqual({ count: 1, newest: requests });
    await store.close();
  });

  it('is made once by nodes that start together', async () => {
    const url = await urlOf(newSchema());
    const stores = await Promise.all(Array.from({ length: 4 }, () => openPostgresStore({ url })));
    await Promise.all(stores.map((store) => store.log.append(buildAppend())));
    await Promise.all(stores.map((store) => store.close()));
  });

  it('is refused when a newer Ringback made it', async () => {
    const schema = newSchema();
    await migrateTo(schema);
    await client.query(`INSERT INTO ${schema}.migrations (number, name) VALUES (9999, 'future')`);
    expect(await opening(await urlOf(schema))).toMatch(/version 9999, made by a newer Ringback/);
  });

  it.each([
    ['ALTER TABLE events RENAME COLUMN origin TO source_origin', 'column events.origin text not null'],
    ['ALTER TABLE dedupe ALTER COLUMN expires_at TYPE integer', 'column dedupe.expires_at bigint not null'],
    ['DROP INDEX open_deliveries_pending', 'index open_deliveries_pending on open_deliveries'],
    ['DROP FUNCTION take_places', 'function take_places(how_many bigint, not_before bigint)'],
  ])('is refused after %s', async (change, missing) => {
    const schema = newSchema();
    await migrateTo(schema);
    await client.query(change);
    expect(await opening(await urlOf(schema))).toContain(`missing: ${missing}`);
  });

  it('may have more than is needed', async () => {
    const schema = newSchema();
    await migrateTo(schema);
    await client.query('CREATE INDEX of_the_operator ON events (tenant)');
    expect(await opening(await urlOf(schema))).toBe('opened');
  });
});

describe('a start that fails says the fix', () => {
  it('when the server could lose what it acknowledged', async () => {
    const refused = await opening(await urlOf(newSchema(), 'x=1'));
    expect(refused).toMatch(/fsync=off.*Turn it on.*trust_server=true/);
  });

  it('when password, database or privileges are wrong', async () => {
    await client.query(`
      CREATE ROLE ${PASSWORD_USERS};
      CREATE ROLE guest LOGIN PASSWORD 'right' IN ROLE ${PASSWORD_USERS};`);
    const asGuest = (password: string): string =>
      `${server.url().replace(/\/\/.*@/, `//guest:${password}@`)}?trust_server=true&schema=${newSchema()}`;
    expect(await opening(asGuest('wrong'))).toMatch(/refuses the password.*store_url/);
    expect(await opening(asGuest('right'))).toMatch(/lacks privileges.*GRANT CREATE ON DATABASE/);
    expect(await opening(server.url('nowhere'))).toMatch(/database does not exist.*create it/);
  });

  it('when there is no server, no such host, or no URL', async () => {
    expect(await opening('postgres://127.0.0.1:1/db')).toMatch(/nothing listens at 127\.0\.0\.1:1\/db/);
    expect(await opening('postgres://no.such.host.invalid/db')).toMatch(
      /host of .* (is not known|cannot be looked up)/,
    );
    expect(await opening('postgres://u:p@w/rd@host/db')).toMatch(
      /cannot be looked up|is not known|not a URL/,
    );
    expect(await opening('postgres://u:p^ %zz@:x/db')).toMatch(/not a URL that can be read.*%40/);
    expect(await opening('postgres://host')).toMatch(/names no database/);
    expect(await opening('postgres://host/db?schema=Bad%20Name')).toMatch(/not a plain name/);
    expect(await opening('mysql://host/db')).toMatch(/not PostgreSQL/);
  });
});
