import { describe, expect, it } from 'vitest';
import type { DeliveryFilter, RejectionFilter } from '../ports/queries.ts';
import type { Store } from '../ports/store.ts';
import {
  buildAppend,
  buildEvent,
  buildNewDelivery,
  buildOwed,
  buildRejection,
  leasedBy,
  pendingAt,
  START_MS,
} from './builders.ts';
import { allOf, appendEach, deliveryOf, FIRST_PAGE, idsOf, pagesOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What the questions about deliveries, backlogs and rejections promise. */
export function describeDeliveryQueriesContract(harness: StoreHarness): void {
  describe('deliveries', () => {
    describeFilters(harness);
    describePages(harness);
  });
  describe('backlogs', () => describeBacklogs(harness));
  describe('rejections', () => describeRejections(harness));
}

const DELIVERIES = {
  pending: [{ tenant: 'acme', receivedAt: START_MS }, { destinationId: 'dst_a' }],
  leased: [
    { tenant: 'acme', receivedAt: START_MS + 10 },
    { destinationId: 'dst_b', initial: leasedBy('worker') },
  ],
  dead: [
    { tenant: 'other', receivedAt: START_MS + 20 },
    {
      destinationId: 'dst_a',
      subscriptionId: 'sub_two',
      initial: { state: 'dead', reason: 'destination_unknown' },
    },
  ],
  direct: [
    { tenant: 'acme', receivedAt: START_MS + 30 },
    { destinationId: 'dst_b', subscriptionId: null },
  ],
} as const;

type DeliveryName = keyof typeof DELIVERIES;

const FILTERS: readonly (readonly [string, DeliveryFilter, readonly DeliveryName[]])[] = [
  ['everything', {}, ['direct', 'dead', 'leased', 'pending']],
  ['a tenant', { tenant: 'other' }, ['dead']],
  ['pending', { state: 'pending' }, ['direct', 'pending']],
  ['leased', { state: 'leased' }, ['leased']],
  ['dead', { state: 'dead' }, ['dead']],
  ['a state that none has', { state: 'succeeded' }, []],
  ['a destination', { destinationId: 'dst_a' }, ['dead', 'pending']],
  ['a subscription', { subscriptionId: 'sub_two' }, ['dead']],
  ['an event', { eventId: 'evt_leased' }, ['leased']],
  ['made at or after', { from: START_MS + 20 }, ['direct', 'dead']],
  ['made before', { to: START_MS + 20 }, ['leased', 'pending']],
  ['several things at once', { tenant: 'acme', destinationId: 'dst_b', state: 'pending' }, ['direct']],
];

async function appendNamed(store: Store): Promise<void> {
  for (const name of ['pending', 'leased', 'dead', 'direct'] as const) {
    const [event, delivery] = DELIVERIES[name];
    await appendEach(store, buildOwed({ ...event, id: `evt_${name}` }, { ...delivery, id: `dlv_${name}` }));
  }
}

function describeFilters(harness: StoreHarness): void {
  it('filters by tenant, state, destination, subscription, event and time', async () => {
    const store = await harness.open();
    await appendNamed(store);

    for (const [what, filter, wanted] of FILTERS) {
      const ids = wanted.map((name) => `dlv_${name}`);
      const whole = await store.queries.deliveries(filter, FIRST_PAGE);
      expect(idsOf(whole.items), what).toEqual(ids);
      expect(whole.next, what).toBeNull();
      const oneByOne = await allOf((page) => store.queries.deliveries(filter, page), 1);
      expect(idsOf(oneByOne), what).toEqual(ids);
    }
  });

  it('lists a delivery as it is found by its id', async () => {
    const store = await harness.open();
    await appendNamed(store);
    for (const listed of await allOf((page) => store.queries.deliveries({}, page))) {
      expect(await deliveryOf(store, listed.id)).toEqual(listed);
    }
  });

  it('answers null for an id that there is not', async () => {
    const store = await harness.open();
    expect(await store.queries.delivery('dlv_none')).toBeNull();
  });
}

function describePages(harness: StoreHarness): void {
  it('shows no delivery twice and misses none that was there, while appends go on', async () => {
    const store = await harness.open();
    const owed = Array.from({ length: 7 }, () =>
      buildAppend({ deliveries: [buildNewDelivery(), buildNewDelivery(), buildNewDelivery()] }),
    );
    await appendEach(store, ...owed);
    const existed = owed.flatMap(({ deliveries }) => idsOf(deliveries));

    const appends: Promise<unknown>[] = [];
    const pages = await pagesOf(4, async (page) => {
      appends.push(store.log.append(buildOwed()));
      return store.queries.deliveries({}, page);
    });
    await Promise.all(appends);
    const seen = idsOf(pages.flat());
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => existed.includes(id))).toEqual(existed.toReversed());
  });
}

function describeBacklogs(harness: StoreHarness): void {
  it('counts what is pending for each destination and tells the earliest due time', async () => {
    const store = await harness.open();
    await appendEach(
      store,
      buildOwed({}, { destinationId: 'dst_a', initial: pendingAt(START_MS + 5) }),
      buildOwed({}, { destinationId: 'dst_a', initial: pendingAt(START_MS - 5) }),
      buildOwed({}, { destinationId: 'dst_a', initial: leasedBy('worker') }),
      buildOwed({}, { destinationId: 'dst_b' }),
      buildOwed({}, { destinationId: 'dst_c', initial: leasedBy('worker') }),
    );

    const backlogs = (await store.queries.backlogs()).filter((backlog) => backlog.pending > 0);
    expect(new Set(backlogs)).toEqual(
      new Set([
        { destinationId: 'dst_a', pending: 2, oldestDueAt: START_MS - 5 },
        { destinationId: 'dst_b', pending: 1, oldestDueAt: START_MS },
      ]),
    );
  });
}

const BOUNDS = { maxPerSource: 1_000, maxBytes: 1 << 20 };

const REJECTION_FILTERS: readonly (readonly [string, RejectionFilter, readonly string[]])[] = [
  ['everything', {}, ['rej_c', 'rej_b', 'rej_a']],
  ['a tenant', { tenant: 'other' }, ['rej_b']],
  ['a source', { sourceId: 'src_two' }, ['rej_b']],
  ['a code', { code: 'signature_missing' }, ['rej_c']],
  ['at or after', { from: START_MS + 10 }, ['rej_c', 'rej_b']],
  ['before', { to: START_MS + 10 }, ['rej_a']],
  ['several things at once', { tenant: 'default', from: START_MS + 1 }, ['rej_c']],
];

function describeRejections(harness: StoreHarness): void {
  it('filters by tenant, source, code and time', async () => {
    const store = await harness.open();
    const rejections = [
      buildRejection({ id: 'rej_a' }),
      buildRejection({ id: 'rej_b', tenant: 'other', sourceId: 'src_two', at: START_MS + 10 }),
      buildRejection({ id: 'rej_c', sourceId: null, code: 'signature_missing', at: START_MS + 20 }),
    ];
    await store.upkeep.recordRejections(rejections, BOUNDS);

    for (const [what, filter, wanted] of REJECTION_FILTERS) {
      const oneByOne = await allOf((page) => store.queries.rejections(filter, page), 1);
      expect(idsOf(oneByOne), what).toEqual(wanted);
      expect((await store.queries.rejections(filter, FIRST_PAGE)).next, what).toBeNull();
    }
  });

  it('reads back every field, by its own id and by that of the request', async () => {
    const store = await harness.open();
    const rejection = buildRejection({
      headers: ['X-One', 'b', 'x-one', 'a'],
      body: Uint8Array.of(0, 255, 128),
      bodyBytes: 5_000,
    });
    const bare = buildRejection({
      sourceId: null,
      remoteAddress: null,
      headers: [],
      body: new Uint8Array(0),
    });
    await store.upkeep.recordRejections([rejection, bare], BOUNDS);

    for (const { id, requestId } of [rejection, bare]) {
      const found = await store.queries.rejection(id);
      expect(await store.queries.rejection(requestId)).toEqual(found);
    }
    const found = await store.queries.rejection(rejection.id);
    expect({ ...found, body: [...(found?.body ?? [])] }).toEqual({ ...rejection, body: [0, 255, 128] });
    expect(await store.queries.rejection(bare.id)).toMatchObject({ sourceId: null, remoteAddress: null });
    expect(await store.queries.rejection('rej_none')).toBeNull();
  });

  it('keeps rejections apart from the log', async () => {
    const store = await harness.open();
    const event = buildEvent();
    await appendEach(store, buildAppend({ event }));
    await store.upkeep.recordRejections([buildRejection()], BOUNDS);
    expect(idsOf((await store.queries.events({}, FIRST_PAGE)).items)).toEqual([event.id]);
  });
}
