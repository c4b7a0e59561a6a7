import { describe, expect, it } from 'vitest';
import { WAITS_FOR_ORDER } from '../domain/delivery.ts';
import type { LeasedDelivery, Settlement } from '../ports/event-log.ts';
import type { Store } from '../ports/store.ts';
import { buildAppend, buildNewDelivery } from './builders.ts';
import type { StoreHarness } from './store-harness.ts';

const DESTINATION = 'dst_order';
const T0 = 1_750_000_000_000;

/** Deliveries with an order key: one at a time, in the order of writing, whatever becomes of each. */
export function describeOrderContract(harness: StoreHarness): void {
  describe('order keys', () => {
    describeTurns(harness);
    describeShortcuts(harness);
  });
}

function describeTurns(harness: StoreHarness): void {
  it('lets one delivery of a key through at a time, in order', async () => {
    const store = await harness.open();
    const [first, second, third] = await appendOrdered(store, ['k', 'k', 'k']);
    expect(await claimIds(store, T0)).toEqual([first]);
    expect(await store.queries.delivery(second ?? '')).toMatchObject({
      state: 'pending',
      dueAt: null,
      reason: WAITS_FOR_ORDER,
    });
    expect(await claimIds(store, T0 + 1_000)).toEqual([]);
    await finish(store, first, { state: 'succeeded' }, T0 + 2_000);
    expect(await claimIds(store, T0 + 2_000)).toEqual([second]);
    await finish(store, second, { state: 'dead', reason: 'attempts_exhausted' }, T0 + 3_000);
    expect(await claimIds(store, T0 + 3_000)).toEqual([third]);
  });

  it('holds up only its own key while it retries', async () => {
    const store = await harness.open();
    const [slow, behind, other] = await appendOrdered(store, ['a', 'a', 'b']);
    expect(await claimIds(store, T0)).toEqual([slow, other]);
    await finish(store, slow, { state: 'pending', dueAt: T0 + 60_000, reason: 'http_500' }, T0 + 1);
    await finish(store, other, { state: 'succeeded' }, T0 + 1);
    expect(await claimIds(store, T0 + 30_000)).toEqual([]);
    expect(await claimIds(store, T0 + 60_000)).toEqual([slow]);
    await finish(store, slow, { state: 'succeeded' }, T0 + 60_001);
    expect(await claimIds(store, T0 + 60_001)).toEqual([behind]);
  });

  it('keeps the order when a lease is lost', async () => {
    const store = await harness.open();
    const [first] = await appendOrdered(store, ['k', 'k']);
    expect(await claimIds(store, T0)).toEqual([first]);
    expect(await claimIds(store, T0 + LEASE_MS)).toEqual([first]);
  });
}

function describeShortcuts(harness: StoreHarness): void {
  it('makes the next due when the first is given back, cancelled or ended', async () => {
    const store = await harness.open();
    const [first, second, third] = await appendOrdered(store, ['k', 'k', 'k']);
    await claimIds(store, T0);
    await finish(store, first, { state: 'cancelled', reason: 'subscription_deleted' }, T0, false);
    expect((await store.queries.delivery(second ?? ''))?.dueAt).toBe(T0);
    const ended = await store.log.endPending({
      deliveryId: second ?? '',
      state: 'cancelled',
      reason: 'cancelled_by_operator',
      atMs: T0 + 5,
      limit: 1,
    });
    expect(ended).toBe(1);
    expect(await claimIds(store, T0 + 5)).toEqual([third]);
  });

  it('does not let a delivery be brought forward past its turn', async () => {
    const store = await harness.open();
    const [first, second] = await appendOrdered(store, ['k', 'k']);
    expect(await store.log.bringForward(second ?? '', T0)).toBe('pending');
    expect(await claimIds(store, T0)).toEqual([first]);
  });

  it('knows of no due time in a lane where everything waits', async () => {
    const store = await harness.open();
    await appendOrdered(store, ['k', 'k']);
    await claimIds(store, T0);
    expect(await store.log.pendingLanes()).toEqual([]);
    const [lane] = (await claim(store, T0 + 1)).lanes;
    expect(lane?.nextDueAt).toBeNull();
  });

  it('orders deliveries of one batch', async () => {
    const store = await harness.open();
    const ids = await appendOrdered(store, ['k', 'k', 'k', 'k'], true);
    const seen: (string | undefined)[] = [];
    for (let round = 0; round < ids.length; round += 1) {
      const [id] = await claimIds(store, T0 + round);
      seen.push(id);
      await finish(store, id, { state: 'succeeded' }, T0 + round);
    }
    expect(seen).toEqual(ids);
  });
}

const LEASE_MS = 30_000;
const TOKEN = 'order';

async function appendOrdered(store: Store, keys: readonly string[], inOneBatch = false): Promise<string[]> {
  const appends = keys.map((orderKey) =>
    buildAppend({
      deliveries: [
        buildNewDelivery({
          destinationId: DESTINATION,
          orderKey,
          initial: { state: 'pending', dueAt: T0 },
        }),
      ],
    }),
  );
  if (inOneBatch) await store.log.appendAll(appends);
  else for (const append of appends) await store.log.append(append);
  return appends.flatMap((append) => append.deliveries.map((delivery) => delivery.id));
}

function claim(store: Store, nowMs: number) {
  const lanes = [{ destinationId: DESTINATION, limit: 10, leaseMs: LEASE_MS }];
  return store.log.claimDue({ nowMs, token: TOKEN, lanes, maxBytes: 1e9 });
}

async function claimIds(store: Store, nowMs: number): Promise<string[]> {
  const { leased } = await claim(store, nowMs);
  return leased.map((delivery: LeasedDelivery) => delivery.id);
}

async function finish(
  store: Store,
  deliveryId: string | undefined,
  next: Settlement['next'],
  atMs: number,
  attempted = true,
): Promise<void> {
  const delivery = await store.queries.delivery(deliveryId ?? '');
  const attempt = attempted
    ? {
        number: delivery?.attempts ?? 0,
        startedAt: atMs,
        durationMs: 1,
        outcome: next.state === 'succeeded' ? ('succeeded' as const) : ('retryable' as const),
        status: 200,
        error: null,
        responseHeaders: [],
        responseBody: '',
        nextAttemptAt: null,
      }
    : null;
  expect(await store.log.settle({ deliveryId: deliveryId ?? '', token: TOKEN, atMs, attempt, next })).toBe(
    'settled',
  );
}
