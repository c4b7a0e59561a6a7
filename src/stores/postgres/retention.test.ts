import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makePostgres, type PostgresServer } from '../../../scripts/services/postgres-server.ts';
import type { Store } from '../../ports/store.ts';
import {
  buildAppend,
  buildAttempt,
  buildEvent,
  buildNewDelivery,
  buildOwed,
  buildReplay,
  leasedBy,
  pendingAt,
  START_MS,
} from '../../testing/builders.ts';
import { allOf, appendEach, idsOf } from '../../testing/store-assertions.ts';
import { openPostgresStore } from './open.ts';

const DAY_MS = 86_400_000;

let server: PostgresServer;
let client: Client;
let store: Store;
let schemas = 0;
let schema = '';

beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off' });
  client = new Client(server.url());
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await server.remove();
});
afterEach(() => store.close());

async function open(): Promise<void> {
  schemas += 1;
  schema = `retention_${schemas}`;
  store = await openPostgresStore({ url: `${server.url()}?trust_server=true&schema=${schema}` });
}

/** The partitions that there are, of all tables. */
async function partitions(): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'
       AND relname ~ '_[0-9]{8}$' ORDER BY relname`,
    [schema],
  );
  return rows.map((row) => row.name);
}

/** An event of a day that was delivered. */
async function appendDelivered(day: number): Promise<string> {
  const receivedAt = START_MS + day * DAY_MS;
  const owed = buildOwed({ receivedAt }, { initial: leasedBy('worker', receivedAt + 1_000) });
  await appendEach(store, owed);
  const attempt = buildAttempt();
  const next = { state: 'succeeded' } as const;
  await store.log.settle({ deliveryId: owed.deliveryId, token: 'worker', atMs: receivedAt, attempt, next });
  return owed.event.id;
}

async function eventIds(): Promise<string[]> {
  return idsOf(await allOf((page) => store.queries.events({}, page))).toReversed();
}

it('drops a day whole, whatever the limit, once every delivery of it has ended', async () => {
  await open();
  for (const day of [0, 0, 0, 1, 30]) await appendDelivered(day);
  expect(await partitions()).toHaveLength(12);

  expect(await store.upkeep.pruneEvents(START_MS + 1.2 * DAY_MS, 2)).toBe(3);
  expect(await partitions()).toEqual(
    ['attempts', 'duplicates', 'ended_deliveries', 'events'].flatMap((table) => [
      `${table}_20250616`,
      `${table}_20250715`,
    ]),
  );
  expect(await eventIds()).toHaveLength(2);
  expect(await store.upkeep.pruneEvents(START_MS + 1.2 * DAY_MS, 2)).toBe(0);
});

it('removes row by row what a day with an unfinished delivery cannot take along', async () => {
  await open();
  for (let count = 0; count < 3; count += 1) await appendDelivered(0);
  const stuck = buildOwed({}, { initial: pendingAt(START_MS + 40 * DAY_MS) });
  await appendEach(store, stuck);
  const fresh = await appendDelivered(30);

  const before = START_MS + 2 * DAY_MS;
  expect(await store.upkeep.pruneEvents(before, 2)).toBe(2);
  expect(await store.upkeep.pruneEvents(before, 2)).toBe(1);
  expect(await eventIds()).toEqual([stuck.event.id, fresh]);
  await store.log.endPending({
    deliveryId: stuck.deliveryId,
    state: 'cancelled',
    reason: 'asked_for',
    atMs: before,
    limit: 1,
  });
  expect(await store.upkeep.pruneEvents(before, 2)).toBe(1);
  expect(await partitions()).toHaveLength(4);
  expect(await eventIds()).toEqual([fresh]);
});

it('finishes what a crash left of a day that was being dropped', async () => {
  await open();
  await appendDelivered(0);
  await appendDelivered(30);
  await client.query(`ALTER TABLE ${schema}.attempts DETACH PARTITION ${schema}.attempts_20250615`);
  await client.query(`INSERT INTO ${schema}.retired_days SELECT 0, 1`);

  await store.upkeep.pruneEvents(START_MS + 2 * DAY_MS, 10);
  expect(await partitions()).toHaveLength(4);
});

it('refuses events while it is larger than allowed', async () => {
  await open();
  const url = `${server.url()}?trust_server=true&schema=${schema}`;
  const limited = await openPostgresStore({ url, maxBytes: 100_000 });
  const appending = async (): Promise<string> => {
    const answer = await Promise.allSettled([limited.log.append(buildAppend())]);
    return answer[0].status;
  };
  // The size is looked at beside the appends, so the first ones still pass.
  await expect.poll(appending).toBe('rejected');
  await expect(limited.log.append(buildAppend())).rejects.toMatchObject({ code: 'store_unavailable' });
  await limited.close();
});

it('lets nobody owe anything of a day that is being dropped', async () => {
  await open();
  const eventId = await appendDelivered(0);
  const replay = buildReplay();
  await store.replays.create(replay);
  const from = (START_MS - (START_MS % DAY_MS)) * 1_000;
  await client.query(`INSERT INTO ${schema}.retired_days VALUES ($1, $2)`, [from, from + DAY_MS * 1_000]);

  const delivery = { ...buildNewDelivery(), eventId, replayOf: null };
  const step = { replayId: replay.id, fromCursor: 0, toCursor: 1, state: 'running', atMs: START_MS } as const;
  expect(await store.replays.advance({ ...step, deliveries: [delivery] })).toBe(true);
  expect(await store.queries.delivery(delivery.id)).toBeNull();
});

it('goes on appending while days are dropped, and when the log is ahead of the clock', async () => {
  await open();
  for (const day of [0, 1, 2, 3]) await appendDelivered(day);
  const appends = Array.from({ length: 50 }, (_, index) =>
    store.log.append(buildAppend({ event: buildEvent({ receivedAt: START_MS + 30 * DAY_MS + index }) })),
  );
  const drops = [1, 2, 3].map((day) => store.upkeep.pruneEvents(START_MS + (day + 0.5) * DAY_MS, 10));
  await Promise.all([...appends, ...drops.map((drop) => drop.catch(() => 0))]);
  const last = await store.queries.lastSeq();
  // At the last place of a day the next one begins, for which this clock has made no partition.
  await client.query(`SELECT setval('${schema}.log_place', $1)`, [
    (Math.floor(last / (DAY_MS * 1_000)) + 40) * DAY_MS * 1_000 - 1,
  ]);
  const answer = await store.log.append(buildAppend());
  expect(answer.seq).toBeGreaterThan(last + 39 * DAY_MS * 1_000);
});
