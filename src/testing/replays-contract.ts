import { describe, expect, it } from 'vitest';
import type { Replay, ReplayFilter } from '../domain/records.ts';
import type { ReplayAdvance, ReplayDelivery } from '../ports/store.ts';
import { buildClaim, buildNewDelivery, buildOwed, buildReplay, leasedBy, START_MS } from './builders.ts';
import { allOf, appendEach, deliveryOf, expectSameEvent, FIRST_PAGE, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What the store promises about replays as records: making, moving on, ending, listing. */
export function describeReplaysContract(harness: StoreHarness): void {
  describe('replays', () => {
    describeRecords(harness);
    describeAdvance(harness);
    describeLostSteps(harness);
    describePartialSteps(harness);
    describeCancel(harness);
  });
}

const AT = START_MS + 900;

function buildAdvance(replay: Replay, overrides: Partial<ReplayAdvance> = {}): ReplayAdvance {
  return {
    replayId: replay.id,
    fromCursor: replay.cursor,
    toCursor: replay.cursor + 10,
    deliveries: [],
    state: 'running',
    atMs: AT,
    ...overrides,
  };
}

function buildReplayDelivery(eventId: string, overrides: Partial<ReplayDelivery> = {}): ReplayDelivery {
  return { ...buildNewDelivery(), eventId, replayOf: null, ...overrides };
}

function describeRecords(harness: StoreHarness): void {
  it('reads back every field', async () => {
    const store = await harness.open();
    const filter: Required<ReplayFilter> = {
      eventIds: ['evt_1', 'evt_2'],
      deliveryIds: ['dlv_1'],
      state: 'dead',
      type: 'invoice.*',
      sourceId: 'src_one',
      destinationId: 'dst_one',
      subscriptionId: 'sub_one',
      from: 1,
      to: 2,
    };
    const full = buildReplay({
      filter,
      destinationId: 'dst_two',
      ratePerSecond: 2.5,
      matched: 7,
      endSeq: 99,
      losses: { missing: 3, cutBefore: AT },
    });
    const bare = buildReplay({ filter: { type: 'a' }, over: 'events', losses: null });
    await store.replays.create(full);
    await store.replays.create(bare);

    expect(await store.queries.replay(full.id)).toEqual(full);
    expect(await store.queries.replay(bare.id)).toEqual(bare);
    expect(await store.queries.replay('rpl_none')).toBeNull();
  });

  it('lists newest first, of one tenant or of all, page by page', async () => {
    const store = await harness.open();
    const replays = [1, 2, 3].map(() => buildReplay());
    const foreign = buildReplay({ tenant: 'acme' });
    for (const replay of [...replays, foreign]) await store.replays.create(replay);

    const mine = await allOf((page) => store.queries.replays('default', page), 2);
    expect(mine).toEqual(replays.toReversed());
    const all = await allOf((page) => store.queries.replays(null, page), 3);
    expect(idsOf(all)).toEqual(idsOf([...replays, foreign]).toReversed());
  });

  it('tells which ones run', async () => {
    const store = await harness.open();
    const [running, finished, cancelled] = [buildReplay(), buildReplay({ tenant: 'acme' }), buildReplay()];
    for (const replay of [running, finished, cancelled]) await store.replays.create(replay);
    expect(await store.queries.runningReplays()).toHaveLength(3);
    await store.replays.advance(buildAdvance(finished, { state: 'completed' }));
    await store.replays.cancel(cancelled.id, AT);

    expect(await store.queries.runningReplays()).toEqual([running]);
  });
}

function describeAdvance(harness: StoreHarness): void {
  it('moves the cursor and writes the deliveries with where they come from', async () => {
    const store = await harness.open();
    const owed = buildOwed({ tenant: 'acme', type: 'invoice.paid', body: Uint8Array.of(0, 1) });
    const replay = buildReplay({ tenant: 'acme' });
    await appendEach(store, owed);
    await store.log.endPending({
      deliveryId: owed.deliveryId,
      state: 'dead',
      reason: 'attempts_exhausted',
      atMs: START_MS,
      limit: 1,
    });
    await store.replays.create(replay);
    const repeated = buildReplayDelivery(owed.event.id, { replayOf: owed.deliveryId });

    expect(await store.replays.advance(buildAdvance(replay, { deliveries: [repeated] }))).toBe(true);
    expect(await store.queries.replay(replay.id)).toEqual({
      ...replay,
      cursor: replay.cursor + 10,
      created: 1,
      updatedAt: AT,
    });
    expect(await deliveryOf(store, repeated.id)).toMatchObject({
      tenant: 'acme',
      eventId: owed.event.id,
      eventType: 'invoice.paid',
      state: 'pending',
      attempts: 0,
      createdAt: AT,
      replayOf: owed.deliveryId,
      replayId: replay.id,
    });
    const { leased } = await store.log.claimDue(buildClaim({ nowMs: AT }));
    expect(leased.map(({ id, replayOf }) => [id, replayOf])).toEqual([[repeated.id, owed.deliveryId]]);
    expectSameEvent(leased[0]?.event, owed.event);
  });

  it('writes deliveries in each initial state, and counts on', async () => {
    const store = await harness.open();
    const owed = buildOwed({}, { initial: { state: 'dead', reason: 'destination_unknown' } });
    const replay = buildReplay();
    await appendEach(store, owed);
    await store.replays.create(replay);
    const leased = buildReplayDelivery(owed.event.id, { initial: leasedBy('worker') });
    const dead = buildReplayDelivery(owed.event.id, { initial: { state: 'dead', reason: 'paused' } });
    await store.replays.advance(buildAdvance(replay, { deliveries: [leased, dead] }));
    const last = buildAdvance({ ...replay, cursor: 10 }, { state: 'completed' });
    const pending = buildReplayDelivery(owed.event.id);

    expect(await store.replays.advance({ ...last, deliveries: [pending] })).toBe(true);
    expect(await deliveryOf(store, leased.id)).toMatchObject({ state: 'leased', attempts: 1 });
    expect(await deliveryOf(store, dead.id)).toMatchObject({ state: 'dead', reason: 'paused' });
    expect(await deliveryOf(store, pending.id)).toMatchObject({ state: 'pending' });
    expect(await store.queries.replay(replay.id)).toMatchObject({
      state: 'completed',
      cursor: 20,
      created: 3,
    });
  });
}

function describeLostSteps(harness: StoreHarness): void {
  it('does nothing for a step that starts from a cursor left behind', async () => {
    const store = await harness.open();
    const owed = buildOwed();
    const replay = buildReplay();
    await appendEach(store, owed);
    await store.replays.create(replay);
    await store.replays.advance(buildAdvance(replay));
    const before = await store.queries.replay(replay.id);
    const late = buildReplayDelivery(owed.event.id);

    expect(await store.replays.advance(buildAdvance(replay, { deliveries: [late] }))).toBe(false);
    expect(await store.queries.delivery(late.id)).toBeNull();
    expect(await store.queries.replay(replay.id)).toEqual(before);
  });

  it('takes exactly one of two concurrent steps', async () => {
    const store = await harness.open();
    const owed = buildOwed();
    const replay = buildReplay();
    await appendEach(store, owed);
    await store.replays.create(replay);

    const steps = [1, 2, 3, 4].map(() =>
      store.replays.advance(buildAdvance(replay, { deliveries: [buildReplayDelivery(owed.event.id)] })),
    );
    expect((await Promise.all(steps)).filter(Boolean)).toHaveLength(1);
    expect(await store.queries.replay(replay.id)).toMatchObject({ cursor: 10, created: 1 });
    expect((await store.queries.deliveries({}, FIRST_PAGE)).items).toHaveLength(2);
  });

  it.each(['completed', 'cancelled'] as const)('does nothing once the replay is %s', async (state) => {
    const store = await harness.open();
    const replay = buildReplay();
    await store.replays.create(replay);
    await store.replays.advance(buildAdvance(replay, { state }));

    expect(await store.replays.advance(buildAdvance({ ...replay, cursor: 10 }))).toBe(false);
    expect(await store.queries.replay(replay.id)).toMatchObject({ state, cursor: 10 });
  });

  it('does nothing for a replay that there is not', async () => {
    const store = await harness.open();
    expect(await store.replays.advance(buildAdvance(buildReplay()))).toBe(false);
  });
}

function describePartialSteps(harness: StoreHarness): void {
  it('skips what retention took since the step was read, and goes on with the rest', async () => {
    const store = await harness.open();
    const owed = buildOwed();
    const replay = buildReplay();
    await appendEach(store, owed);
    await store.replays.create(replay);
    const gone = buildReplayDelivery('evt_gone');
    const kept = buildReplayDelivery(owed.event.id);

    expect(await store.replays.advance(buildAdvance(replay, { deliveries: [gone, kept] }))).toBe(true);
    expect(await store.queries.delivery(gone.id)).toBeNull();
    expect((await deliveryOf(store, kept.id)).replayId).toBe(replay.id);
    expect(await store.queries.replay(replay.id)).toMatchObject({ cursor: 10, created: 1 });
  });

  it('writes none of a step that cannot be written whole', async () => {
    const store = await harness.open();
    const owed = buildOwed();
    const replay = buildReplay();
    await appendEach(store, owed);
    await store.replays.create(replay);
    const good = buildReplayDelivery(owed.event.id);
    const bad = buildReplayDelivery(owed.event.id, { id: owed.deliveryId });

    await expect(store.replays.advance(buildAdvance(replay, { deliveries: [good, bad] }))).rejects.toThrow();
    expect(await store.queries.delivery(good.id)).toBeNull();
    expect(await store.queries.replay(replay.id)).toEqual(replay);
  });
}

function describeCancel(harness: StoreHarness): void {
  it('ends a running replay once', async () => {
    const store = await harness.open();
    const replay = buildReplay();
    await store.replays.create(replay);

    expect(await store.replays.cancel(replay.id, AT)).toBe(true);
    expect(await store.queries.replay(replay.id)).toEqual({ ...replay, state: 'cancelled', updatedAt: AT });
    expect(await store.replays.cancel(replay.id, AT + 1)).toBe(false);
    expect(await store.replays.advance(buildAdvance(replay))).toBe(false);
  });

  it('leaves a completed one, and one that there is not', async () => {
    const store = await harness.open();
    const replay = buildReplay();
    await store.replays.create(replay);
    await store.replays.advance(buildAdvance(replay, { state: 'completed' }));

    expect(await store.replays.cancel(replay.id, AT)).toBe(false);
    expect(await store.queries.replay(replay.id)).toMatchObject({ state: 'completed' });
    expect(await store.replays.cancel('rpl_none', AT)).toBe(false);
  });
}
