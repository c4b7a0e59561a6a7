import { describe, expect, it } from 'vitest';
import type { EndRequest, ReleaseRequest } from '../ports/event-log.ts';
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
  describe('releaseHeld', () => {
    describeReleaseHeld(harness);
    describeReleaseInSteps(harness);
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

const HELD = { state: 'pending', dueAt: null, reason: 'subscription_suspended' } as const;

function release(overrides: Partial<ReleaseRequest> = {}): ReleaseRequest {
  return { subscriptionId: 'sub_a', reason: HELD.reason, atMs: AT, limit: 100, ...overrides };
}

function describeReleaseHeld(harness: StoreHarness): void {
  it('lets go of what was held: by append and by settlement, as of when it was made', async () => {
    const store = await harness.open();
    const appended = buildOwed({}, { subscriptionId: 'sub_a', destinationId: 'dst_a', initial: HELD });
    const settled = buildOwed(
      {},
      { subscriptionId: 'sub_a', destinationId: 'dst_b', initial: leasedBy('w') },
    );
    await appendEach(store, appended, settled);
    const next = { ...HELD };
    await store.log.settle({ deliveryId: settled.deliveryId, token: 'w', atMs: AT, attempt: null, next });
    for (const { deliveryId } of [appended, settled]) {
      expect(await deliveryOf(store, deliveryId)).toMatchObject({ ...HELD, attempts: 0 });
    }
    const everyLane = buildClaim({ nowMs: AT + 1e12 });
    expect((await store.log.claimDue(everyLane)).leased).toEqual([]);
    expect(await store.log.pendingLanes()).toEqual([]);
    expect(await store.log.bringForward(appended.deliveryId, AT)).toBe('pending');
    expect((await deliveryOf(store, appended.deliveryId))?.dueAt).toBeNull();

    const answer = await store.log.releaseHeld(release());
    expect([answer.released, answer.destinationIds.toSorted()]).toEqual([2, ['dst_a', 'dst_b']]);
    for (const { deliveryId, event } of [appended, settled]) {
      expect(await deliveryOf(store, deliveryId)).toMatchObject({
        state: 'pending',
        dueAt: event.receivedAt,
        reason: null,
        updatedAt: AT,
      });
    }
    expect(await store.log.releaseHeld(release())).toMatchObject({ released: 0, destinationIds: [] });
  });

  it('leaves what is held for another reason, of another subscription, or not held', async () => {
    const store = await harness.open();
    const other = buildOwed({}, { subscriptionId: 'sub_b', initial: HELD });
    const reason = buildOwed({}, { subscriptionId: 'sub_a', initial: { ...HELD, reason: 'else' } });
    const later = buildOwed({}, { subscriptionId: 'sub_a', initial: pendingAt(AT + 1e9) });
    const first = buildOwed({}, { subscriptionId: 'sub_a', orderKey: 'k', initial: pendingAt(AT + 1e9) });
    const waits = buildOwed({}, { subscriptionId: 'sub_a', orderKey: 'k', initial: pendingAt(AT) });
    await appendEach(store, other, reason, later, first, waits);
    const before = await allOf((page) => store.queries.deliveries({}, page));
    expect((await store.log.releaseHeld(release())).released).toBe(0);
    expect(await allOf((page) => store.queries.deliveries({}, page))).toEqual(before);
  });
}

function describeReleaseInSteps(harness: StoreHarness): void {
  it('lets go of no more than the limit at a time, the first made first', async () => {
    const store = await harness.open();
    const held = [0, 1, 2].map(() => buildOwed({}, { subscriptionId: 'sub_a', initial: HELD }));
    await appendEach(store, ...held);
    expect((await store.log.releaseHeld(release({ limit: 2 }))).released).toBe(2);
    expect((await deliveryOf(store, held[2]?.deliveryId ?? ''))?.dueAt).toBeNull();
    expect((await store.log.releaseHeld(release({ limit: 2 }))).released).toBe(1);
  });

  it('keeps the order of a key: what waits behind a held one goes on waiting', async () => {
    const store = await harness.open();
    const head = buildOwed({}, { subscriptionId: 'sub_a', orderKey: 'k', initial: HELD });
    const second = buildOwed({}, { subscriptionId: 'sub_a', orderKey: 'k', initial: HELD });
    await appendEach(store, head, second);
    expect((await deliveryOf(store, second.deliveryId))?.reason).toBe('waits_for_order');
    expect((await store.log.releaseHeld(release())).released).toBe(1);
    expect((await deliveryOf(store, head.deliveryId))?.dueAt).not.toBeNull();
    expect((await deliveryOf(store, second.deliveryId))?.dueAt).toBeNull();
  });

  it('ends held deliveries like any pending ones', async () => {
    const store = await harness.open();
    const held = buildOwed({}, { subscriptionId: 'sub_a', initial: HELD });
    await appendEach(store, held);
    const end = { subscriptionId: 'sub_a', state: 'cancelled', reason: 'gone', atMs: AT, limit: 10 } as const;
    expect(await store.log.endPending(end)).toBe(1);
    expect(await deliveryOf(store, held.deliveryId)).toMatchObject({ state: 'cancelled', reason: 'gone' });
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
