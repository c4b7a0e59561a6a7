import { describe, expect, it } from 'vitest';
import type { Replay, ReplayFilter } from '../domain/records.ts';
import type { ReplayCandidate } from '../ports/queries.ts';
import type { Store } from '../ports/store.ts';
import { buildAppend, buildNewDelivery, buildOwed, START_MS } from './builders.ts';
import { appendEach, expectSameEvent } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What the store promises about finding what a replay takes. */
export function describeReplayQueriesContract(harness: StoreHarness): void {
  describe('countReplay and replayCandidates', () => {
    describeFilters(harness);
    describeWalking(harness);
    describeContents(harness);
  });
}

/** Events `evt_<name>`, each with a delivery `dlv_<name>`. */
async function appendNamed(store: Store): Promise<void> {
  await appendEach(
    store,
    buildOwed(
      { id: 'evt_a', type: 'invoice.paid', sourceId: 'src_a' },
      { id: 'dlv_a', destinationId: 'dst_a', subscriptionId: 'sub_a' },
    ),
    buildOwed(
      { id: 'evt_b', type: 'invoice.failed', sourceId: 'src_b', receivedAt: START_MS + 10 },
      {
        id: 'dlv_b',
        destinationId: 'dst_a',
        subscriptionId: 'sub_b',
        initial: { state: 'dead', reason: 'destination_unknown' },
      },
    ),
    buildOwed(
      { id: 'evt_c', type: 'order.paid', sourceId: null, tenant: 'acme', receivedAt: START_MS + 20 },
      { id: 'dlv_c', destinationId: 'dst_b', subscriptionId: null },
    ),
  );
}

const BOTH: readonly (readonly [string, ReplayFilter, string | null, string])[] = [
  ['no more than the tenant', {}, 'default', 'ab'],
  ['every tenant', {}, null, 'abc'],
  ['event ids', { eventIds: ['evt_c', 'evt_a', 'evt_none'] }, null, 'ac'],
  ['event ids of another tenant', { eventIds: ['evt_c', 'evt_a'] }, 'default', 'a'],
  ['a type', { type: 'order.paid' }, null, 'c'],
  ['a pattern', { type: 'invoice.*' }, null, 'ab'],
  ['a source', { sourceId: 'src_b' }, null, 'b'],
  ['received at or after', { from: START_MS + 10 }, null, 'bc'],
  ['received before', { to: START_MS + 10 }, null, 'a'],
  ['several things at once', { type: 'invoice.*', from: START_MS + 1, to: START_MS + 20 }, null, 'b'],
  ['ids of nothing', { eventIds: [] }, null, ''],
];

const DELIVERIES_ONLY: typeof BOTH = [
  ['delivery ids', { deliveryIds: ['dlv_b', 'dlv_c', 'dlv_none'] }, null, 'bc'],
  ['a state', { state: 'dead' }, null, 'b'],
  ['a destination', { destinationId: 'dst_a' }, null, 'ab'],
  ['a subscription', { subscriptionId: 'sub_a' }, null, 'a'],
  ['a state and a type', { state: 'pending', type: '*.paid' }, null, 'ac'],
];

const CASES = {
  events: BOTH,
  deliveries: [...BOTH, ...DELIVERIES_ONLY],
};

function describeFilters(harness: StoreHarness): void {
  it.each(['events', 'deliveries'] as const)('finds the %s that the filter names', async (over) => {
    const store = await harness.open();
    await appendNamed(store);

    for (const [what, filter, tenant, wanted] of CASES[over]) {
      const { matched, endSeq } = await store.queries.countReplay(filter, over, tenant);
      expect(matched, what).toBe(wanted.length);
      // Counting may be over every tenant; a replay itself always has one.
      const tenants = tenant === null ? ['default', 'acme'] : [tenant];
      const found: ReplayCandidate[] = [];
      for (const one of tenants) {
        found.push(...(await walk(store, { filter, over, tenant: one, cursor: 0, endSeq }, 10)));
      }
      expect(namesOf(found), what).toBe(wanted);
    }
  });
}

function describeWalking(harness: StoreHarness): void {
  it.each(['events', 'deliveries'] as const)('goes through %s in order, step by step', async (over) => {
    const store = await harness.open();
    const owed = Array.from({ length: 11 }, () => buildOwed());
    await appendEach(store, ...owed);
    const { matched, endSeq } = await store.queries.countReplay({ type: '*' }, over, 'default');
    expect(matched).toBe(11);

    const replay = { filter: { type: '*' }, over, tenant: 'default', cursor: 0, endSeq };
    const found = await walk(store, replay, 4);
    expect(found.map((candidate) => candidate.event.id)).toEqual(owed.map(({ event }) => event.id));
    const places = found.map((candidate) => candidate.seq);
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    expect(new Set(places).size).toBe(11);
  });

  it.each(['events', 'deliveries'] as const)('takes no %s that came after the count', async (over) => {
    const store = await harness.open();
    await appendEach(store, buildOwed(), buildOwed());
    const { endSeq } = await store.queries.countReplay({ type: '*' }, over, 'default');
    await appendEach(store, buildOwed(), buildOwed());

    const found = await walk(
      store,
      { filter: { type: '*' }, over, tenant: 'default', cursor: 0, endSeq },
      10,
    );
    expect(found).toHaveLength(2);
  });

  it.each(['events', 'deliveries'] as const)('counts no %s in an empty log', async (over) => {
    const store = await harness.open();
    const { matched, endSeq } = await store.queries.countReplay({ type: '*' }, over, null);
    expect(matched).toBe(0);
    await appendEach(store, buildOwed());
    const replay = { filter: { type: '*' }, over, tenant: 'default', cursor: 0, endSeq };
    expect(await store.queries.replayCandidates(replay, 10)).toEqual([]);
  });
}

function describeContents(harness: StoreHarness): void {
  it('gives events whole when it goes through events', async () => {
    const store = await harness.open();
    const append = buildAppend();
    await appendEach(store, append);

    const replay = {
      filter: { type: '*' },
      over: 'events',
      tenant: 'default',
      cursor: 0,
      endSeq: Number.MAX_SAFE_INTEGER,
    } as const;
    const [candidate] = await store.queries.replayCandidates(replay, 10);
    expect(candidate?.delivery).toBeNull();
    expectSameEvent(candidate?.event, append.event);
    expect(candidate?.seq).toBe(candidate?.event.seq);
  });

  it('gives deliveries with their events without bodies when it goes through deliveries', async () => {
    const store = await harness.open();
    const deliveries = [buildNewDelivery(), buildNewDelivery()];
    const append = buildAppend({ deliveries });
    await appendEach(store, append);

    const replay = {
      filter: {},
      over: 'deliveries',
      tenant: 'default',
      cursor: 0,
      endSeq: Number.MAX_SAFE_INTEGER,
    } as const;
    const found = await store.queries.replayCandidates(replay, 10);
    expect(found.map((candidate) => candidate.delivery?.id)).toEqual(deliveries.map(({ id }) => id));
    for (const { delivery, event } of found) {
      expect(delivery).toEqual(await store.queries.delivery(delivery?.id ?? ''));
      expectSameEvent(event, { ...append.event, body: new Uint8Array(0) });
    }
  });
}

/** All candidates, in steps of `limit`, as core walks through them. */
async function walk(
  store: Store,
  replay: Pick<Replay, 'filter' | 'over' | 'tenant' | 'cursor' | 'endSeq'>,
  limit: number,
): Promise<readonly ReplayCandidate[]> {
  const found: ReplayCandidate[] = [];
  let { cursor } = replay;
  for (;;) {
    const step = await store.queries.replayCandidates({ ...replay, cursor }, limit);
    expect(step.length).toBeLessThanOrEqual(limit);
    const last = step.at(-1);
    if (last === undefined) return found;
    expect(last.seq).toBeGreaterThan(cursor);
    found.push(...step);
    cursor = last.seq;
  }
}

function namesOf(candidates: readonly ReplayCandidate[]): string {
  return candidates.map((candidate) => candidate.event.id.slice('evt_'.length)).join('');
}
