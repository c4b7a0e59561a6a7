import { describe, expect, it } from 'vitest';
import type { AppendRequest, DedupeClaim } from '../ports/event-log.ts';
import type { Store } from '../ports/store.ts';
import { buildAppend, buildDedupe, buildEvent, buildOwed, type OwedAppend, START_MS } from './builders.ts';
import { allOf, appendEach, FIRST_PAGE, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What `append` promises about de-duplication keys, and `appendAll` about all or none. */
export function describeDedupeContract(harness: StoreHarness): void {
  describe('de-duplication', () => {
    describeDuplicates(harness);
    describeTwoNames(harness);
    describeClaimsOnKeys(harness);
  });
  describe('appendAll', () => describeAppendAll(harness));
}

function describeDuplicates(harness: StoreHarness): void {
  it('tells a repeated key by the id of the first event and writes nothing', async () => {
    const store = await harness.open();
    const first = { ...buildOwed(), dedupe: buildDedupe() };
    const second = { ...buildOwed({ receivedAt: START_MS + 1 }), dedupe: buildDedupe() };
    await appendEach(store, first);

    const lastSeq = await store.queries.lastSeq();
    expect(await store.log.append(second)).toEqual({
      eventId: first.event.id,
      duplicate: true,
      conflict: false,
      seq: 0,
    });
    expect(await store.queries.event(second.event.id)).toBeNull();
    expect(await store.queries.delivery(second.deliveryId)).toBeNull();
    expect(await store.queries.lastSeq()).toBe(lastSeq);
  });

  it('tells the very same request sent twice as a duplicate, not as a failure', async () => {
    const store = await harness.open();
    const request = { ...buildOwed(), dedupe: buildDedupe() };
    await appendEach(store, request);

    expect(await store.log.append(request)).toMatchObject({ duplicate: true, eventId: request.event.id });
  });

  it('writes exactly one of many concurrent appends with the same key', async () => {
    const store = await harness.open();
    const requests = Array.from({ length: 25 }, () => ({ ...buildOwed(), dedupe: buildDedupe() }));

    const answers = await Promise.all(requests.map((request) => store.log.append(request)));
    const written = answers.filter((answer) => !answer.duplicate);
    expect(written).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.eventId))).toEqual(new Set([written[0]?.eventId]));
    const kept = await store.queries.events({}, FIRST_PAGE);
    expect(idsOf(kept.items)).toEqual([written[0]?.eventId]);
    expect((await store.queries.deliveries({}, FIRST_PAGE)).items).toHaveLength(1);
  });

  it('tells a conflict when the fingerprint differs and writes nothing', async () => {
    const store = await harness.open();
    const first = buildAppend({ dedupe: buildDedupe({ fingerprint: 'aaa' }) });
    const other = { ...buildOwed(), dedupe: buildDedupe({ fingerprint: 'bbb' }) };
    await appendEach(store, first);

    expect(await store.log.append(other)).toMatchObject({
      eventId: first.event.id,
      conflict: true,
      seq: 0,
    });
    expect(await store.queries.event(other.event.id)).toBeNull();
    expect(await store.queries.delivery(other.deliveryId)).toBeNull();
    const same = buildAppend({ dedupe: buildDedupe({ fingerprint: 'aaa' }) });
    expect(await store.log.append(same)).toMatchObject({ duplicate: true, conflict: false });
  });
}

function describeTwoNames(harness: StoreHarness): void {
  it('looks at an idempotency key first, then at the own id, and takes both or neither', async () => {
    const store = await harness.open();
    const first = buildAppend({ dedupe: ownId('a'), idempotency: requestKey('1', 'x') });
    await appendEach(store, first);
    const answers = [
      buildAppend({ dedupe: ownId('a'), idempotency: requestKey('1', 'x') }),
      buildAppend({ dedupe: ownId('b'), idempotency: requestKey('1', 'y') }),
      buildAppend({ dedupe: ownId('a'), idempotency: requestKey('2', 'z') }),
      buildAppend({ dedupe: ownId('a') }),
    ].map((request) => store.log.append(request));
    expect(await Promise.all(answers)).toMatchObject([
      { eventId: first.event.id, duplicate: true, conflict: false },
      { eventId: first.event.id, duplicate: true, conflict: true },
      { eventId: first.event.id, duplicate: true, conflict: false },
      { eventId: first.event.id, duplicate: true, conflict: false },
    ]);
    // What was refused has taken nothing: neither the id of the second nor the key of the third.
    const later = buildAppend({ dedupe: ownId('b'), idempotency: requestKey('2', 'w') });
    expect(await store.log.append(later)).toMatchObject({ eventId: later.event.id, duplicate: false });
    expect(await store.queries.dedupeHolder('idempotency', '2')).toBe(later.event.id);
  });

  it('gives a free idempotency key and a free own id to one of many that come at once', async () => {
    const store = await harness.open();
    const requests = Array.from({ length: 24 }, (_, index) =>
      buildAppend({
        dedupe: buildDedupe({ scope: 'own', key: `id${index % 3}` }),
        idempotency: buildDedupe({ scope: 'idempotency', key: `key${index % 4}` }),
      }),
    );
    const answers = await Promise.all(requests.map((request) => store.log.append(request)));
    const written = answers.filter(({ duplicate }) => !duplicate).map(({ eventId }) => eventId);
    expect(idsOf((await store.queries.events({}, FIRST_PAGE)).items).toSorted()).toEqual(written.toSorted());
    // Three ids are free and each of the first three requests has a key of its own.
    expect(written).toHaveLength(3);
    const holders = await Promise.all(
      [0, 1, 2, 3].map((index) => store.queries.dedupeHolder('idempotency', `key${index}`)),
    );
    expect(new Set(holders.filter((holder) => holder !== null))).toEqual(new Set(written));
  });
}

function requestKey(name: string, fingerprint = ''): DedupeClaim {
  return buildDedupe({ scope: 'idempotency', key: name, fingerprint });
}

function ownId(name: string): DedupeClaim {
  return buildDedupe({ scope: 'own', key: name });
}

function keyedAt(receivedAt: number, windowMs: number): AppendRequest {
  return buildAppend({
    event: buildEvent({ receivedAt }),
    dedupe: buildDedupe({ expiresAt: receivedAt + windowMs }),
  });
}

function describeClaimsOnKeys(harness: StoreHarness): void {
  it('takes the same key in another scope, and another key in the same scope, as new', async () => {
    const store = await harness.open();
    const requests = [
      buildAppend({ dedupe: buildDedupe({ scope: 'a', key: 'bc' }) }),
      buildAppend({ dedupe: buildDedupe({ scope: 'ab', key: 'c' }) }),
      buildAppend({ dedupe: buildDedupe({ scope: 'a', key: 'BC' }) }),
      buildAppend({ dedupe: buildDedupe({ scope: 'a', key: 'bc ' }) }),
    ];

    const answers = await appendEach(store, ...requests);
    expect(answers.map((answer) => answer.duplicate)).toEqual([false, false, false, false]);
  });

  it('never takes events without a key as duplicates', async () => {
    const store = await harness.open();
    const answers = await appendEach(store, buildAppend(), buildAppend());
    expect(answers.every((answer) => !answer.duplicate)).toBe(true);
  });

  it('takes a key as new once its claim has expired by the time of receipt', async () => {
    const store = await harness.open();
    const first = keyedAt(START_MS, 1_000);
    const before = keyedAt(START_MS + 999, 1_000);
    const after = keyedAt(START_MS + 1_001, 5_000);
    const repeat = keyedAt(START_MS + 6_000, 5_000);
    await appendEach(store, first);

    expect(await store.log.append(before)).toMatchObject({ duplicate: true, eventId: first.event.id });
    expect(await store.log.append(after)).toMatchObject({ duplicate: false, eventId: after.event.id });
    expect(await store.log.append(repeat)).toMatchObject({ duplicate: true, eventId: after.event.id });
  });

  it('tells which event holds a key, by scope', async () => {
    const store = await harness.open();
    const request = buildAppend({ dedupe: buildDedupe({ scope: 's', key: 'k' }) });
    await appendEach(store, request);

    expect(await store.queries.dedupeHolder('s', 'k')).toBe(request.event.id);
    expect(await store.queries.dedupeHolder('s', 'other')).toBeNull();
    expect(await store.queries.dedupeHolder('other', 'k')).toBeNull();
  });
}

function keyed(key: string): OwedAppend {
  return { ...buildOwed(), dedupe: buildDedupe({ key }) };
}

function describeAppendAll(harness: StoreHarness): void {
  it('writes all, in the order given', async () => {
    const store = await harness.open();
    const requests = [buildOwed(), buildOwed(), buildOwed()];

    const answers = await store.log.appendAll(requests);
    expect(answers.map((answer) => answer.eventId)).toEqual(requests.map(({ event }) => event.id));
    const places = answers.map((answer) => answer.seq);
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    await expectInLog(store, requests);
  });

  it('answers nothing for nothing', async () => {
    const store = await harness.open();
    expect(await store.log.appendAll([])).toEqual([]);
  });

  it('tells duplicates among the requests and of earlier ones, and writes the rest', async () => {
    const store = await harness.open();
    const earlier = keyed('earlier');
    await appendEach(store, earlier);
    const requests = [keyed('new'), keyed('earlier'), keyed('new'), keyed('other')] as const;

    const answers = await store.log.appendAll(requests);
    expect(answers.map((answer) => answer.duplicate)).toEqual([false, true, true, false]);
    expect(answers[1]?.eventId).toBe(earlier.event.id);
    expect(answers[2]?.eventId).toBe(requests[0].event.id);
    await expectInLog(store, [earlier, requests[0], requests[3]]);
  });

  it('writes none when one cannot be written', async () => {
    const store = await harness.open();
    const taken = buildOwed();
    await appendEach(store, taken);
    const good = { ...buildOwed(), dedupe: buildDedupe() };
    const bad = buildOwed({ id: taken.event.id });

    await expect(store.log.appendAll([good, bad, buildOwed()])).rejects.toThrow();
    await expectInLog(store, [taken]);
    expect(await store.queries.dedupeHolder('src_one', 'k')).toBeNull();
    await appendEach(store, good);
  });
}

async function expectInLog(store: Store, requests: readonly OwedAppend[]): Promise<void> {
  const events = await allOf((page) => store.queries.events({}, page));
  expect(idsOf(events).toReversed()).toEqual(requests.map(({ event }) => event.id));
  const deliveries = await allOf((page) => store.queries.deliveries({}, page));
  expect(idsOf(deliveries).toReversed()).toEqual(requests.map(({ deliveryId }) => deliveryId));
}
