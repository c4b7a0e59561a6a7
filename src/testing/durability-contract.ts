import { describe, expect, it } from 'vitest';
import type { Store } from '../ports/store.ts';
import {
  buildAppend,
  buildAuthor,
  buildClaim,
  buildDedupe,
  buildEvent,
  buildFailedAttempt,
  buildOwed,
  buildRejection,
  buildReplay,
  leasedBy,
  START_MS,
} from './builders.ts';
import { buildSource } from './setting-builders.ts';
import { allOf, appendEach, deliveryOf, expectSameEvent, FIRST_PAGE, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What outlives a process, and what closing a store means. */
export function describeDurabilityContract(harness: StoreHarness): void {
  describe('closing', () => describeClosing(harness));
  const { reopen } = harness;
  if (reopen === undefined) {
    it.skip('keeps what it acknowledged for the next process (skipped: this store keeps nothing)');
    return;
  }
  const durable: Required<StoreHarness> = { ...harness, reopen };
  describe('a fresh process on the same data', () => {
    describeKeptLog(durable);
    describeClockAhead(durable);
    describeKeptRecords(durable);
    describeRecovery(durable);
  });
}

function describeClosing(harness: StoreHarness): void {
  it('can append while open', async () => {
    const store = await harness.open();
    await expect(store.check()).resolves.toBeUndefined();
  });

  it('writes what waits before it closes', async () => {
    const store = await harness.open();
    const appends = Array.from({ length: 20 }, () => store.log.append(buildOwed()));
    const closed = store.close();
    const answers = await Promise.all(appends);
    await closed;
    expect(new Set(answers.map((answer) => answer.eventId)).size).toBe(20);
  });

  it('rejects every call afterwards', async () => {
    const store = await harness.open();
    await store.close();
    for (const [name, call] of callsOf(store)) {
      await expect(call(), name).rejects.toThrow();
    }
  });
}

function callsOf(store: Store): [string, () => Promise<unknown>][] {
  const { log, queries, settings, replays, upkeep } = store;
  const end = { deliveryId: 'dlv', state: 'dead', reason: 'r', atMs: 0, limit: 1 } as const;
  const settlement = {
    deliveryId: 'dlv',
    token: 't',
    atMs: 0,
    attempt: null,
    next: { state: 'succeeded' },
  } as const;
  const replay = buildReplay();
  const step = {
    replayId: 'r',
    fromCursor: 0,
    toCursor: 1,
    deliveries: [],
    state: 'running',
    atMs: 0,
  } as const;
  const bounds = { maxPerSource: 1, maxBytes: 1 };
  return [
    ['check', () => store.check()],
    ['append', () => log.append(buildAppend())],
    ['appendAll', () => log.appendAll([buildAppend()])],
    ['claimDue', () => log.claimDue(buildClaim())],
    ['settle', () => log.settle(settlement)],
    ['pendingLanes', () => log.pendingLanes()],
    ['endPending', () => log.endPending(end)],
    ['bringForward', () => log.bringForward('dlv', 0)],
    ['events', () => queries.events({}, FIRST_PAGE)],
    ['event', () => queries.event('evt')],
    ['eventsAfter', () => queries.eventsAfter(0, {}, 1)],
    ['lastSeq', () => queries.lastSeq()],
    ['deliveries', () => queries.deliveries({}, FIRST_PAGE)],
    ['delivery', () => queries.delivery('dlv')],
    ['attempts', () => queries.attempts('dlv')],
    ['rejections', () => queries.rejections({}, FIRST_PAGE)],
    ['rejection', () => queries.rejection('rej')],
    ['dedupeHolder', () => queries.dedupeHolder('s', 'k')],
    ['backlogs', () => queries.backlogs()],
    ['replays', () => queries.replays(null, FIRST_PAGE)],
    ['replay', () => queries.replay('rpl')],
    ['runningReplays', () => queries.runningReplays()],
    ['countReplay', () => queries.countReplay({ type: '*' }, 'events', null)],
    ['replayCandidates', () => queries.replayCandidates(replay, 1)],
    ['load', () => settings.load()],
    ['put', () => settings.put('source', buildSource(), buildAuthor())],
    ['remove', () => settings.remove('source', 'src', buildAuthor())],
    ['asOf', () => settings.asOf('source', 1)],
    ['changes', () => settings.changes({}, FIRST_PAGE)],
    ['create', () => replays.create(replay)],
    ['advance', () => replays.advance(step)],
    ['cancel', () => replays.cancel('rpl', 0)],
    ['recordRejections', () => upkeep.recordRejections([buildRejection()], bounds)],
    ['pruneEvents', () => upkeep.pruneEvents(0, 1)],
    ['pruneDedupe', () => upkeep.pruneDedupe(0, 1)],
    ['sizeBytes', () => upkeep.sizeBytes()],
  ];
}

function describeClockAhead(harness: Required<StoreHarness>): void {
  it('delivers what was written under a clock that was ahead, as soon as it was meant to be', async () => {
    const store = await harness.open();
    const ahead = Date.now() + 600_000;
    const [atOnce, later] = [
      buildOwed({ receivedAt: ahead }, { initial: { state: 'pending', dueAt: ahead } }),
      buildOwed({ receivedAt: ahead }, { initial: { state: 'pending', dueAt: ahead + 3_600_000 } }),
    ];
    await appendEach(store, atOnce, later);

    const fresh = await harness.reopen(store);
    const claim = (nowMs: number) => fresh.log.claimDue(buildClaim({ nowMs, token: 'fresh' }));
    expect(idsOf((await claim(Date.now() + 60_000)).leased)).toEqual([atOnce.deliveryId]);
    expect(idsOf((await claim(Date.now() + 3_000_000)).leased)).not.toContain(later.deliveryId);
    // The first one's lease is long over by then.
    expect(idsOf((await claim(Date.now() + 3_700_000)).leased)).toContain(later.deliveryId);
  });

  it('delivers what was taken back under a clock that was ahead', async () => {
    const store = await harness.open();
    const [now, ahead] = [Date.now(), Date.now() + 600_000];
    const lost = buildOwed({ receivedAt: now }, { initial: leasedBy('worker', now + 1_000) });
    const written = buildOwed({ receivedAt: ahead });
    await appendEach(store, lost, written);
    const taken = await store.log.claimDue(buildClaim({ nowMs: ahead, token: 'ahead', lanes: [] }));
    expect(taken.abandoned).toBe(1);

    const fresh = await harness.reopen(store);
    const claimed = await fresh.log.claimDue(buildClaim({ nowMs: Date.now() + 60_000, token: 'fresh' }));
    expect(idsOf(claimed.leased)).toContain(lost.deliveryId);
  });
}

function describeKeptLog(harness: Required<StoreHarness>): void {
  it('finds events, de-duplication keys and places in the log', async () => {
    const store = await harness.open();
    const event = buildEvent({ body: Uint8Array.from({ length: 70_000 }, (_, index) => index & 0xff) });
    await appendEach(store, buildAppend({ event, dedupe: buildDedupe() }));
    const lastSeq = await store.queries.lastSeq();

    const fresh = await harness.reopen(store);
    expectSameEvent(await fresh.queries.event(event.id), event);
    expect(await fresh.queries.lastSeq()).toBe(lastSeq);
    const repeat = await fresh.log.append(buildAppend({ dedupe: buildDedupe() }));
    expect(repeat).toMatchObject({ duplicate: true, eventId: event.id });
    const next = await fresh.log.append(buildAppend());
    expect(next.seq).toBeGreaterThan(lastSeq);
  });

  it('gives no place in the log twice, also when all events are gone', async () => {
    const store = await harness.open();
    const [before] = await appendEach(store, buildAppend());
    await store.upkeep.pruneEvents(START_MS + 1, 10);

    const fresh = await harness.reopen(store);
    const [after] = await appendEach(fresh, buildAppend());
    expect(after?.seq).toBeGreaterThan(before?.seq ?? 0);
  });

  it('finds deliveries in their states, with their attempts', async () => {
    const store = await harness.open();
    const waiting = buildOwed();
    const { deliveryId, ...settled } = buildOwed({}, { initial: leasedBy('worker') });
    await appendEach(store, waiting, settled);
    const attempt = buildFailedAttempt();
    const next = { state: 'dead', reason: 'attempts_exhausted' } as const;
    await store.log.settle({ deliveryId, token: 'worker', atMs: START_MS, attempt, next });
    const before = await allOf((page) => store.queries.deliveries({}, page));

    const fresh = await harness.reopen(store);
    expect(await allOf((page) => fresh.queries.deliveries({}, page))).toEqual(before);
    expect(await fresh.queries.attempts(deliveryId)).toEqual([attempt]);
    expect(await fresh.log.pendingLanes()).toEqual([{ destinationId: 'dst_one', nextDueAt: START_MS }]);
    expect(idsOf((await fresh.log.claimDue(buildClaim())).leased)).toEqual([waiting.deliveryId]);
  });

  it('finds what was appended while the store was closing', async () => {
    const store = await harness.open();
    const appends = Array.from({ length: 20 }, () => store.log.append(buildOwed()));
    const closed = store.close();
    const answers = await Promise.all(appends);
    await closed;

    const fresh = await harness.reopen(store);
    const events = await allOf((page) => fresh.queries.events({}, page));
    expect(idsOf(events).toSorted()).toEqual(answers.map((answer) => answer.eventId).toSorted());
  });
}

function describeKeptRecords(harness: Required<StoreHarness>): void {
  it('finds settings with their versions and past', async () => {
    const store = await harness.open();
    const source = buildSource();
    const first = await store.settings.put('source', source, buildAuthor());
    await store.settings.put('source', { ...source, enabled: false }, buildAuthor());
    const before = await store.settings.load();

    const fresh = await harness.reopen(store);
    expect(await fresh.settings.load()).toEqual(before);
    expect(await fresh.settings.asOf('source', first)).toEqual([source]);
    expect((await fresh.settings.changes({}, FIRST_PAGE)).items).toHaveLength(2);
    const next = await fresh.settings.put('source', buildSource(), buildAuthor());
    expect(next).toBeGreaterThan(before.version);
  });

  it('finds replays where they were, and rejections', async () => {
    const store = await harness.open();
    const replay = buildReplay();
    const rejection = buildRejection();
    await store.replays.create(replay);
    await store.upkeep.recordRejections([rejection], { maxPerSource: 10, maxBytes: 1 << 20 });
    const step = { fromCursor: 0, toCursor: 5, deliveries: [], state: 'running', atMs: START_MS } as const;
    await store.replays.advance({ replayId: replay.id, ...step });

    const fresh = await harness.reopen(store);
    expect(await fresh.queries.runningReplays()).toEqual([{ ...replay, cursor: 5 }]);
    expect((await fresh.queries.rejection(rejection.id))?.requestId).toBe(rejection.requestId);
  });
}

function describeRecovery(harness: Required<StoreHarness>): void {
  it('claims what a dead process had leased, once the lease has run out', async () => {
    const store = await harness.open();
    const appended = buildOwed({}, { initial: leasedBy('dead-process', START_MS + 60_000) });
    const claimed = buildOwed();
    await appendEach(store, appended, claimed);
    await store.log.claimDue(buildClaim({ token: 'dead-process' }));

    // A store that knows the other process to be dead need not wait for its leases to run out.
    const fresh = await harness.reopen(store);
    const early = await fresh.log.claimDue(buildClaim({ nowMs: START_MS + 1, token: 'early' }));
    const late = await fresh.log.claimDue(buildClaim({ nowMs: START_MS + 60_000, token: 'late' }));
    const leased = [...early.leased, ...late.leased];
    expect(idsOf(leased)).toEqual([appended.deliveryId, claimed.deliveryId]);
    expect(leased.map((lease) => lease.attempt)).toEqual([2, 2]);
    expect(early.abandoned + late.abandoned).toBe(2);
    for (const { id, token } of leased) {
      expect(await deliveryOf(fresh, id)).toMatchObject({ state: 'leased', attempts: 2 });
      const attempts = await fresh.queries.attempts(id);
      expect(attempts.map((attempt) => attempt.outcome)).toEqual(['abandoned']);
      const settlement = { deliveryId: id, atMs: START_MS + 60_001, attempt: null, next: ENDED };
      expect(await fresh.log.settle({ ...settlement, token: 'dead-process' })).toBe('lease_lost');
      expect(await fresh.log.settle({ ...settlement, token })).toBe('settled');
    }
  });
}

const ENDED = { state: 'dead', reason: 'asked_for' } as const;
