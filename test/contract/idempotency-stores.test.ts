import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryStore } from '../../packages/client/src/receive/memory-store.ts';
import { postgresSchema, postgresStore } from '../../packages/client/src/stores/postgres.ts';
import { sqliteStore } from '../../packages/client/src/stores/sqlite.ts';
import { makePostgres, type PostgresServer } from '../../scripts/services/postgres-server.ts';
import { describeIdempotencyStore } from './idempotency-contract.ts';

const shared = memoryStore();
describeIdempotencyStore('The memory store of handled events', {
  open: async () => shared,
  close: async () => undefined,
});

let folder = '';
let databases: DatabaseSync[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-received-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function openDatabase(): DatabaseSync {
  const database = new DatabaseSync(join(folder, 'received.db'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000');
  databases.push(database);
  return database;
}

function closeDatabases(): void {
  for (const database of databases) database.close();
  databases = [];
}

describeIdempotencyStore('The SQLite store of handled events', {
  open: async () => sqliteStore(openDatabase()),
  close: async () => closeDatabases(),
});

describe('The SQLite store of handled events, over time', () => {
  it('sweeps out what is too old', async () => {
    const database = openDatabase();
    database.exec('PRAGMA synchronous = OFF; DELETE FROM ringback_received');
    const store = sqliteStore(database);
    for (let index = 0; index < 1_000; index += 1) {
      // One after the other, as requests come.
      // oxlint-disable-next-line no-await-in-loop
      await store.claim(`old:${index}`, -1);
    }
    const left = database.prepare('SELECT count(*) AS count FROM ringback_received').get();
    expect(Number(left?.['count'])).toBeLessThan(600);
    closeDatabases();
  });
});

describe('The memory store of handled events, over time', () => {
  it('holds no more than it was told to', async () => {
    const store = memoryStore({ maxEvents: 2 });
    for (const key of ['a', 'b', 'c']) {
      // oxlint-disable-next-line no-await-in-loop
      const claim = await store.claim(key, 60_000);
      // oxlint-disable-next-line no-await-in-loop
      if (claim.state === 'claimed') await store.complete(key, claim.token, 60_000);
    }
    expect(await store.claim('c', 60_000)).toEqual({ state: 'done' });
    expect(await store.claim('a', 60_000)).toMatchObject({ state: 'claimed' });
  });
});

describe('with a PostgreSQL server', () => {
  let server: PostgresServer;
  let pools: Pool[] = [];
  beforeAll(async () => {
    server = await makePostgres('packaged', { fsync: 'off', full_page_writes: 'off' });
  });
  afterAll(() => server.remove());

  describeIdempotencyStore('The PostgreSQL store of handled events', {
    open: async () => {
      const pool = new Pool({ connectionString: server.url(), max: 10 });
      pools.push(pool);
      if (pools.length === 1) await pool.query(postgresSchema);
      return postgresStore(pool);
    },
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end()));
      pools = [];
    },
  });
});
