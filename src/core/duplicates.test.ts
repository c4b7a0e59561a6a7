import { describe, expect, test } from 'vitest';
import { type Bench, startedBench } from '../../test/support/gateway-bench.ts';
import { DUPLICATES_KEPT } from '../domain/records.ts';
import type { Source } from '../domain/settings.ts';
import type { RepeatedEvent, Store } from '../ports/store.ts';
import { createMemoryStore } from '../stores/memory/memory-store.ts';
import type { PublishCall } from './publish.ts';

interface WatchedStore {
  readonly store: Store;
  /** What was given to `recordDuplicates`, call by call. */
  readonly recorded: (readonly RepeatedEvent[])[];
}

/** The memory store; `record` comes before its own `recordDuplicates`. */
function watchedStore(record: () => Promise<void> = async () => {}): WatchedStore {
  const store = createMemoryStore();
  const recorded: (readonly RepeatedEvent[])[] = [];
  const writeDown = store.upkeep.recordDuplicates.bind(store.upkeep);
  store.upkeep.recordDuplicates = async (repeated) => {
    recorded.push(repeated);
    await record();
    await writeDown(repeated);
  };
  return { store, recorded };
}

async function accepted(bench: Bench, source: Source, id: string) {
  const answer = await bench.receive(source, { 'x-id': id });
  if (answer.kind !== 'accepted') throw new Error('it was not accepted');
  return answer;
}

/** As many different events, each of them once more. */
async function repeatEach(bench: Bench, source: Source, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push((await accepted(bench, source, `${n}`)).eventId);
  for (let n = 0; n < count; n += 1) await accepted(bench, source, `${n}`);
  return ids;
}

const rowsOf = (recorded: WatchedStore['recorded']): number =>
  recorded.flat().reduce((sum, { requests }) => sum + requests.length, 0);

function under(key: string, fingerprint = 'f'): Partial<PublishCall> {
  return { idempotency: { key, fingerprint } };
}

describe('a request that repeats an event', () => {
  test('is remembered with it, however it came', async () => {
    const bench = await startedBench();
    const source = await bench.source();
    const { eventId } = await accepted(bench, source, 'one');
    await bench.clock.advance(1_000);
    const at = bench.clock.now();
    await bench.receive(source, { 'x-id': 'one' }, { requestId: 'req_again', remoteAddress: '192.0.2.7' });
    const published = await bench.publish({ externalId: 'mine' });
    const call = { requestId: 'req_pub', idempotency: { key: 'k', fingerprint: 'f' } };
    await bench.publish({ externalId: 'mine' }, call);
    await bench.clock.advance(50);
    expect(await bench.store.queries.duplicates(eventId)).toEqual({
      count: 1,
      newest: [
        { requestId: 'req_again', at, remoteAddress: '192.0.2.7', principal: null, idempotencyKey: null },
      ],
    });
    expect(await bench.store.queries.duplicates(published.eventId)).toMatchObject({
      count: 1,
      newest: [{ requestId: 'req_pub', principal: 'key_operator', idempotencyKey: 'k' }],
    });
  });

  test('is told by which of its names the event was recognised', async () => {
    const bench = await startedBench();
    const { eventId } = await bench.publish({ externalId: 'mine' }, under('first'));
    await bench.publish({ externalId: 'mine' }, under('first'));
    await bench.publish({ externalId: 'mine' }, under('second'));
    await bench.publish({ externalId: 'mine' });
    await bench.clock.advance(50);
    const event = await bench.store.queries.event(eventId);
    if (event === null) throw new Error('the event is not there');
    const { newest } = (await bench.gateway.explain.event(event)).duplicates;
    expect(newest.map(({ by }) => by)).toEqual([
      'publisher_event_id',
      'publisher_event_id',
      'idempotency_key',
    ]);
  });

  test('is not remembered when it is refused for its idempotency key', async () => {
    const { store, recorded } = watchedStore();
    const bench = await startedBench({ store });
    await bench.publish({}, under('k', 'one'));
    await expect(bench.publish({}, under('k', 'other'))).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
    await bench.clock.advance(1_000);
    expect(recorded).toEqual([]);
  });

  test('is answered before it is recorded, and also when it cannot be', async () => {
    const { promise: disk, reject } = Promise.withResolvers<void>();
    const { store } = watchedStore(() => disk);
    const bench = await startedBench({ store });
    const source = await bench.source();
    const { eventId } = await accepted(bench, source, 'one');
    for (let n = 0; n < 5; n += 1) {
      expect(await accepted(bench, source, 'one')).toMatchObject({ eventId, duplicate: true });
      await bench.clock.advance(50);
    }
    reject(new Error('the disk is full'));
    await bench.clock.advance(50);
    expect(await accepted(bench, source, 'one')).toMatchObject({ eventId, duplicate: true });
    expect(bench.log.of('duplicates.lost')).toMatchObject([{ count: 1 }, { count: 4 }]);
  });
});

describe('recording of what is repeated', () => {
  test('costs events that are new nothing', async () => {
    const { store, recorded } = watchedStore();
    const bench = await startedBench({ store });
    const source = await bench.source();
    for (let n = 0; n < 10; n += 1) await accepted(bench, source, `${n}`);
    await bench.clock.advance(1_000);
    await bench.gateway.stop();
    expect(recorded).toEqual([]);
  });

  test('of a flood is a trickle, and the count tells all', async () => {
    const { store, recorded } = watchedStore();
    const bench = await startedBench({ store });
    const source = await bench.source();
    const { eventId } = await accepted(bench, source, 'one');
    for (let burst = 0; burst < 40; burst += 1) {
      for (let n = 0; n < 100; n += 1) await accepted(bench, source, 'one');
      await bench.clock.advance(50);
    }
    await bench.clock.advance(1_000);
    // Two seconds of it, after a burst of one: each write has some of the newest.
    expect(rowsOf(recorded)).toBeLessThanOrEqual(200 + 2 * 200);
    expect(recorded.length).toBeLessThanOrEqual(41);
    const { count, newest } = await store.queries.duplicates(eventId);
    expect(count).toBe(4_000);
    expect(newest).toHaveLength(DUPLICATES_KEPT);
  });

  test('goes on later with events that the allowance was too small for', async () => {
    const { store, recorded } = watchedStore();
    const bench = await startedBench({ store });
    const source = await bench.source();
    const ids = await repeatEach(bench, source, 400);
    await bench.clock.advance(50);
    expect(rowsOf(recorded)).toBe(200);
    await bench.clock.advance(2_000);
    const counts = await Promise.all(ids.map(async (id) => (await store.queries.duplicates(id)).count));
    expect(counts).toEqual(ids.map(() => 1));
    expect(bench.log.of('duplicates.dropped')).toEqual([]);
  });

  test('lets no sender that repeats everything hide what others do', async () => {
    const { store } = watchedStore();
    const bench = await startedBench({ store });
    const [loud, quiet] = [await bench.source(), await bench.source()];
    await repeatEach(bench, loud, 700);
    const ids = await repeatEach(bench, quiet, 20);
    await bench.clock.advance(50);
    const counts = await Promise.all(ids.map(async (id) => (await store.queries.duplicates(id)).count));
    expect(counts).toEqual(ids.map(() => 1));
    // 500 may wait; those that had no room are told, one by one or by what had to make room.
    expect(bench.log.of('duplicates.dropped')).toMatchObject([{ count: 220 }]);
  });

  test('is made up for when the gateway stops', async () => {
    const { store } = watchedStore();
    const bench = await startedBench({ store });
    const ids = await repeatEach(bench, await bench.source(), 450);
    await bench.gateway.stop();
    const counts = await Promise.all(ids.map(async (id) => (await store.queries.duplicates(id)).count));
    expect(counts).toEqual(ids.map(() => 1));
  });
});
