import { describe, expect, it } from 'vitest';
import type { AppendRequest, ClaimResult } from '../ports/event-log.ts';
import {
  buildAppend,
  buildClaim,
  buildLane,
  buildNewDelivery,
  buildOwed,
  leasedBy,
  pendingAt,
  START_MS,
} from './builders.ts';
import { appendEach, deliveryOf, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What `claimDue` promises about order, limits and exclusiveness. */
export function describeClaimContract(harness: StoreHarness): void {
  describe('claimDue', () => {
    describeOrder(harness);
    describeLimits(harness);
    describeAnswers(harness);
    describeNextDueAt(harness);
    describeExclusiveness(harness);
  });
}

function describeOrder(harness: StoreHarness): void {
  it('leases what is due, earliest due first, whatever the order of appending', async () => {
    const store = await harness.open();
    const due = [30, 10, 20].map((late) => buildOwed({}, { initial: pendingAt(START_MS - late) }));
    await appendEach(store, ...due);

    const { leased } = await store.log.claimDue(buildClaim());
    expect(idsOf(leased)).toEqual([due[0], due[2], due[1]].map((owed) => owed?.deliveryId));
  });

  it('leases what falls due together in the order of appending', async () => {
    const store = await harness.open();
    const due = Array.from({ length: 12 }, () => buildOwed());
    await appendEach(store, ...due);

    const { leased } = await store.log.claimDue(buildClaim({ lanes: [buildLane({ limit: 5 })] }));
    expect(idsOf(leased)).toEqual(due.slice(0, 5).map((owed) => owed.deliveryId));
  });

  it('leases at the due time, not a millisecond before it', async () => {
    const store = await harness.open();
    const owed = buildOwed({}, { initial: pendingAt(START_MS + 10) });
    await appendEach(store, owed);

    expect((await store.log.claimDue(buildClaim({ nowMs: START_MS + 9 }))).leased).toEqual([]);
    const { leased } = await store.log.claimDue(buildClaim({ nowMs: START_MS + 10 }));
    expect(idsOf(leased)).toEqual([owed.deliveryId]);
  });

  it('leases from the lanes asked for only', async () => {
    const store = await harness.open();
    const mine = buildOwed({}, { destinationId: 'dst_mine' });
    const other = buildOwed({}, { destinationId: 'dst_other' });
    await appendEach(store, other, mine);

    const lanes = [buildLane({ destinationId: 'dst_mine' })];
    expect(idsOf((await store.log.claimDue(buildClaim({ lanes }))).leased)).toEqual([mine.deliveryId]);
    expect((await deliveryOf(store, other.deliveryId)).state).toBe('pending');
  });
}

function describeLimits(harness: StoreHarness): void {
  it('keeps the limit of each lane', async () => {
    const store = await harness.open();
    await appendEach(
      store,
      ...Array.from({ length: 5 }, () => buildOwed({}, { destinationId: 'dst_a' })),
      ...Array.from({ length: 5 }, () => buildOwed({}, { destinationId: 'dst_b' })),
    );
    const lanes = [
      buildLane({ destinationId: 'dst_a', limit: 2 }),
      buildLane({ destinationId: 'dst_b', limit: 3 }),
    ];

    const { leased } = await store.log.claimDue(buildClaim({ lanes }));
    expect(leased.filter(({ destinationId }) => destinationId === 'dst_a')).toHaveLength(2);
    expect(leased.filter(({ destinationId }) => destinationId === 'dst_b')).toHaveLength(3);
  });

  it('leases nothing in a lane with the limit 0, and tells when it has something', async () => {
    const store = await harness.open();
    await appendEach(store, buildOwed({}, { initial: pendingAt(START_MS - 7) }));

    const result = await store.log.claimDue(buildClaim({ lanes: [buildLane({ limit: 0 })] }));
    expect(result.leased).toEqual([]);
    expect(nextDueAt(result, 'dst_one')).toBe(START_MS - 7);
  });

  it('stops once the claimed bodies exceed maxBytes', async () => {
    const store = await harness.open();
    const due = Array.from({ length: 10 }, () => buildOwed({ body: new Uint8Array(100) }));
    await appendEach(store, ...due);

    const { leased } = await store.log.claimDue(buildClaim({ maxBytes: 350 }));
    // Three fit; whether the one that crosses the bound is still taken is left to the store.
    expect([3, 4]).toContain(leased.length);
    const rest = await store.log.claimDue(buildClaim({ token: 'next' }));
    expect(idsOf([...leased, ...rest.leased])).toEqual(due.map((owed) => owed.deliveryId));
  });

  it('counts the bodies of all lanes together', async () => {
    const store = await harness.open();
    const destinationIds = ['dst_a', 'dst_b', 'dst_c', 'dst_d'];
    for (const destinationId of destinationIds) {
      await appendEach(store, buildOwed({ body: new Uint8Array(100) }, { destinationId }));
    }
    const lanes = destinationIds.map((destinationId) => buildLane({ destinationId }));

    const { leased } = await store.log.claimDue(buildClaim({ lanes, maxBytes: 150 }));
    expect([1, 2]).toContain(leased.length);
  });

  it.each([10, 0])(
    'leases one body that is larger than maxBytes of %i, so that it is not stuck',
    async (maxBytes) => {
      const store = await harness.open();
      await appendEach(
        store,
        buildOwed({ body: new Uint8Array(1_000) }),
        buildOwed({ body: new Uint8Array(1_000) }),
      );

      expect((await store.log.claimDue(buildClaim({ maxBytes }))).leased).toHaveLength(1);
    },
  );
}

function owedAt(destinationId: string, dueAt: number): AppendRequest {
  return buildOwed({}, { destinationId, initial: pendingAt(dueAt) });
}

function describeAnswers(harness: StoreHarness): void {
  it('gives what an attempt needs and counts the attempt before it is made', async () => {
    const store = await harness.open();
    const owed = buildOwed({ tenant: 'acme' }, { subscriptionId: 'sub_9', initial: pendingAt(START_MS + 1) });
    await appendEach(store, owed);

    const lanes = [buildLane({ leaseMs: 5_000 })];
    const { leased } = await store.log.claimDue(buildClaim({ nowMs: START_MS + 50, token: 'w1', lanes }));
    const { event, ...lease } = leased[0] ?? {};
    expect(lease).toEqual({
      id: owed.deliveryId,
      tenant: 'acme',
      subscriptionId: 'sub_9',
      destinationId: 'dst_one',
      createdAt: START_MS,
      replayOf: null,
      attempt: 1,
      token: 'w1',
      leaseUntil: START_MS + 5_050,
    });
    expect(event?.id).toBe(owed.event.id);
    expect(await deliveryOf(store, owed.deliveryId)).toMatchObject({ state: 'leased', attempts: 1 });
  });

  it('gives each delivery of an event its event', async () => {
    const store = await harness.open();
    const deliveries = [1, 2].map(() => buildNewDelivery());
    const append = buildAppend({ deliveries });
    await appendEach(store, append);

    const { leased } = await store.log.claimDue(buildClaim());
    expect(leased.map((lease) => lease.event.id)).toEqual([append.event.id, append.event.id]);
  });
}

function describeNextDueAt(harness: StoreHarness): void {
  it('tells for each lane asked for when its next delivery is due', async () => {
    const store = await harness.open();
    await appendEach(
      store,
      owedAt('dst_later', START_MS + 900),
      owedAt('dst_later', START_MS + 500),
      owedAt('dst_more', START_MS - 2),
      owedAt('dst_more', START_MS - 1),
      owedAt('dst_unasked', START_MS + 1),
      buildOwed({}, { destinationId: 'dst_leased', initial: leasedBy('other') }),
    );
    const asked = ['dst_later', 'dst_more', 'dst_leased', 'dst_none'];
    const lanes = asked.map((destinationId) => buildLane({ destinationId, limit: 1 }));

    const result = await store.log.claimDue(buildClaim({ lanes }));
    expect(result.lanes.map((lane) => lane.destinationId).toSorted()).toEqual(asked.toSorted());
    expect(nextDueAt(result, 'dst_later')).toBe(START_MS + 500);
    expect(nextDueAt(result, 'dst_more')).toBe(START_MS - 1);
    expect(nextDueAt(result, 'dst_leased')).toBeNull();
    expect(nextDueAt(result, 'dst_none')).toBeNull();
    expect(result.abandoned).toBe(0);
  });

  it('tells what stays due after maxBytes stopped the claim', async () => {
    const store = await harness.open();
    await appendEach(
      store,
      ...[3, 2, 1].map((late) =>
        buildOwed({ body: new Uint8Array(100) }, { initial: pendingAt(START_MS - late) }),
      ),
    );

    const result = await store.log.claimDue(buildClaim({ maxBytes: 50 }));
    expect(nextDueAt(result, 'dst_one')).toBe(START_MS - 2);
  });
}

function describeExclusiveness(harness: StoreHarness): void {
  it('never gives one delivery to two concurrent claims', async () => {
    const store = await harness.open();
    const due = Array.from({ length: 40 }, () => buildOwed());
    await appendEach(store, ...due);

    const claims = Array.from({ length: 8 }, (_, index) =>
      store.log.claimDue(buildClaim({ token: `w${index}`, lanes: [buildLane({ limit: 10 })] })),
    );
    const claimed = (await Promise.all(claims)).flatMap((result) => idsOf(result.leased));
    expect(claimed.toSorted()).toEqual(due.map((owed) => owed.deliveryId).toSorted());
  });

  it('keeps a lease from others until the instant at which it ends', async () => {
    const store = await harness.open();
    const owed = buildOwed();
    await appendEach(store, owed);
    await store.log.claimDue(buildClaim({ lanes: [buildLane({ leaseMs: 1_000 })] }));

    const early = await store.log.claimDue(buildClaim({ nowMs: START_MS + 999, token: 'second' }));
    expect(early).toMatchObject({ leased: [], abandoned: 0 });
    const late = await store.log.claimDue(buildClaim({ nowMs: START_MS + 1_000, token: 'second' }));
    expect(idsOf(late.leased)).toEqual([owed.deliveryId]);
  });

  it('claims while appends go on, and in the end has given each delivery once', async () => {
    const store = await harness.open();
    const due = Array.from({ length: 30 }, () => buildOwed());
    const appends = due.map((owed) => store.log.append(owed));
    const claims = due.map((_, index) =>
      store.log.claimDue(buildClaim({ token: `w${index}`, lanes: [buildLane({ limit: 3 })] })),
    );
    await Promise.all(appends);
    const results = [...(await Promise.all(claims)), await store.log.claimDue(buildClaim({ token: 'last' }))];

    const claimed = results.flatMap((result) => idsOf(result.leased));
    expect(claimed.toSorted()).toEqual(due.map((owed) => owed.deliveryId).toSorted());
  });
}

/** What the claim told of a lane; `undefined` when it told nothing. */
export function nextDueAt(result: ClaimResult, destinationId: string): number | null | undefined {
  return result.lanes.find((lane) => lane.destinationId === destinationId)?.nextDueAt;
}
