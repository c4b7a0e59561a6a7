import { describe, expect, it } from 'vitest';
import type { Attempt } from '../domain/delivery.ts';
import type { Settlement } from '../ports/event-log.ts';
import type { Store } from '../ports/store.ts';
import { buildAttempt, buildClaim, buildFailedAttempt, buildOwed, leasedBy, START_MS } from './builders.ts';
import { appendEach, deliveryOf, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What `settle` promises. */
export function describeSettleContract(harness: StoreHarness): void {
  describe('settle', () => {
    describeNextStates(harness);
    describeEnds(harness);
    describeGivingBack(harness);
    describeAttempts(harness);
    describeRefusals(harness);
  });
}

const AT = START_MS + 500;

/** Appends a delivery that is leased by `worker` and settles it. */
async function settleLeased(store: Store, settlement: Pick<Settlement, 'attempt' | 'next'>): Promise<string> {
  const owed = buildOwed({}, { initial: leasedBy('worker') });
  await appendEach(store, owed);
  const { deliveryId } = owed;
  expect(await store.log.settle({ deliveryId, token: 'worker', atMs: AT, ...settlement })).toBe('settled');
  return deliveryId;
}

function describeNextStates(harness: StoreHarness): void {
  it('ends as succeeded', async () => {
    const store = await harness.open();
    const id = await settleLeased(store, { attempt: buildAttempt(), next: { state: 'succeeded' } });

    expect(await deliveryOf(store, id)).toMatchObject({
      state: 'succeeded',
      attempts: 1,
      dueAt: null,
      updatedAt: AT,
      reason: null,
      lastStatus: 200,
      lastError: null,
    });
  });

  it('waits as pending until its due time, then is leased for the next attempt', async () => {
    const store = await harness.open();
    const dueAt = START_MS + 5_000;
    const next = { state: 'pending', dueAt, reason: 'retry_scheduled' } as const;
    const id = await settleLeased(store, { attempt: buildFailedAttempt(), next });

    expect(await deliveryOf(store, id)).toMatchObject({
      state: 'pending',
      attempts: 1,
      dueAt,
      updatedAt: AT,
      reason: 'retry_scheduled',
      lastStatus: 503,
      lastError: 'http_503',
    });
    expect((await store.log.claimDue(buildClaim({ nowMs: dueAt - 1, token: 'w2' }))).leased).toEqual([]);
    const { leased } = await store.log.claimDue(buildClaim({ nowMs: dueAt, token: 'w2' }));
    expect(leased.map(({ id: leasedId, attempt }) => [leasedId, attempt])).toEqual([[id, 2]]);
  });
}

function describeEnds(harness: StoreHarness): void {
  it.each(['dead', 'cancelled'] as const)('ends as %s with its reason, for good', async (state) => {
    const store = await harness.open();
    const attempt = buildFailedAttempt({ outcome: 'permanent', status: 410, error: 'http_410' });
    const id = await settleLeased(store, { attempt, next: { state, reason: 'destination_gone' } });

    expect(await deliveryOf(store, id)).toMatchObject({
      state,
      attempts: 1,
      dueAt: null,
      reason: 'destination_gone',
      lastStatus: 410,
      lastError: 'http_410',
    });
    const later = await store.log.claimDue(buildClaim({ nowMs: START_MS + 1e9 }));
    expect(later).toMatchObject({ leased: [], abandoned: 0 });
  });

  it('clears the reason for which it waited when it succeeds', async () => {
    const store = await harness.open();
    const next = { state: 'pending', dueAt: START_MS, reason: 'retry_scheduled' } as const;
    const deliveryId = await settleLeased(store, { attempt: buildFailedAttempt(), next });
    await store.log.claimDue(buildClaim({ token: 'w2' }));
    const attempt = buildAttempt({ number: 2 });
    await store.log.settle({ deliveryId, token: 'w2', atMs: AT + 1, attempt, next: { state: 'succeeded' } });

    expect(await deliveryOf(store, deliveryId)).toMatchObject({
      state: 'succeeded',
      attempts: 2,
      reason: null,
      lastStatus: 200,
      lastError: null,
    });
  });
}

function describeGivingBack(harness: StoreHarness): void {
  it('gives a delivery back unattempted: no attempt is recorded, and the counted one is uncounted', async () => {
    const store = await harness.open();
    const next = { state: 'pending', dueAt: START_MS + 9, reason: 'rate_limited' } as const;
    const id = await settleLeased(store, { attempt: null, next });

    expect(await deliveryOf(store, id)).toMatchObject({
      state: 'pending',
      attempts: 0,
      dueAt: START_MS + 9,
      reason: 'rate_limited',
      lastStatus: null,
      lastError: null,
    });
    expect(await store.queries.attempts(id)).toEqual([]);
    const { leased } = await store.log.claimDue(buildClaim({ nowMs: START_MS + 9 }));
    expect(leased.map((lease) => lease.attempt)).toEqual([1]);
  });

  it('keeps what is known of the last attempt when a later lease is given back', async () => {
    const store = await harness.open();
    const retry = { state: 'pending', dueAt: START_MS, reason: null } as const;
    const deliveryId = await settleLeased(store, { attempt: buildFailedAttempt(), next: retry });
    await store.log.claimDue(buildClaim({ token: 'w2' }));
    await store.log.settle({ deliveryId, token: 'w2', atMs: AT, attempt: null, next: retry });

    expect(await deliveryOf(store, deliveryId)).toMatchObject({
      attempts: 1,
      lastStatus: 503,
      lastError: 'http_503',
    });
    expect(await store.queries.attempts(deliveryId)).toHaveLength(1);
  });

  it.each(['dead', 'cancelled'] as const)('ends a delivery as %s without an attempt', async (state) => {
    const store = await harness.open();
    const id = await settleLeased(store, { attempt: null, next: { state, reason: 'destination_unknown' } });

    expect(await deliveryOf(store, id)).toMatchObject({
      state,
      attempts: 0,
      dueAt: null,
      reason: 'destination_unknown',
    });
    expect(await store.queries.attempts(id)).toEqual([]);
  });
}

function describeAttempts(harness: StoreHarness): void {
  it('keeps every field of every attempt, first attempt first', async () => {
    const store = await harness.open();
    const failed: Attempt = buildFailedAttempt({
      startedAt: START_MS + 1,
      durationMs: 345,
      responseHeaders: ['Retry-After', '5', 'Set-Cookie', 'a', 'set-cookie', 'b'],
      responseBody: 'Zoë says "no"\n',
      nextAttemptAt: START_MS,
    });
    const unanswered = buildFailedAttempt({
      number: 2,
      status: null,
      error: 'timeout',
      responseHeaders: [],
      responseBody: '',
      nextAttemptAt: START_MS,
    });
    const succeeded = buildAttempt({ number: 3 });
    const retry = { state: 'pending', dueAt: START_MS, reason: null } as const;
    const deliveryId = await settleLeased(store, { attempt: failed, next: retry });
    await store.log.claimDue(buildClaim({ token: 'w2' }));
    await store.log.settle({ deliveryId, token: 'w2', atMs: AT, attempt: unanswered, next: retry });
    await store.log.claimDue(buildClaim({ token: 'w3' }));
    await store.log.settle({
      deliveryId,
      token: 'w3',
      atMs: AT,
      attempt: succeeded,
      next: { state: 'succeeded' },
    });

    expect(await store.queries.attempts(deliveryId)).toEqual([failed, unanswered, succeeded]);
  });

  it('answers no attempts for a delivery that there is not', async () => {
    const store = await harness.open();
    expect(await store.queries.attempts('dlv_none')).toEqual([]);
  });
}

function describeRefusals(harness: StoreHarness): void {
  const success = { atMs: AT, attempt: buildAttempt(), next: { state: 'succeeded' } } as const;

  it('refuses a token that does not hold the lease, and writes nothing', async () => {
    const store = await harness.open();
    const owed = buildOwed({}, { initial: leasedBy('worker') });
    await appendEach(store, owed);
    const { deliveryId } = owed;
    const before = await deliveryOf(store, deliveryId);

    expect(await store.log.settle({ deliveryId, token: 'other', ...success })).toBe('lease_lost');
    expect(await deliveryOf(store, deliveryId)).toEqual(before);
    expect(await store.queries.attempts(deliveryId)).toEqual([]);
  });

  it('refuses a delivery that is not leased, is settled, or does not exist', async () => {
    const store = await harness.open();
    const pending = buildOwed();
    await appendEach(store, pending);
    const settled = await settleLeased(store, success);

    for (const deliveryId of [pending.deliveryId, settled, 'dlv_none']) {
      expect(await store.log.settle({ deliveryId, token: 'worker', ...success })).toBe('lease_lost');
    }
    expect((await deliveryOf(store, pending.deliveryId)).state).toBe('pending');
    expect(await store.queries.attempts(settled)).toHaveLength(1);
  });

  it('takes exactly one of two concurrent settlements of the same lease', async () => {
    const store = await harness.open();
    const owed = buildOwed({}, { initial: leasedBy('worker') });
    await appendEach(store, owed);
    const settlement = { deliveryId: owed.deliveryId, token: 'worker', ...success };

    const answers = await Promise.all([store.log.settle(settlement), store.log.settle(settlement)]);
    expect(answers.toSorted()).toEqual(['lease_lost', 'settled']);
    expect(await store.queries.attempts(owed.deliveryId)).toHaveLength(1);
  });

  it('settles many deliveries at once, each on its own', async () => {
    const store = await harness.open();
    const owed = Array.from({ length: 30 }, () => buildOwed({}, { initial: leasedBy('worker') }));
    await appendEach(store, ...owed);

    const answers = await Promise.all(
      owed.map(({ deliveryId }, index) =>
        store.log.settle({ deliveryId, token: index % 3 === 0 ? 'stranger' : 'worker', ...success }),
      ),
    );
    expect(answers).toEqual(owed.map((_, index) => (index % 3 === 0 ? 'lease_lost' : 'settled')));
    const left = await store.queries.deliveries({ state: 'leased' }, { limit: 100, before: null });
    expect(idsOf(left.items).toSorted()).toEqual(
      idsOf(owed.filter((_, index) => index % 3 === 0).map(({ deliveryId: id }) => ({ id }))).toSorted(),
    );
  });
}
