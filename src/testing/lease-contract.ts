import { describe, expect, it } from 'vitest';
import type { Store } from '../ports/store.ts';
import {
  buildAttempt,
  buildClaim,
  buildFailedAttempt,
  buildLane,
  buildOwed,
  leasedBy,
  pendingAt,
  START_MS,
} from './builders.ts';
import { nextDueAt } from './claim-contract.ts';
import { appendEach, deliveryOf, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What becomes of a lease that ran out: the whole recovery story. */
export function describeLeaseContract(harness: StoreHarness): void {
  describe('lost leases', () => {
    describeRecovery(harness);
    describeOtherLeases(harness);
    describeOldTokens(harness);
  });
}

const LEASE_END = START_MS + 60_000;

/** Appends a delivery that `worker` holds until `LEASE_END`. */
async function appendLeased(store: Store, destinationId = 'dst_one'): Promise<string> {
  const owed = buildOwed({}, { destinationId, initial: leasedBy('worker', LEASE_END) });
  await appendEach(store, owed);
  return owed.deliveryId;
}

function describeRecovery(harness: StoreHarness): void {
  it('records the lost attempt as abandoned and gives the delivery to the next claim', async () => {
    const store = await harness.open();
    const id = await appendLeased(store);

    const result = await store.log.claimDue(buildClaim({ nowMs: LEASE_END, token: 'second' }));
    expect(result.abandoned).toBe(1);
    expect(result.leased.map(({ id: leasedId, attempt }) => [leasedId, attempt])).toEqual([[id, 2]]);
    const attempts = await store.queries.attempts(id);
    expect(attempts).toHaveLength(1);
    expect(attempts[0]).toMatchObject({
      number: 1,
      outcome: 'abandoned',
      status: null,
      responseHeaders: [],
      responseBody: '',
    });
    expect(attempts[0]?.error).toEqual(expect.any(String));
    expect(attempts[0]?.durationMs).toBeGreaterThanOrEqual(0);
    expect(await deliveryOf(store, id)).toMatchObject({
      state: 'leased',
      attempts: 2,
      lastStatus: null,
      lastError: attempts[0]?.error,
    });
  });

  it('counts each loss, so that a delivery that kills its worker is seen to', async () => {
    const store = await harness.open();
    const id = await appendLeased(store);

    for (const round of [1, 2, 3]) {
      const nowMs = LEASE_END + round * 60_000;
      const { leased } = await store.log.claimDue(buildClaim({ nowMs, token: `w${round}` }));
      expect(leased.map((lease) => lease.attempt)).toEqual([round + 1]);
    }
    const attempts = await store.queries.attempts(id);
    expect(attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, 'abandoned'],
      [2, 'abandoned'],
      [3, 'abandoned'],
    ]);
  });
}

function describeOtherLeases(harness: StoreHarness): void {
  it('takes back lost leases of lanes not asked for and tells that they are due at once', async () => {
    const store = await harness.open();
    const id = await appendLeased(store, 'dst_lost');

    const result = await store.log.claimDue(buildClaim({ nowMs: LEASE_END + 5, lanes: [] }));
    expect(result).toMatchObject({ leased: [], abandoned: 1 });
    expect(nextDueAt(result, 'dst_lost')).toBe(LEASE_END + 5);
    expect(await deliveryOf(store, id)).toMatchObject({
      state: 'pending',
      attempts: 1,
      dueAt: LEASE_END + 5,
    });
    expect(await store.log.pendingLanes()).toEqual([{ destinationId: 'dst_lost', nextDueAt: LEASE_END + 5 }]);
    const again = await store.log.claimDue(buildClaim({ nowMs: LEASE_END + 6, lanes: [] }));
    expect(again.abandoned).toBe(0);
    expect(await store.queries.attempts(id)).toHaveLength(1);
  });

  it('leaves leases that still run alone', async () => {
    const store = await harness.open();
    const lost = await appendLeased(store);
    const held = buildOwed({}, { initial: leasedBy('alive', LEASE_END + 1) });
    await appendEach(store, held);

    const result = await store.log.claimDue(buildClaim({ nowMs: LEASE_END, token: 'second' }));
    expect(idsOf(result.leased)).toEqual([lost]);
    expect(await store.queries.attempts(held.deliveryId)).toEqual([]);
  });

  it('finds lost leases beside pending deliveries, both within the limit of the lane', async () => {
    const store = await harness.open();
    await appendEach(store, buildOwed({}, { initial: pendingAt(LEASE_END - 1) }));
    const lost = await appendLeased(store);

    const lanes = [buildLane({ limit: 1 })];
    const first = await store.log.claimDue(buildClaim({ nowMs: LEASE_END, lanes }));
    expect(first.abandoned).toBe(1);
    expect(first.leased).toHaveLength(1);
    expect(idsOf(first.leased)).not.toEqual([lost]);
    const second = await store.log.claimDue(buildClaim({ nowMs: LEASE_END, lanes, token: 'second' }));
    expect(idsOf(second.leased)).toEqual([lost]);
  });
}

function describeOldTokens(harness: StoreHarness): void {
  it('refuses the old token once another holds the lease, and writes nothing', async () => {
    const store = await harness.open();
    const deliveryId = await appendLeased(store);
    await store.log.claimDue(buildClaim({ nowMs: LEASE_END, token: 'second' }));
    const before = await deliveryOf(store, deliveryId);

    const late = await store.log.settle({
      deliveryId,
      token: 'worker',
      atMs: LEASE_END + 1,
      attempt: buildAttempt(),
      next: { state: 'succeeded' },
    });
    expect(late).toBe('lease_lost');
    expect(await deliveryOf(store, deliveryId)).toEqual(before);
    expect(await store.queries.attempts(deliveryId)).toHaveLength(1);
    const current = await store.log.settle({
      deliveryId,
      token: 'second',
      atMs: LEASE_END + 2,
      attempt: buildAttempt({ number: 2 }),
      next: { state: 'succeeded' },
    });
    expect(current).toBe('settled');
    const attempts = await store.queries.attempts(deliveryId);
    expect(attempts.map((attempt) => attempt.outcome)).toEqual(['abandoned', 'succeeded']);
  });

  it('refuses the old token once the delivery was taken back, also while nobody holds it', async () => {
    const store = await harness.open();
    const deliveryId = await appendLeased(store);
    await store.log.claimDue(buildClaim({ nowMs: LEASE_END, lanes: [] }));

    const late = await store.log.settle({
      deliveryId,
      token: 'worker',
      atMs: LEASE_END + 1,
      attempt: buildFailedAttempt(),
      next: { state: 'dead', reason: 'attempts_exhausted' },
    });
    expect(late).toBe('lease_lost');
    expect(await deliveryOf(store, deliveryId)).toMatchObject({ state: 'pending', attempts: 1 });
  });

  it('still takes the outcome of a lease that ran out when nobody took it back', async () => {
    const store = await harness.open();
    const deliveryId = await appendLeased(store);

    const late = await store.log.settle({
      deliveryId,
      token: 'worker',
      atMs: LEASE_END + 1,
      attempt: buildAttempt(),
      next: { state: 'succeeded' },
    });
    // The receiver has it: refusing to know would only deliver it again.
    expect(late).toBe('settled');
    expect((await deliveryOf(store, deliveryId)).state).toBe('succeeded');
    expect((await store.log.claimDue(buildClaim({ nowMs: LEASE_END + 2 }))).abandoned).toBe(0);
  });
}
