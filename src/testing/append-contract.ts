import { describe, expect, it } from 'vitest';
import {
  buildAppend,
  buildClaim,
  buildDedupe,
  buildEvent,
  buildNewDelivery,
  buildOwed,
  leasedBy,
  pendingAt,
  START_MS,
} from './builders.ts';
import { allOf, appendEach, deliveryOf, expectSameEvent, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What `append` promises about events, initial states and failures. */
export function describeAppendContract(harness: StoreHarness): void {
  describe('append', () => {
    describeReadingBack(harness);
    describeKeeping(harness);
    describeInitialStates(harness);
    describeFailures(harness);
  });
}

const BODIES: readonly (readonly [string, Uint8Array])[] = [
  ['an empty body', new Uint8Array(0)],
  ['a single 0 byte', Uint8Array.of(0)],
  ['every byte value', Uint8Array.from({ length: 256 }, (_, value) => value)],
  ['bytes that are not UTF-8', Uint8Array.of(0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80)],
  ['a mebibyte', Uint8Array.from({ length: 1 << 20 }, (_, index) => (index * 31 + (index >> 8)) & 0xff)],
];

function describeReadingBack(harness: StoreHarness): void {
  it.each(BODIES)('reads back %s byte for byte', async (_, body) => {
    const store = await harness.open();
    const request = buildOwed({ body });
    await appendEach(store, request);

    expectSameEvent(await store.queries.event(request.event.id), request.event);
    const { leased } = await store.log.claimDue(buildClaim());
    expectSameEvent(leased[0]?.event, request.event);
  });

  it('reads back headers in order with repeats, case and odd characters kept', async () => {
    const store = await harness.open();
    const headers = ['X-One', 'b', 'x-one', 'a', 'X-One', 'b', 'Empty', '', 'Quote', `"'\\`, 'Latin', 'Zoë'];
    const request = buildOwed({ headers });
    await appendEach(store, request);

    expect((await store.queries.event(request.event.id))?.headers).toEqual(headers);
    const { leased } = await store.log.claimDue(buildClaim());
    expect(leased[0]?.event.headers).toEqual(headers);
  });

  it('reads back every other field, set or not', async () => {
    const store = await harness.open();
    const full = buildEvent({
      key: 'customer "9"',
      subject: 'Zoë',
      externalId: 'ext-1',
      correlationId: 'cor-1',
      causationId: 'evt_before',
      occurredAt: START_MS - 5_000,
      settingsVersion: 42,
      origin: {
        requestId: 'req_full',
        method: 'PUT',
        path: '/extra?x=1',
        remoteAddress: '2001:db8::1',
        traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        verification: { provider: 'stripe', covers: 'metadata', secretIndex: 1, principal: 'acct_1' },
        dedupeKey: 'evt-9',
        invalid: 'schema_mismatch',
        typeVersion: 2,
        protobuf: 'type',
        cloudEvent: 'binary',
      },
    });
    const bare = buildEvent({ sourceId: null, source: 'api', contentType: null, headers: [] });
    await appendEach(store, buildAppend({ event: full }), buildAppend({ event: bare }));

    expectSameEvent(await store.queries.event(full.id), full);
    expectSameEvent(await store.queries.event(bare.id), bare);
  });
}

function describeKeeping(harness: StoreHarness): void {
  it('keeps the bytes as they were, whatever the caller does with its buffer afterwards', async () => {
    const store = await harness.open();
    const body = Uint8Array.of(1, 2, 3);
    const event = buildEvent({ body });
    await appendEach(store, buildAppend({ event }));
    body.fill(9);

    expect([...((await store.queries.event(event.id))?.body ?? [])]).toEqual([1, 2, 3]);
  });

  it('gives each event a place in the log that grows in the order of appending', async () => {
    const store = await harness.open();
    const answers = await appendEach(store, buildAppend(), buildAppend(), buildAppend());
    const places = answers.map((answer) => answer.seq);

    expect(places).toEqual(places.toSorted((one, other) => one - other));
    expect(new Set(places).size).toBe(3);
    expect(Math.min(...places)).toBeGreaterThan(0);
    const stored = await Promise.all(answers.map((answer) => store.queries.event(answer.eventId)));
    expect(stored.map((event) => event?.seq)).toEqual(places);
  });
}

function describeInitialStates(harness: StoreHarness): void {
  it('writes a leased delivery with its first attempt counted, which its token can settle', async () => {
    const store = await harness.open();
    const owed = buildOwed({ tenant: 'acme' }, { initial: leasedBy('appender') });
    await appendEach(store, owed);

    expect(await deliveryOf(store, owed.deliveryId)).toMatchObject({
      id: owed.deliveryId,
      tenant: 'acme',
      eventId: owed.event.id,
      eventType: owed.event.type,
      subscriptionId: 'sub_one',
      destinationId: 'dst_one',
      state: 'leased',
      attempts: 1,
      createdAt: START_MS,
      replayOf: null,
      replayId: null,
    });
    expect((await store.log.claimDue(buildClaim())).leased).toEqual([]);
  });

  it('writes a pending delivery that waits for its due time with no attempt counted', async () => {
    const store = await harness.open();
    const owed = buildOwed({}, { subscriptionId: null, initial: pendingAt(START_MS + 5) });
    await appendEach(store, owed);

    expect(await deliveryOf(store, owed.deliveryId)).toMatchObject({
      state: 'pending',
      subscriptionId: null,
      attempts: 0,
      dueAt: START_MS + 5,
      lastStatus: null,
      lastError: null,
    });
  });

  it('writes a dead delivery with its reason, which nobody can claim', async () => {
    const store = await harness.open();
    const owed = buildOwed({}, { initial: { state: 'dead', reason: 'destination_unknown' } });
    await appendEach(store, owed);

    expect(await deliveryOf(store, owed.deliveryId)).toMatchObject({
      state: 'dead',
      attempts: 0,
      dueAt: null,
      reason: 'destination_unknown',
    });
    expect((await store.log.claimDue(buildClaim())).leased).toEqual([]);
  });

  it('writes all deliveries of an event, and events that owe nothing', async () => {
    const store = await harness.open();
    const deliveries = [1, 2, 3].map((n) => buildNewDelivery({ destinationId: `dst_${n}` }));
    const event = buildEvent();
    await appendEach(store, buildAppend({ event, deliveries }), buildAppend());

    const found = await allOf((page) => store.queries.deliveries({}, page));
    expect(idsOf(found).toSorted()).toEqual(idsOf(deliveries).toSorted());
    expect(found.every((delivery) => delivery.eventId === event.id)).toBe(true);
  });
}

function describeFailures(harness: StoreHarness): void {
  it('rejects an event id that exists and writes nothing of that request', async () => {
    const store = await harness.open();
    const first = buildAppend();
    await appendEach(store, first);
    const again = buildOwed({ id: first.event.id, body: Uint8Array.of(9) });

    await expect(store.log.append({ ...again, dedupe: buildDedupe() })).rejects.toThrow();
    expectSameEvent(await store.queries.event(first.event.id), first.event);
    expect(await store.queries.delivery(again.deliveryId)).toBeNull();
    expect(await store.queries.dedupeHolder('src_one', 'k')).toBeNull();
  });

  it('rejects a delivery id that exists and writes nothing of that request', async () => {
    const store = await harness.open();
    const first = buildOwed();
    await appendEach(store, first);
    const again = buildOwed({}, { id: first.deliveryId, destinationId: 'dst_other' });

    await expect(store.log.append(again)).rejects.toThrow();
    expect(await store.queries.event(again.event.id)).toBeNull();
    expect((await deliveryOf(store, first.deliveryId)).destinationId).toBe('dst_one');
  });

  it('rejects a request that names one delivery twice', async () => {
    const store = await harness.open();
    const delivery = buildNewDelivery();
    const request = buildAppend({ deliveries: [delivery, { ...delivery, destinationId: 'dst_other' }] });

    await expect(store.log.append(request)).rejects.toThrow();
    expect(await store.queries.event(request.event.id)).toBeNull();
    expect(await store.queries.delivery(delivery.id)).toBeNull();
  });

  it('lets requests that wait together succeed or fail alone', async () => {
    const store = await harness.open();
    const taken = buildAppend();
    await appendEach(store, taken);
    const good = Array.from({ length: 20 }, () => buildOwed());
    const bad = buildOwed({ id: taken.event.id });
    const requests = [...good.slice(0, 10), bad, ...good.slice(10)];

    const answers = await Promise.allSettled(requests.map((request) => store.log.append(request)));
    expect(answers.map((answer) => answer.status)).toEqual(
      requests.map((request) => (request === bad ? 'rejected' : 'fulfilled')),
    );
    const kept = await allOf((page) => store.queries.events({}, page));
    expect(idsOf(kept).toSorted()).toEqual(idsOf([taken, ...good].map(({ event }) => event)).toSorted());
    expect(await store.queries.delivery(bad.deliveryId)).toBeNull();
  });
}
