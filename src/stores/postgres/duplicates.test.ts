import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makePostgres, type PostgresServer } from '../../../scripts/services/postgres-server.ts';
import { DUPLICATES_KEPT } from '../../domain/records.ts';
import { buildAppend, buildDuplicate, buildEvent, START_MS } from '../../testing/builders.ts';
import { appendEach } from '../../testing/store-assertions.ts';
import type { Store } from '../../ports/store.ts';
import { openPostgresStore } from './open.ts';

const DAY_MS = 86_400_000;

let server: PostgresServer;
beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off' });
});
afterAll(() => server.remove());

function open(schema: string): Promise<Store> {
  return openPostgresStore({ url: `${server.url()}?trust_server=true&schema=${schema}` });
}

it('counts the duplicates of one event that several nodes record at once', async () => {
  const nodes = await Promise.all([open('several'), open('several'), open('several')]);
  const events = Array.from({ length: 5 }, () => buildAppend());
  const [first] = nodes;
  await appendEach(first, ...events);
  await Promise.all(
    nodes.flatMap(({ upkeep }) =>
      Array.from({ length: 10 }, () =>
        upkeep.recordDuplicates(
          events.map(({ event }) => ({
            eventId: event.id,
            count: 3,
            requests: [buildDuplicate(), buildDuplicate()],
          })),
        ),
      ),
    ),
  );
  for (const { event } of events) {
    const { count, newest } = await first.queries.duplicates(event.id);
    expect(count).toBe(nodes.length * 10 * 3);
    expect(newest).toHaveLength(DUPLICATES_KEPT);
  }
  await Promise.all(nodes.map((node) => node.close()));
});

it('leaves no row of an event that is removed by itself', async () => {
  const store = await open('single');
  const old = buildAppend();
  // Of the same day, which can therefore not be dropped as a whole.
  const kept = buildAppend({ event: buildEvent({ receivedAt: START_MS + 1_000 }) });
  await appendEach(store, old, kept);
  const record = () =>
    store.upkeep.recordDuplicates(
      [old.event.id, kept.event.id, 'evt_none'].map((eventId) => ({
        eventId,
        count: 1,
        requests: [buildDuplicate()],
      })),
    );
  await record();
  expect(await store.upkeep.pruneEvents(START_MS + 1, 100)).toBe(1);
  await record();
  await store.close();
  const client = new Client(server.url());
  await client.connect();
  const { rows } = await client.query('SELECT number::int FROM single.duplicates ORDER BY number');
  await client.end();
  expect(rows).toEqual([{ number: 1 }, { number: 2 }]);
});

it('goes with its day when that is dropped as a whole, whatever another node records meanwhile', async () => {
  const [store, other] = await Promise.all([open('dropped'), open('dropped')]);
  const events = Array.from({ length: 9 }, (_, day) =>
    buildAppend({ event: buildEvent({ receivedAt: START_MS + day * DAY_MS }) }),
  );
  const kept = buildAppend({ event: buildEvent({ receivedAt: START_MS + 40 * DAY_MS }) });
  await appendEach(store, ...events, kept);
  const requests = [buildDuplicate()];
  const record = (): Promise<void> =>
    other.upkeep.recordDuplicates(
      [...events, kept].map(({ event }) => ({ eventId: event.id, count: 1, requests })),
    );
  let records = 0;
  const ended = new AbortController();
  const recording = (async () => {
    for (; !ended.signal.aborted; records += 1) await record();
  })();
  for (const { event } of events) {
    expect(await store.upkeep.pruneEvents(event.receivedAt + DAY_MS, 10)).toBe(1);
  }
  ended.abort();
  await recording;
  await record();
  expect((await store.queries.duplicates(kept.event.id)).count).toBe(records + 1);
  const request = requests[0]?.requestId ?? '';
  const found = await store.queries.events({ repeatedBy: request }, { limit: 50, before: null });
  expect(found.items.map(({ id }) => id)).toEqual([kept.event.id]);
  await Promise.all([store.close(), other.close()]);
});
