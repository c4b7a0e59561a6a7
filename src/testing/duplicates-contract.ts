import { describe, expect, it } from 'vitest';
import { type Duplicate, DUPLICATES_KEPT } from '../domain/records.ts';
import type { RepeatedEvent, Store } from '../ports/store.ts';
import {
  buildAppend,
  buildDuplicate,
  buildEvent,
  buildNewDelivery,
  buildOwed,
  leasedBy,
  START_MS,
} from './builders.ts';
import { appendEach, FIRST_PAGE, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

const DAY_MS = 86_400_000;
const NONE = { count: 0, newest: [] };

/** What a store promises of requests that repeated an event. */
export function describeDuplicatesContract(harness: StoreHarness): void {
  describe('recordDuplicates', () => {
    describeRecording(harness);
    describeFinding(harness);
    describePruning(harness);
  });
}

function duplicates(count: number): Duplicate[] {
  return Array.from({ length: count }, () => buildDuplicate());
}

async function appendOne(store: Store, receivedAt = START_MS, tenant = 'default'): Promise<string> {
  const request = buildAppend({ event: buildEvent({ receivedAt, tenant }) });
  await appendEach(store, request);
  return request.event.id;
}

function repeated(eventId: string, requests: readonly Duplicate[], count = requests.length): RepeatedEvent {
  return { eventId, count, requests };
}

function describeRecording(harness: StoreHarness): void {
  it('keeps them with their event, newest first', async () => {
    const store = await harness.open();
    const [one, other] = [await appendOne(store), await appendOne(store)];
    const full = buildDuplicate({ principal: 'key_a', idempotencyKey: 'a\0b', at: START_MS + 5 });
    const bare = buildDuplicate({ remoteAddress: null });
    await store.upkeep.recordDuplicates([repeated(one, [bare]), repeated(other, [buildDuplicate()])]);
    await store.upkeep.recordDuplicates([repeated(one, [full])]);
    expect(await store.queries.duplicates(one)).toEqual({ count: 2, newest: [full, bare] });
    expect((await store.queries.duplicates(other)).count).toBe(1);
  });

  it('knows none of an event that nothing repeated, nor of one that is not there', async () => {
    const store = await harness.open();
    const eventId = await appendOne(store);
    await store.upkeep.recordDuplicates([]);
    await store.upkeep.recordDuplicates([repeated('evt_gone', duplicates(2))]);
    expect(await store.queries.duplicates(eventId)).toEqual(NONE);
    expect(await store.queries.duplicates('evt_gone')).toEqual(NONE);
  });

  it('keeps a bounded number of the newest, and counts all', async () => {
    const store = await harness.open();
    const eventId = await appendOne(store);
    const came = duplicates(DUPLICATES_KEPT + 15);
    for (const some of [came.slice(0, 10), came.slice(10, 12), came.slice(12)]) {
      await store.upkeep.recordDuplicates([repeated(eventId, some)]);
    }
    expect(await store.queries.duplicates(eventId)).toEqual({
      count: came.length,
      newest: came.toReversed().slice(0, DUPLICATES_KEPT),
    });
  });

  it('counts those that it is not given, and forgets no older one for them', async () => {
    const store = await harness.open();
    const eventId = await appendOne(store);
    const [first, second, third] = [buildDuplicate(), buildDuplicate(), buildDuplicate()];
    await store.upkeep.recordDuplicates([repeated(eventId, [first])]);
    await store.upkeep.recordDuplicates([repeated(eventId, [second], 5_000)]);
    await store.upkeep.recordDuplicates([repeated(eventId, [third])]);
    expect(await store.queries.duplicates(eventId)).toEqual({ count: 5_002, newest: [third, second, first] });
  });

  it('loses none when several are recorded at once', async () => {
    const store = await harness.open();
    const eventId = await appendOne(store);
    const came = duplicates(12);
    await Promise.all(came.map((one) => store.upkeep.recordDuplicates([repeated(eventId, [one])])));
    const { count, newest } = await store.queries.duplicates(eventId);
    expect(count).toBe(12);
    expect(new Set(newest.map(({ requestId }) => requestId)).size).toBe(12);
  });
}

function describeFinding(harness: StoreHarness): void {
  it('leads from a request to the events that it repeated', async () => {
    const store = await harness.open();
    const one = await appendOne(store);
    const another = await appendOne(store, START_MS + 40 * DAY_MS, 'another');
    await appendOne(store);
    const batch = buildDuplicate();
    await store.upkeep.recordDuplicates([
      repeated(one, [buildDuplicate(), batch, batch]),
      repeated(another, [batch]),
    ]);
    const found = async (filter: object) =>
      idsOf((await store.queries.events({ ...filter, repeatedBy: batch.requestId }, FIRST_PAGE)).items);
    expect(await found({})).toEqual([another, one]);
    expect(await found({ tenant: 'default' })).toEqual([one]);
    expect(await found({ tenant: 'nobody' })).toEqual([]);
    const none = await store.queries.events({ repeatedBy: 'req_none' }, FIRST_PAGE);
    expect(none.items).toEqual([]);
  });

  it('finds no more a request that newer ones have pushed out', async () => {
    const store = await harness.open();
    const eventId = await appendOne(store);
    const came = duplicates(DUPLICATES_KEPT + 1);
    await store.upkeep.recordDuplicates([repeated(eventId, came.slice(0, 1))]);
    await store.upkeep.recordDuplicates([repeated(eventId, came.slice(1))]);
    const found = await Promise.all(
      came.map(async ({ requestId }) => {
        const { items } = await store.queries.events({ repeatedBy: requestId }, FIRST_PAGE);
        return items.length;
      }),
    );
    expect(found).toEqual([0, ...came.slice(1).map(() => 1)]);
  });
}

function describePruning(harness: StoreHarness): void {
  it('is forgotten with its event, and only with it', async () => {
    const store = await harness.open();
    const old = await appendOne(store);
    const owed = buildOwed({}, { initial: leasedBy('worker') });
    const dead = buildAppend({
      deliveries: [buildNewDelivery({ initial: { state: 'dead', reason: 'asked_for' } })],
    });
    await appendEach(store, owed, dead);
    const kept = await appendOne(store, START_MS + DAY_MS);
    const all = [old, owed.event.id, dead.event.id, kept];
    await store.upkeep.recordDuplicates(all.map((id) => repeated(id, duplicates(3))));
    expect(await store.upkeep.pruneEvents(START_MS + 1, 100)).toBe(2);
    const counts = await Promise.all(all.map(async (id) => (await store.queries.duplicates(id)).count));
    expect(counts).toEqual([0, 3, 0, 3]);
  });

  it('leaves no request that leads to an event that is gone', async () => {
    const store = await harness.open();
    const eventId = await appendOne(store);
    const request = buildDuplicate();
    await store.upkeep.recordDuplicates([repeated(eventId, [request])]);
    await store.upkeep.pruneEvents(START_MS + 1, 100);
    await store.upkeep.recordDuplicates([repeated(eventId, [request])]);
    const { items } = await store.queries.events({ repeatedBy: request.requestId }, FIRST_PAGE);
    expect(items).toEqual([]);
    expect(await store.queries.duplicates(eventId)).toEqual(NONE);
  });
}
