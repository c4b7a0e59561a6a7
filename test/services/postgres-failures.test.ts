import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresServer } from '../../scripts/services/postgres-server.ts';
import { Problem } from '../../src/domain/problem.ts';
import type { Store } from '../../src/ports/store.ts';
import { openPostgresStore } from '../../src/stores/postgres/open.ts';
import { buildAppend, buildClaim, buildOwed, pendingAt } from '../../src/testing/builders.ts';
import { allOf, idsOf } from '../../src/testing/store-assertions.ts';
import { Load, until } from './load.ts';
import { StallingProxy } from './stalling-proxy.ts';
import { makeOwnPostgres, newSchema, withClient } from './postgres-harness.ts';

let server: PostgresServer;
const stores: Store[] = [];

beforeAll(async () => {
  server = await makeOwnPostgres({ max_connections: '30' });
});
afterAll(() => server.remove());
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close().catch(() => {});
});

async function open(schema = newSchema()): Promise<Store> {
  const store = await openPostgresStore({ url: `${server.url()}?schema=${schema}` });
  stores.push(store);
  return store;
}

/** Every event that is in the log, newest first. */
async function eventIds(store: Store): Promise<string[]> {
  return idsOf(await allOf((page) => store.queries.events({}, page)));
}

async function expectAllKept(load: Load, store: Store): Promise<void> {
  expect(load.unexpected()).toEqual([]);
  const kept = new Set(await eventIds(store));
  expect([...load.acknowledged].filter((id) => !kept.has(id))).toEqual([]);
}

async function isUp(store: Store): Promise<boolean> {
  return store.check().then(
    () => true,
    () => false,
  );
}

describe('a PostgreSQL store whose server fails', () => {
  it('loses no acknowledged event when the server crashes mid-load, and comes back by itself', async () => {
    const store = await open();
    const load = new Load();
    load.append(store, 16);
    load.work(store, 'worker');
    await until(() => load.settled.length > 50);
    await server.stop('immediate');
    await until(() => load.failures.length > 20);
    const before = load.acknowledged.size;
    await server.start();
    await until(() => load.acknowledged.size > before + 50);
    await load.stop();

    await expectAllKept(load, store);
  });

  it('loses no acknowledged event when its connections are cut again and again', async () => {
    const store = await open();
    const load = new Load();
    load.append(store, 16);
    load.work(store, 'worker');
    for (let round = 1; round <= 10; round += 1) {
      const wanted = load.acknowledged.size + 20;
      await until(() => load.acknowledged.size > wanted);
      await withClient(server.url(), (client) =>
        client.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ringback%'`,
        ),
      );
    }
    await load.stop();

    await until(() => isUp(store));
    expect(load.failures.length).toBeGreaterThan(0);
    await expectAllKept(load, store);
  });

  it('says "not now", with when to try again, while the server is away, and at once', async () => {
    const store = await open();
    await server.stop();
    const askedAt = performance.now();
    const answers = await Promise.allSettled([
      ...Array.from({ length: 20 }, () => store.log.append(buildAppend())),
      store.log.claimDue(buildClaim()),
      store.queries.lastSeq(),
      store.settings.load(),
      store.check(),
    ]);
    const tookMs = performance.now() - askedAt;
    await server.start();

    for (const answer of answers) {
      expect(answer.status).toBe('rejected');
      const error: unknown = answer.status === 'rejected' ? answer.reason : null;
      expect(error).toBeInstanceOf(Problem);
      expect(error).toMatchObject({ code: 'store_unavailable', retryAfterS: expect.any(Number) });
    }
    expect(tookMs).toBeLessThan(2_000);
    await until(() => isUp(store));
  });

  it('says "not now" when the server has no connection left, and goes on when it has', async () => {
    const store = await open();
    await store.log.append(buildOwed({}, { initial: pendingAt(1) }));
    await withEveryConnectionTaken(async () => {
      await expect(store.queries.backlogs()).rejects.toMatchObject({ code: 'store_unavailable' });
      // Only who needs a new connection is refused.
      await store.log.append(buildAppend());
      await expect(openPostgresStore({ url: server.url() })).rejects.toThrow(
        /no connection left.*max_connections/,
      );
    });
    await until(
      () =>
        store.queries.backlogs().then(
          ({ length }) => length,
          () => 0,
        ),
      1,
    );
  });
});

describe('a PostgreSQL store behind a network that falls silent', () => {
  it('gives up within the time limits, says "not now", and goes on over a new connection', async () => {
    const proxy = await StallingProxy.to(Number(new URL(server.url()).port));
    const url = new URL(server.url());
    url.port = String(proxy.port);
    const store = await openPostgresStore({ url: `${url.href}?schema=${newSchema()}` });
    stores.push(store);
    const load = new Load();
    load.append(store, 4);
    await until(() => load.acknowledged.size > 20);
    proxy.stall();
    await until(() => load.failures.length > 3, true, 30_000);
    expect(load.unexpected()).toEqual([]);
    proxy.heal();
    const before = load.acknowledged.size;
    await until(() => load.acknowledged.size > before + 20, true, 30_000);
    await load.stop();

    await expectAllKept(load, store);
    await store.close();
    await proxy.close();
  }, 90_000);

  it.each([
    ['nothing is under way', 0],
    ['appends wait for an answer', 4],
  ])(
    'closes within seconds, without its farewell, while %s',
    async (_, appending) => {
      const proxy = await StallingProxy.to(Number(new URL(server.url()).port));
      const url = new URL(server.url());
      url.port = String(proxy.port);
      const store = await openPostgresStore({ url: `${url.href}?schema=${newSchema()}` });
      store.watch?.(() => undefined);
      const load = new Load();
      load.append(store, 4);
      await until(() => load.acknowledged.size > 20);
      if (appending === 0) await load.stop();
      proxy.stall();
      // What is under way then is under way for twelve seconds.
      await delay(200);
      const startedAt = performance.now();
      await store.close();
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      await load.stop();
      await proxy.close();
    },
    60_000,
  );
});

/** Takes what is free until the server refuses, and lets go afterwards. */
async function withEveryConnectionTaken(work: () => Promise<void>): Promise<void> {
  const release: (() => void)[] = [];
  const held: Promise<unknown>[] = [];
  for (;;) {
    const isRefused = await new Promise<boolean>((resolve) => {
      const holding = withClient(server.url(), () => {
        resolve(false);
        return new Promise<void>((done) => {
          release.push(done);
        });
      });
      held.push(holding.catch(() => resolve(true)));
    });
    if (isRefused) break;
  }
  try {
    await work();
  } finally {
    for (const done of release) done();
    await Promise.all(held);
  }
}
