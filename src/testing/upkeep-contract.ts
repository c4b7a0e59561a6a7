import { describe, expect, it } from 'vitest';
import type { Rejection } from '../domain/records.ts';
import type { AppendRequest } from '../ports/event-log.ts';
import type { Store } from '../ports/store.ts';
import {
  buildAppend,
  buildAttempt,
  buildDedupe,
  buildEvent,
  buildNewDelivery,
  buildOwed,
  buildRejection,
  leasedBy,
  pendingAt,
  START_MS,
} from './builders.ts';
import { allOf, appendEach, deliveryOf, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What retention promises: what goes, what stays, how much at a time. */
export function describeUpkeepContract(harness: StoreHarness): void {
  describe('pruneEvents', () => {
    describeWhatGoes(harness);
    describeSteps(harness);
  });
  describe('pruneDedupe', () => describePruneDedupe(harness));
  describe('recordRejections', () => describeRejectionBounds(harness));
  describe('noteFailing', () => describeFailing(harness));
  describe('noteSourceEvents and noteSilent', () => describeSources(harness));
  describe('sizeBytes', () => {
    it('tells a number of bytes', async () => {
      const store = await harness.open();
      // Noise: a store may well keep a mebibyte of zeros in a few bytes.
      const body = Uint8Array.from({ length: 1 << 20 }, (_, index) => (index * index * 2_654_435_761) >>> 13);
      await appendEach(store, buildAppend({ event: buildEvent({ body }) }));
      expect(await store.upkeep.sizeBytes()).toBeGreaterThan(1 << 19);
    });
  });
}

const DEAD = { state: 'dead', reason: 'destination_unknown' } as const;
const LATER = START_MS + 1_000;

function describeWhatGoes(harness: StoreHarness): void {
  it('removes events received before the time, with their deliveries and attempts', async () => {
    const store = await harness.open();
    const old = buildOwed({}, { initial: leasedBy('worker') });
    const { deliveryId } = old;
    const atTheTime = buildOwed({ receivedAt: LATER }, { initial: DEAD });
    await appendEach(store, old, atTheTime);
    const success = { attempt: buildAttempt(), next: { state: 'succeeded' } } as const;
    await store.log.settle({ deliveryId, token: 'worker', atMs: START_MS, ...success });

    expect(await store.upkeep.pruneEvents(LATER, 100)).toBe(1);
    expect(await store.queries.event(old.event.id)).toBeNull();
    expect(await store.queries.delivery(deliveryId)).toBeNull();
    expect(await store.queries.attempts(deliveryId)).toEqual([]);
    expect(await eventIds(store)).toEqual([atTheTime.event.id]);
    expect(await store.queries.delivery(atTheTime.deliveryId)).not.toBeNull();
  });

  it('keeps an event while any of its deliveries is unfinished', async () => {
    const store = await harness.open();
    const pending = buildAppend({ deliveries: [buildNewDelivery({ initial: DEAD }), buildNewDelivery()] });
    const leased = buildOwed({}, { initial: leasedBy('worker') });
    const bare = buildAppend();
    await appendEach(store, pending, leased, bare);

    expect(await store.upkeep.pruneEvents(LATER, 100)).toBe(1);
    expect(await eventIds(store)).toEqual([leased.event.id, pending.event.id]);
    expect(await allOf((page) => store.queries.deliveries({}, page))).toHaveLength(3);
    await store.log.endPending({
      destinationId: 'dst_one',
      state: 'cancelled',
      reason: 'asked_for',
      atMs: START_MS,
      limit: 10,
    });
    expect(await store.upkeep.pruneEvents(LATER, 100)).toBe(1);
    expect(await eventIds(store)).toEqual([leased.event.id]);
  });

  it('gives no place in the log twice, also when the newest event is removed', async () => {
    const store = await harness.open();
    const [first] = await appendEach(store, buildAppend());
    await store.upkeep.pruneEvents(LATER, 100);
    expect(await store.queries.lastSeq()).toBe(0);
    const [second] = await appendEach(store, buildAppend());
    expect(second?.seq).toBeGreaterThan(first?.seq ?? 0);
  });

  it('leaves the de-duplication key of a removed event to its own end', async () => {
    const store = await harness.open();
    const request = buildAppend({ dedupe: buildDedupe({ expiresAt: START_MS + 1e6 }) });
    await appendEach(store, request);
    await store.upkeep.pruneEvents(LATER, 100);

    const repeat = buildAppend({ event: buildEvent({ receivedAt: LATER }), dedupe: buildDedupe() });
    expect(await store.log.append(repeat)).toMatchObject({ duplicate: true, eventId: request.event.id });
  });
}

function describeSteps(harness: StoreHarness): void {
  it('removes no more than the limit at a time, and in the end all', async () => {
    const store = await harness.open();
    await appendEach(store, ...Array.from({ length: 5 }, () => buildAppend()));
    expect(await store.upkeep.pruneEvents(LATER, 2)).toBe(2);
    expect(await eventIds(store)).toHaveLength(3);
    expect(await store.upkeep.pruneEvents(LATER, 2)).toBe(2);
    expect(await store.upkeep.pruneEvents(LATER, 2)).toBe(1);
    expect(await store.upkeep.pruneEvents(LATER, 2)).toBe(0);
  });

  it('is not held up by old events that must stay', async () => {
    const store = await harness.open();
    const waiting = Array.from({ length: 4 }, () => buildOwed({}, { initial: pendingAt(START_MS + 1e9) }));
    await appendEach(store, ...waiting, buildAppend(), buildAppend());

    expect(await store.upkeep.pruneEvents(LATER, 1)).toBe(1);
    expect(await store.upkeep.pruneEvents(LATER, 1)).toBe(1);
    expect(await store.upkeep.pruneEvents(LATER, 1)).toBe(0);
    expect((await deliveryOf(store, waiting[0]?.deliveryId ?? '')).state).toBe('pending');
  });

  it('comes back to what was owed when it came by', async () => {
    const store = await harness.open();
    const waiting = buildOwed({}, { initial: pendingAt(START_MS + 1e9) });
    await appendEach(store, waiting, ...Array.from({ length: 3 }, () => buildAppend()));
    expect(await store.upkeep.pruneEvents(LATER, 2)).toBe(2);
    const { deliveryId } = waiting;
    await store.log.endPending({ deliveryId, state: 'dead', reason: 'asked_for', atMs: START_MS, limit: 1 });

    expect(await store.upkeep.pruneEvents(LATER, 2)).toBe(2);
    expect(await eventIds(store)).toEqual([]);
  });
}

function keyed(key: string, expiresAt: number): AppendRequest {
  return buildAppend({ dedupe: buildDedupe({ key, expiresAt }) });
}

function describePruneDedupe(harness: StoreHarness): void {
  it('forgets keys that expired, up to the limit, and no others', async () => {
    const store = await harness.open();
    await appendEach(
      store,
      keyed('a', START_MS + 10),
      keyed('b', START_MS + 20),
      keyed('c', START_MS + 30),
      keyed('d', START_MS + 5_000),
    );

    expect(await store.upkeep.pruneDedupe(START_MS + 5, 100)).toBe(0);
    expect(await store.upkeep.pruneDedupe(LATER, 2)).toBe(2);
    expect(await store.upkeep.pruneDedupe(LATER, 2)).toBe(1);
    expect(await store.upkeep.pruneDedupe(LATER, 2)).toBe(0);
    const holders = await Promise.all(
      ['a', 'b', 'c'].map((key) => store.queries.dedupeHolder('src_one', key)),
    );
    expect(holders).toEqual([null, null, null]);
    expect(await store.queries.dedupeHolder('src_one', 'd')).not.toBeNull();
    expect(await eventIds(store)).toHaveLength(4);
  });
}

function bodyOf(bytes: number): Partial<Rejection> {
  return { body: new Uint8Array(bytes), bodyBytes: bytes };
}

function describeRejectionBounds(harness: StoreHarness): void {
  const roomy = { maxPerSource: 1_000, maxBytes: 1 << 20 };

  it('keeps the newest of each source', async () => {
    const store = await harness.open();
    const flood = Array.from({ length: 6 }, () => buildRejection({ sourceId: 'src_flooded' }));
    const quiet = buildRejection({ sourceId: 'src_quiet' });
    const unknown = Array.from({ length: 4 }, () => buildRejection({ sourceId: null }));
    const bounds = { ...roomy, maxPerSource: 3 };
    await store.upkeep.recordRejections([quiet], bounds);
    await store.upkeep.recordRejections(flood.slice(0, 4), bounds);
    await store.upkeep.recordRejections([...flood.slice(4), ...unknown], bounds);

    expect((await rejectionIds(store)).toSorted()).toEqual(
      idsOf([quiet, ...flood.slice(3), ...unknown.slice(1)]).toSorted(),
    );
  });

  it('keeps the newest that fit in the bytes allowed, over all sources', async () => {
    const store = await harness.open();
    const rejections = Array.from({ length: 10 }, (_, index) =>
      buildRejection({ sourceId: `src_${index % 2}`, ...bodyOf(2_000) }),
    );
    const bounds = { ...roomy, maxBytes: 9_000 };
    for (const rejection of rejections) await store.upkeep.recordRejections([rejection], bounds);

    const kept = await rejectionIds(store);
    // Four bodies fit; a store that counts headers and the rest of the row, too, keeps three.
    expect([3, 4]).toContain(kept.length);
    expect(kept).toEqual(idsOf(rejections).toReversed().slice(0, kept.length));
  });

  it('makes room again for what comes later', async () => {
    const store = await harness.open();
    const bounds = { ...roomy, maxBytes: 9_000 };
    await store.upkeep.recordRejections(
      Array.from({ length: 10 }, () => buildRejection(bodyOf(2_000))),
      bounds,
    );
    const last = buildRejection(bodyOf(10));
    await store.upkeep.recordRejections([last], bounds);
    expect((await rejectionIds(store))[0]).toBe(last.id);
  });
}

function describeFailing(harness: StoreHarness): void {
  it('keeps since when destinations have only failed, until they work again', async () => {
    const store = await harness.open();
    await store.upkeep.noteFailing('dst_a', 1_000);
    await store.upkeep.noteFailing('dst_b', 2_000);
    await store.upkeep.noteFailing('dst_a', 3_000);
    await store.upkeep.noteFailing('dst_b', null);
    expect(await store.upkeep.failingDestinations()).toEqual([
      { destinationId: 'dst_a', failingSince: 3_000 },
    ]);
  });
}

async function eventIds(store: Store): Promise<string[]> {
  return idsOf(await allOf((page) => store.queries.events({}, page)));
}

async function rejectionIds(store: Store): Promise<string[]> {
  return idsOf(await allOf((page) => store.queries.rejections({}, page)));
}

function describeSources(harness: StoreHarness): void {
  it('keeps the last event of each source, however the notes come', async () => {
    const store = await harness.open();
    expect(await store.upkeep.sourceActivity()).toEqual([]);
    await store.upkeep.noteSourceEvents([
      { sourceId: 'src_a', lastEventAt: 1_000 },
      { sourceId: 'src_b', lastEventAt: 2_000 },
      { sourceId: 'src_a', lastEventAt: 3_000 },
    ]);
    await store.upkeep.noteSourceEvents([{ sourceId: 'src_a', lastEventAt: 500 }]);
    await store.upkeep.noteSourceEvents([]);
    const activity = await store.upkeep.sourceActivity();
    expect(activity.toSorted((one, other) => (one.sourceId < other.sourceId ? -1 : 1))).toEqual([
      { sourceId: 'src_a', lastEventAt: 3_000, silentSince: null },
      { sourceId: 'src_b', lastEventAt: 2_000, silentSince: null },
    ]);
  });

  it('tells one of those who find a source silent, or speaking again, that it is news', async () => {
    const store = await harness.open();
    await store.upkeep.noteSourceEvents([{ sourceId: 'src_a', lastEventAt: 1_000 }]);
    const both = [store.upkeep.noteSilent('src_a', 1_000), store.upkeep.noteSilent('src_a', 1_001)];
    expect((await Promise.all(both)).filter(Boolean)).toHaveLength(1);
    const silent = (await store.upkeep.sourceActivity())[0]?.silentSince;
    expect([1_000, 1_001]).toContain(silent);
    await store.upkeep.noteSourceEvents([{ sourceId: 'src_a', lastEventAt: 5_000 }]);
    expect((await store.upkeep.sourceActivity())[0]).toMatchObject({ silentSince: silent });
    expect(await store.upkeep.noteSilent('src_a', null)).toBe(true);
    expect(await store.upkeep.noteSilent('src_a', null)).toBe(false);
    expect(await store.upkeep.noteSilent('src_none', 1_000)).toBe(false);
    expect((await store.upkeep.sourceActivity())[0]).toMatchObject({ lastEventAt: 5_000, silentSince: null });
  });
}
