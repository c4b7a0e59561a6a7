import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePostgres, PASSWORD_USERS, type PostgresServer } from '../../scripts/services/postgres-server.ts';
import { newSchema, withClient } from '../services/postgres-harness.ts';
import { startGatewayProcess } from './gateway-process.ts';
import { runCli } from './run-cli.ts';

let server: PostgresServer;
let folder: string;
beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off', full_page_writes: 'off' });
  folder = mkdtempSync(join(tmpdir(), 'ringback-start-'));
  await asOperator((client) =>
    client.query(`
      CREATE ROLE ${PASSWORD_USERS};
      CREATE ROLE guest LOGIN PASSWORD 'right' IN ROLE ${PASSWORD_USERS};
      CREATE ROLE maker LOGIN PASSWORD 'right' IN ROLE ${PASSWORD_USERS};
      GRANT CREATE ON DATABASE postgres TO maker;`),
  );
});
afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

const asOperator = <Result>(work: (client: Client) => Promise<Result>): Promise<Result> =>
  withClient(server.url(), work);

function urlOf(
  schema: string,
  changes: { user?: string; host?: string; database?: string; more?: string } = {},
) {
  const url = new URL(server.url(changes.database));
  if (changes.host !== undefined) url.host = changes.host;
  const login = changes.user === undefined ? '' : `//${changes.user}@`;
  const text = changes.user === undefined ? url.href : url.href.replace(/\/\/.*@/, login);
  return `${text}?trust_server=true&schema=${schema}${changes.more ?? ''}`;
}

/** What a gateway says that cannot start: one message, no stack, no secret; and it leaves nothing behind. */
async function refusal(storeUrl: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const dataDir = mkdtempSync(join(folder, 'data-'));
  const before = await schemas();
  const run = await runCli(['dev', '--port', '0', '--data-dir', dataDir], {
    env: { RINGBACK_STORE_URL: storeUrl, ...env },
  });
  expect(run).toMatchObject({ code: 1, stdout: '' });
  expect(run.stderr).not.toMatch(/\n\s+at |right@|test-only/);
  expect(await schemas()).toEqual(before);
  expect(readdirSync(dataDir).filter((name) => name.startsWith('admin'))).toEqual([]);
  return run.stderr;
}

function schemas(): Promise<string[]> {
  return asOperator(async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT nspname AS name FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  });
}

describe('a gateway that cannot use its PostgreSQL says why and what to do, and writes nothing', () => {
  it('when the URL is wrong', async () => {
    const wrong = ['postgres://user:p^ %zz@:x/db', 'postgres://127.0.0.1/', 'mysql://127.0.0.1/db'];
    for (const url of wrong) {
      expect(await refusal(url)).toMatch(
        /RINGBACK_STORE_URL\): it is not the URL of a store; write sqlite:PATH, postgres:/,
      );
    }
    const badSchema = urlOf('Bad%20Name');
    expect(await refusal(badSchema)).toMatch(/the schema "Bad Name" is not a plain name; use small letters/);
  });

  it('when the password is wrong, or missing', async () => {
    expect(await refusal(urlOf(newSchema(), { user: 'guest:wrong' }))).toMatch(/refuses the password: check/);
    expect(await refusal(urlOf(newSchema(), { user: 'guest' }))).toMatch(/refuses the password: check/);
  });

  it('when nothing, nobody or something else answers', async () => {
    expect(await refusal(urlOf(newSchema(), { host: '127.0.0.1:1' }))).toMatch(/nothing listens at 127/);
    expect(await refusal(urlOf(newSchema(), { host: 'no.such.host.invalid' }))).toMatch(
      /host of .* (is not known|cannot be looked up)/,
    );
    const silent = await listening(() => {});
    const other = await listening((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await refusal(urlOf(newSchema(), { host: silent.host }))).toMatch(/no answer from .*firewall/);
    expect(await refusal(urlOf(newSchema(), { host: other.host }))).toMatch(/is it PostgreSQL\?/);
    await Promise.all([silent.close(), other.close()]);
  });

  it('when the server has no TLS and it was asked for', async () => {
    expect(await refusal(urlOf(newSchema(), { more: '&sslmode=require' }))).toMatch(
      /has no TLS: turn ssl on/,
    );
  });

  it('when the database does not exist', async () => {
    expect(await refusal(urlOf(newSchema(), { database: 'nowhere' }))).toMatch(/does not exist.*create it/);
  });

  it('when the server is too old', async () => {
    // A real server that says of itself what version 14 says.
    await asOperator((client) =>
      client.query(`
        CREATE SCHEMA IF NOT EXISTS pretends;
        CREATE OR REPLACE FUNCTION pretends.current_setting(name text) RETURNS text LANGUAGE sql AS $$
          SELECT CASE name WHEN 'server_version_num' THEN '140012' ELSE pg_catalog.current_setting(name) END $$;
        GRANT USAGE ON SCHEMA pretends TO PUBLIC;`),
    );
    const more = `&options=${encodeURIComponent('-c search_path=pretends,pg_catalog')}`;
    expect(await refusal(urlOf(newSchema(), { more }))).toMatch(/is version 14; Ringback needs 15 or newer/);
  });

  it('when the user may not make a schema, or has one that belongs to another', async () => {
    expect(await refusal(urlOf(newSchema(), { user: 'guest:right' }))).toMatch(
      /lacks privileges.*GRANT CREATE ON DATABASE/,
    );
    const schema = newSchema();
    const migrated = await runCli(['migrate', '--store-url', urlOf(schema)]);
    expect(migrated.code).toBe(0);
    await asOperator((client) =>
      client.query(
        `GRANT ALL ON SCHEMA ${schema} TO maker; GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO maker`,
      ),
    );
    expect(await refusal(urlOf(schema, { user: 'maker:right' }))).toMatch(
      /belongs to ringback_test, and maker may not.*GRANT ringback_test TO maker/,
    );
  });

  it('when a newer Ringback made the schema', async () => {
    const schema = newSchema();
    await runCli(['migrate', '--store-url', urlOf(schema)]);
    await asOperator((client) =>
      client.query(`INSERT INTO ${schema}.migrations (number, name) VALUES (9999, 'future')`),
    );
    expect(await refusal(urlOf(schema))).toMatch(/version 9999, made by a newer Ringback.*Install the newer/);
    const again = await runCli(['migrate', '--store-url', urlOf(schema), '--dry-run']);
    expect(again.stderr).toMatch(/made by a newer Ringback/);
  });

  it('when another gateway seals secrets there with another key', async () => {
    const storeUrl = urlOf(newSchema());
    const first = await startGatewayProcess({
      env: { RINGBACK_STORE_URL: storeUrl, RINGBACK_SECRET_KEY: newKey() },
    });
    const refused = await refusal(storeUrl, { RINGBACK_SECRET_KEY: newKey() });
    expect(refused).toMatch(/sealed with the key .*which this node does not have.*RINGBACK_SECRET_KEY/);
    expect(await first.stop()).toBe(0);
  });
});

function newKey(): string {
  return randomBytes(32).toString('base64');
}

async function listening(answer: (socket: Socket) => void) {
  const tcp = createServer(answer);
  tcp.on('connection', (socket) => socket.on('error', () => {}).resume());
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    host: `127.0.0.1:${port}`,
    close: async () => {
      tcp.close();
      await once(tcp, 'close');
    },
  };
}
