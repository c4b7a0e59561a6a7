import { describe, expect, it } from 'vitest';
import type { EndRequest } from '../ports/event-log.ts';
import type { Store } from '../ports/store.ts';
import { buildAttempt, buildClaim, buildOwed, leasedBy, pendingAt, START_MS } from './builders.ts';
import { allOf, appendEach, deliveryOf, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What the log promises about deliveries that wait: seeing, ending and hastening them. */
export function describePendingContract(harness: StoreHarness): void {
  describe('pendingLanes', () => describePendingLanes(harness));
  describe('endPending', () => {
    describeEndPending(harness);
    describeWhatStays(harness);
  });
  describe('bringForward', () => describeBringForward(harness));
}

const AT = START_MS + 700;

function describePendingLanes(harness: StoreHarness): void {
  it('tells the destinations that have pending deliveries and when the earliest is due', async () => {
    const store = await harness.open();
    await appendEach(
      store,
      buildOwed({}, { destinationId: 'dst_a', initial: pendingAt(START_MS + 20) }),
      buildOwed({}, { destinationId: 'dst_a', initial: pendingAt(START_MS + 10) }),
      buildOwed({}, { destinationId: 'dst_b', initial: pendingAt(START_MS - 10) }),
      buildOwed({}, { destinationId: 'dst_c', initial: leasedBy('worker') }),
      buildOwed({}, { destinationId: 'dst_d', initial: { state: 'dead', reason: 'destination_unknown' } }),
    );

    const lanes = await store.log.pendingLanes();
    expect(new Map(lanes.map((lane) => [lane.destinationId, lane.nextDueAt]))).toEqual(
      new Map([
        ['dst_a', START_MS + 10],
        ['dst_b', START_MS - 10],
      ]),
    );
    expect(lanes).toHaveLength(2);
  });

  it('tells none when nothing waits', async () => {
    const store = await harness.open();
    expect(await store.log.pendingLanes()).toEqual([]);
    await appendEach(store, buildOwed());
    await store.log.claimDue(buildClaim());
    expect(await store.log.pendingLanes()).toEqual([]);
  });
}

/** Deliveries for two subscriptions and two destinations, pending and leased. */
async function appendMixed(store: Store): Promise<Record<'one' | 'two' | 'three' | 'leased', string>> {
  const one = buildOwed({}, { destinationId: 'dst_a', subscriptionId: 'sub_a' });
  const two = buildOwed({}, { destinationId: 'dst_a', subscriptionId: 'sub_b' });
  const three = buildOwed({}, { destinationId: 'dst_b', subscriptionId: 'sub_b' });
  const leased = buildOwed(
    {},
    { destinationId: 'dst_a', subscriptionId: 'sub_b', initial: leasedBy('worker') },
  );
  await appendEach(store, one, two, three, leased);
  return {
    one: one.deliveryId,
    two: two.deliveryId,
    three: three.deliveryId,
    leased: leased.deliveryId,
  };
}

const ending = { state: 'cancelled', reason: 'asked_for', atMs: AT, limit: 100 } as const;

function describeEndPending(harness: StoreHarness): void {
  it('ends one delivery, with state, reason and time', async () => {
    const store = await harness.open();
    const ids = await appendMixed(store);

    expect(await store.log.endPending({ ...ending, deliveryId: ids.two })).toBe(1);
    expect(await deliveryOf(store, ids.two)).toMatchObject({
      state: 'cancelled',
      attempts: 0,
      dueAt: null,
      reason: 'asked_for',
      updatedAt: AT,
    });
    expect(await idsIn(store, 'cancelled')).toEqual([ids.two]);
    expect(await store.log.endPending({ ...ending, deliveryId: ids.two })).toBe(0);
  });

  it.each([
    ['destination', { destinationId: 'dst_a' }, ['one', 'two']],
    ['subscription', { subscriptionId: 'sub_b' }, ['two', 'three']],
  ] as const)('ends what is pending for a %s and leaves the rest', async (_, which, ended) => {
    const store = await harness.open();
    const ids = await appendMixed(store);

    expect(await store.log.endPending({ ...ending, ...which, state: 'dead' })).toBe(2);
    expect(await idsIn(store, 'dead')).toEqual(ended.map((name) => ids[name]).toSorted());
    expect(await idsIn(store, 'leased')).toEqual([ids.leased]);
    expect(await idsIn(store, 'pending')).toHaveLength(1);
  });

  it('ends at most as many as the limit, and the rest by further calls', async () => {
    const store = await harness.open();
    await appendEach(store, ...Array.from({ length: 7 }, () => buildOwed()));
    const step: EndRequest = { ...ending, destinationId: 'dst_one', limit: 3 };

    const counts: number[] = [];
    do counts.push(await store.log.endPending(step));
    while (counts.at(-1) !== 0);
    expect(counts).toEqual([3, 3, 1, 0]);
  });
}

function describeWhatStays(harness: StoreHarness): void {
  it('lets a leased delivery go on to its own end', async () => {
    const store = await harness.open();
    const { leased: deliveryId } = await appendMixed(store);

    expect(await store.log.endPending({ ...ending, deliveryId })).toBe(0);
    const settled = await store.log.settle({
      deliveryId,
      token: 'worker',
      atMs: AT,
      attempt: buildAttempt(),
      next: { state: 'succeeded' },
    });
    expect(settled).toBe('settled');
  });

  it('ends what is due, so that no claim finds it', async () => {
    const store = await harness.open();
    await appendEach(store, buildOwed());
    await store.log.endPending({ ...ending, subscriptionId: 'sub_one' });
    const claim = await store.log.claimDue(buildClaim());
    expect(claim.leased).toEqual([]);
    expect(claim.lanes).toEqual([{ destinationId: 'dst_one', nextDueAt: null }]);
  });

  it('ends nothing for an id that there is not', async () => {
    const store = await harness.open();
    await appendMixed(store);
    expect(await store.log.endPending({ ...ending, deliveryId: 'dlv_none' })).toBe(0);
    expect(await store.log.endPending({ ...ending, destinationId: 'dst_none' })).toBe(0);
    expect(await store.log.endPending({ ...ending, subscriptionId: 'sub_none' })).toBe(0);
    expect(await idsIn(store, 'pending')).toHaveLength(3);
  });
}

function describeBringForward(harness: StoreHarness): void {
  it('makes a pending delivery due at once', async () => {
    const store = await harness.open();
    const later = buildOwed({}, { initial: pendingAt(START_MS + 1e9) });
    await appendEach(store, later);

    expect(await store.log.bringForward(later.deliveryId, AT)).toBe('pending');
    expect(await deliveryOf(store, later.deliveryId)).toMatchObject({
      state: 'pending',
      dueAt: AT,
      attempts: 0,
    });
    const { leased } = await store.log.claimDue(buildClaim({ nowMs: AT }));
    expect(idsOf(leased)).toEqual([later.deliveryId]);
  });

  it.each([
    ['leased', leasedBy('worker')],
    ['dead', { state: 'dead', reason: 'destination_unknown' }],
  ] as const)('leaves a %s delivery as it is and tells its state', async (state, initial) => {
    const store = await harness.open();
    const owed = buildOwed({}, { initial });
    await appendEach(store, owed);
    const before = await deliveryOf(store, owed.deliveryId);

    expect(await store.log.bringForward(owed.deliveryId, AT)).toBe(state);
    expect(await deliveryOf(store, owed.deliveryId)).toEqual(before);
  });

  it('answers null for a delivery that there is not', async () => {
    const store = await harness.open();
    expect(await store.log.bringForward('dlv_none', AT)).toBeNull();
  });
}

async function idsIn(store: Store, state: 'pending' | 'leased' | 'dead' | 'cancelled'): Promise<string[]> {
  return idsOf(await allOf((page) => store.queries.deliveries({ state }, page))).toSorted();
}
