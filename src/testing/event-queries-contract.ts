import { describe, expect, it } from 'vitest';
import type { Event } from '../domain/event.ts';
import type { EventFilter } from '../ports/queries.ts';
import type { Store } from '../ports/store.ts';
import { buildAppend, buildEvent, START_MS } from './builders.ts';
import { allOf, appendEach, expectSameEvent, FIRST_PAGE, idsOf, pagesOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What the questions about events promise: filters, pages, following the log. */
export function describeEventQueriesContract(harness: StoreHarness): void {
  describe('events', () => {
    describeFilters(harness);
    describeText(harness);
    describePages(harness);
  });
  describe('eventsAfter', () => {
    describeFollowing(harness);
    describeBounds(harness);
  });
}

const EVENTS = {
  paid: {
    tenant: 'acme',
    type: 'invoice.paid',
    sourceId: 'src_stripe',
    source: 'stripe',
    key: 'cus_1',
    correlationId: 'cor_1',
    receivedAt: START_MS,
  },
  failed: {
    tenant: 'acme',
    type: 'invoice.payment.failed',
    sourceId: 'src_stripe',
    source: 'stripe',
    key: 'cus_2',
    correlationId: 'cor_2',
    receivedAt: START_MS + 10,
  },
  opened: {
    tenant: 'other',
    type: 'com.github.pull_request.opened',
    sourceId: 'src_github',
    source: 'github',
    key: 'cus_1',
    externalId: 'delivery-7',
    receivedAt: START_MS + 20,
  },
  published: {
    tenant: 'acme',
    type: 'invoice',
    sourceId: null,
    source: 'billing',
    correlationId: 'cor_1',
    origin: { ...buildEvent().origin, requestId: 'req_published' },
    receivedAt: START_MS + 30,
  },
} as const;

type EventName = keyof typeof EVENTS;

async function appendNamed(store: Store): Promise<Map<string, EventName>> {
  const names = new Map<string, EventName>();
  for (const name of ['paid', 'failed', 'opened', 'published'] as const) {
    const event = buildEvent(EVENTS[name]);
    await appendEach(store, buildAppend({ event }));
    names.set(event.id, name);
  }
  return names;
}

const FILTERS: readonly (readonly [string, EventFilter, readonly EventName[]])[] = [
  ['everything', {}, ['published', 'opened', 'failed', 'paid']],
  ['a tenant', { tenant: 'other' }, ['opened']],
  ['an exact type', { type: 'invoice.paid' }, ['paid']],
  ['a type that is the start of others', { type: 'invoice' }, ['published']],
  ['a pattern that ends in *', { type: 'invoice.*' }, ['failed', 'paid']],
  ['a pattern with * in the middle', { type: 'com.*.pull_request.opened' }, ['opened']],
  ['a pattern that begins with **', { type: '**.failed' }, ['failed']],
  ['a pattern whose ** stands for nothing', { type: 'invoice.**' }, ['published', 'failed', 'paid']],
  ['a pattern that nothing fits', { type: 'com.*.opened' }, []],
  // `_` is a wildcard of SQL's LIKE, but a letter in event types.
  ['a pattern with _', { type: 'com.github.pull-request.*' }, []],
  ['a source by its id', { source: 'src_stripe' }, ['failed', 'paid']],
  ['a source by its name', { source: 'github' }, ['opened']],
  ['the source of published events', { source: 'billing' }, ['published']],
  ['a key', { key: 'cus_1' }, ['opened', 'paid']],
  ['a correlation id', { correlationId: 'cor_1' }, ['published', 'paid']],
  ["an id of the sender's", { externalId: 'delivery-7' }, ['opened']],
  ['a request id', { requestId: 'req_published' }, ['published']],
  ['received at or after', { from: START_MS + 20 }, ['published', 'opened']],
  ['received before', { to: START_MS + 20 }, ['failed', 'paid']],
  ['received between', { from: START_MS + 10, to: START_MS + 30 }, ['opened', 'failed']],
  ['several things at once', { tenant: 'acme', type: 'invoice.*', key: 'cus_2' }, ['failed']],
  ['things that exclude each other', { tenant: 'other', source: 'stripe' }, []],
];

function describeFilters(harness: StoreHarness): void {
  it('filters by tenant, type pattern, source, key, correlation and time', async () => {
    const store = await harness.open();
    const names = await appendNamed(store);

    for (const [what, filter, wanted] of FILTERS) {
      const whole = await store.queries.events(filter, FIRST_PAGE);
      expect(
        whole.items.map((event) => names.get(event.id)),
        what,
      ).toEqual(wanted);
      expect(whole.next, what).toBeNull();
      const oneByOne = await allOf((page) => store.queries.events(filter, page), 1);
      expect(
        oneByOne.map((event) => names.get(event.id)),
        what,
      ).toEqual(wanted);
      const followed = await store.queries.eventsAfter(0, filter, 500);
      expect(
        followed.items.map((event) => names.get(event.id)),
        what,
      ).toEqual(wanted.toReversed());
    }
  });

  it('finds an event by its id with its place, and null for an id that there is not', async () => {
    const store = await harness.open();
    const event = buildEvent({ body: Uint8Array.of(0, 255) });
    const [appended] = await appendEach(store, buildAppend({ event }));

    const found = await store.queries.event(event.id);
    expectSameEvent(found, event);
    expect(found?.seq).toBe(appended?.seq);
    expect(await store.queries.event('evt_none')).toBeNull();
  });

  it('lists events whole, bodies included', async () => {
    const store = await harness.open();
    const event = buildEvent({ body: Uint8Array.of(0, 255, 10) });
    await appendEach(store, buildAppend({ event }));

    expectSameEvent((await store.queries.events({}, FIRST_PAGE)).items[0], event);
    expectSameEvent((await store.queries.eventsAfter(0, {}, 1)).items[0], event);
  });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const TEXTS: readonly (readonly [where: string, text: string, fields: Partial<Event>])[] = [
  ['the body', 'in-body', { body: bytes('{"hay":"in-body"}') }],
  ['the key', 'in-key', { key: 'a in-key here' }],
  ['the subject', 'in-subject', { subject: 'in-subject' }],
  ['the type', 'in-type', { type: 'hay.in-type.hay' }],
  ['a body beyond its 0 bytes', 'after-zero', { body: Uint8Array.of(0, ...bytes('after-zero'), 0) }],
  [
    'a body beside bytes that are not UTF-8',
    'beside-bytes',
    { body: Uint8Array.of(255, ...bytes('beside-bytes')) },
  ],
  ['words that are not ASCII', 'Zoë', { body: bytes('{"name":"Zoë"}') }],
  ['signs that SQL knows', `100%_'"`, { body: bytes(`is 100%_'" sure`) }],
];

function describeText(harness: StoreHarness): void {
  it('finds text in the body, the key, the subject and the type', async () => {
    const store = await harness.open();
    for (const [where, text, fields] of TEXTS) {
      const event = buildEvent(fields);
      await appendEach(store, buildAppend({ event }), buildAppend());
      const { items } = await store.queries.events({ text }, FIRST_PAGE);
      expect(idsOf(items), where).toEqual([event.id]);
    }
  });

  it('takes signs that SQL knows as themselves', async () => {
    const store = await harness.open();
    await appendEach(store, buildAppend({ event: buildEvent({ body: bytes('100 per cent') }) }));

    expect((await store.queries.events({ text: '100%' }, FIRST_PAGE)).items).toEqual([]);
    expect((await store.queries.events({ text: '1_0' }, FIRST_PAGE)).items).toEqual([]);
  });
}

function describePages(harness: StoreHarness): void {
  it('pages from the newest to the oldest, the last page without a next', async () => {
    const store = await harness.open();
    const events = Array.from({ length: 6 }, () => buildEvent());
    await appendEach(store, ...events.map((event) => buildAppend({ event })));

    const pages = await pagesOf(4, (page) => store.queries.events({}, page));
    expect(pages.map((items) => items.length)).toEqual([4, 2]);
    expect(idsOf(pages.flat())).toEqual(idsOf(events).toReversed());
    const even = await pagesOf(3, (page) => store.queries.events({}, page));
    expect(even.map((items) => items.length)).toEqual([3, 3]);
  });

  it('answers an empty page of an empty log', async () => {
    const store = await harness.open();
    expect(await store.queries.events({}, FIRST_PAGE)).toEqual({ items: [], next: null });
  });

  it('shows no event twice and misses none that was there, while appends go on', async () => {
    const store = await harness.open();
    const before = Array.from({ length: 23 }, () => buildEvent());
    await appendEach(store, ...before.map((event) => buildAppend({ event })));

    const appends: Promise<unknown>[] = [];
    const pages = await pagesOf(4, async (page) => {
      appends.push(store.log.append(buildAppend()), store.log.append(buildAppend()));
      return store.queries.events({}, page);
    });
    await Promise.all(appends);
    const seen = idsOf(pages.flat());
    expect(new Set(seen).size).toBe(seen.length);
    const existed = new Set(idsOf(before));
    expect(seen.filter((id) => existed.has(id))).toEqual(idsOf(before).toReversed());
  });
}

function describeBounds(harness: StoreHarness): void {
  it('stops when the bodies together are large enough, but never before the first', async () => {
    const store = await harness.open();
    const sizes = [900, 300, 300, 300, 10];
    const appends = sizes.map((size) => buildAppend({ event: buildEvent({ body: new Uint8Array(size) }) }));
    await appendEach(store, ...appends);

    const steps: number[][] = [];
    let reachedSeq = 0;
    while (reachedSeq < (await store.queries.lastSeq())) {
      const step = await store.queries.eventsAfter(reachedSeq, {}, 100, 600);
      steps.push(step.items.map((event) => event.body.byteLength));
      ({ reachedSeq } = step);
    }
    expect(steps).toEqual([[900], [300, 300], [300, 10]]);
  });

  it('tells how far retention has come, so that a reader from before it knows of the gap', async () => {
    const store = await harness.open();
    const old = [buildAppend(), buildAppend()];
    const answers = await appendEach(store, ...old);
    const kept = buildAppend({ event: buildEvent({ receivedAt: START_MS + 10_000 }) });
    await appendEach(store, kept);
    expect((await store.queries.eventsAfter(0, {}, 10)).prunedSeq).toBe(0);

    expect(await store.upkeep.pruneEvents(START_MS + 5_000, 100)).toBe(2);
    const { items, prunedSeq } = await store.queries.eventsAfter(0, {}, 10);
    expect(idsOf(items)).toEqual([kept.event.id]);
    expect(prunedSeq).toBe(answers[1]?.seq);
    expect(prunedSeq).toBeGreaterThanOrEqual(START_MS * 1_000);
    expect(prunedSeq).toBeLessThan((START_MS + 10_000) * 1_000);
    expect((await store.queries.eventsAfter(items[0]?.seq ?? 0, {}, 10)).prunedSeq).toBe(prunedSeq);
  });
}

function describeFollowing(harness: StoreHarness): void {
  it('tells the place of the newest event, 0 when there is none', async () => {
    const store = await harness.open();
    expect(await store.queries.lastSeq()).toBe(0);
    const answers = await appendEach(store, buildAppend(), buildAppend());
    expect(await store.queries.lastSeq()).toBe(answers[1]?.seq);
  });

  it('gives what comes after a place, oldest first, and goes on from where it got to', async () => {
    const store = await harness.open();
    const answers = await appendEach(store, ...Array.from({ length: 5 }, () => buildAppend()));
    const ids = answers.map((answer) => answer.eventId);

    const first = await store.queries.eventsAfter(answers[0]?.seq ?? 0, {}, 3);
    expect(idsOf(first.items)).toEqual(ids.slice(1, 4));
    expect(first.reachedSeq).toBe(answers[3]?.seq);
    const second = await store.queries.eventsAfter(first.reachedSeq, {}, 3);
    expect(idsOf(second.items)).toEqual(ids.slice(4));
    expect(second.reachedSeq).toBe(answers[4]?.seq);
    const third = await store.queries.eventsAfter(second.reachedSeq, {}, 3);
    expect(third).toEqual({ items: [], reachedSeq: second.reachedSeq, prunedSeq: 0 });
  });

  it('gets past events that the filter does not want', async () => {
    const store = await harness.open();
    const skipped = Array.from({ length: 30 }, () => buildAppend());
    const wanted = buildAppend({ event: buildEvent({ type: 'wanted' }) });
    await appendEach(store, ...skipped, wanted, ...skipped.map(() => buildAppend()));
    const lastSeq = await store.queries.lastSeq();

    const found: string[] = [];
    let reachedSeq = 0;
    while (reachedSeq < lastSeq) {
      const step = await store.queries.eventsAfter(reachedSeq, { type: 'wanted' }, 10);
      expect(step.reachedSeq).toBeGreaterThan(reachedSeq);
      found.push(...idsOf(step.items));
      ({ reachedSeq } = step);
    }
    expect(found).toEqual([wanted.event.id]);
  });

  it('misses no event and repeats none while appends go on', async () => {
    const store = await harness.open();
    const appends = Array.from({ length: 60 }, () => store.log.append(buildAppend()));
    const seen: string[] = [];
    let reachedSeq = 0;
    const follow = async (): Promise<void> => {
      const step = await store.queries.eventsAfter(reachedSeq, {}, 7);
      seen.push(...idsOf(step.items));
      ({ reachedSeq } = step);
    };
    for (const append of appends) {
      await follow();
      await append;
    }
    while (reachedSeq < (await store.queries.lastSeq())) await follow();

    const all = await allOf((page) => store.queries.events({}, page));
    expect(seen).toEqual(idsOf(all).toReversed());
    expect(seen).toHaveLength(60);
  });
}
