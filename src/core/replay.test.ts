import { afterEach, describe, expect, test, vi } from 'vitest';
import { OPERATOR, rejection, startedBench, type Bench } from '../../test/support/gateway-bench.ts';
import type { ReplayRequest } from './replay.ts';
import { settled } from '../testing/fake-clock.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const DEAD = { maxAttempts: 1, scheduleMs: [1_000], jitter: 0, maxDelayMs: 1_000 };

/** A gateway with this many dead letters of one receiver, which works again. */
async function withDeadLetters(count: number) {
  const bench = await startedBench();
  const destination = await bench.destination();
  const subscription = await bench.subscription(destination, { types: ['acme.**'], retry: DEAD });
  bench.sender.answer(404);
  for (let made = 0; made < count; made += 1) await bench.publish();
  await settled();
  expect(await bench.states()).toEqual(Array.from({ length: count }, () => 'dead'));
  bench.sender.answer(200);
  bench.sender.requests.length = 0;
  return { bench, destination, subscription };
}

function start(bench: Bench, overrides: Partial<ReplayRequest>) {
  const request = { filter: {}, tenant: 'default', destinationId: null, ratePerSecond: null, ...overrides };
  return bench.gateway.replays.start(request, OPERATOR);
}

describe('a replay of deliveries', () => {
  test('makes a new delivery that names the old one, and leaves the old one as it is', async () => {
    const { bench, destination, subscription } = await withDeadLetters(2);
    const old = await bench.deliveries();
    const replay = await start(bench, { filter: { state: 'dead' } });
    expect(replay).toMatchObject({
      state: 'running',
      over: 'deliveries',
      matched: 2,
      principal: 'key_operator',
    });
    await bench.clock.advance(100);
    const all = await bench.deliveries();
    expect(all.slice(0, 2)).toEqual(old);
    expect(all.slice(2)).toMatchObject(
      old.map(({ id, eventId }) => ({
        eventId,
        replayOf: id,
        replayId: replay.id,
        state: 'succeeded',
        attempts: 1,
        destinationId: destination.id,
        subscriptionId: subscription.id,
      })),
    );
    expect(bench.sender.sent('webhook-id')).toEqual(old.map(({ eventId }) => eventId));
    expect(await bench.store.queries.replay(replay.id)).toMatchObject({ state: 'completed', created: 2 });
  });

  test('goes through many of them in steps and makes each one once', async () => {
    const { bench } = await withDeadLetters(250);
    const replay = await start(bench, { filter: { state: 'dead' } });
    await bench.clock.advance(5_000);
    expect(await bench.store.queries.replay(replay.id)).toMatchObject({ state: 'completed', created: 250 });
    expect(new Set(bench.sender.sent('webhook-id')).size).toBe(250);
    expect(bench.sender.requests).toHaveLength(250);
  });

  test('may send everything elsewhere', async () => {
    const { bench } = await withDeadLetters(2);
    const other = await bench.destination();
    await start(bench, { filter: { state: 'dead' }, destinationId: other.id });
    await bench.clock.advance(100);
    expect(bench.sender.requests.map(({ url }) => url)).toEqual([other.url, other.url]);
    expect((await bench.deliveries()).at(-1)).toMatchObject({ subscriptionId: null, state: 'succeeded' });
  });

  test('keeps to its rate', async () => {
    const { bench } = await withDeadLetters(10);
    await start(bench, { filter: { state: 'dead' }, ratePerSecond: 2 });
    await bench.clock.advance(10);
    expect(bench.sender.requests).toHaveLength(2);
    await bench.clock.advance(2_000);
    expect(bench.sender.requests.length).toBeLessThanOrEqual(6);
    await bench.clock.advance(10_000);
    expect(bench.sender.requests).toHaveLength(10);
  });

  test('to a destination that is disabled makes dead ones, visibly', async () => {
    const { bench, destination } = await withDeadLetters(1);
    await bench.gateway.settings.setDestinationState(destination.id, 'disabled', null, OPERATOR);
    await start(bench, { filter: { state: 'dead' } });
    await bench.clock.advance(100);
    expect((await bench.deliveries()).at(-1)).toMatchObject({
      state: 'dead',
      reason: 'destination_disabled',
    });
    expect(bench.sender.requests).toHaveLength(0);
  });
});

describe('a replay of events', () => {
  test('asks the subscriptions of today, and names what it repeats', async () => {
    const { bench, subscription } = await withDeadLetters(1);
    const [old] = await bench.deliveries();
    const later = await bench.receiver();
    const replay = await start(bench, { filter: { type: 'acme.*' } });
    expect(replay).toMatchObject({ over: 'events', matched: 1 });
    await bench.clock.advance(100);
    const made = (await bench.deliveries()).filter(({ replayId }) => replayId === replay.id);
    expect(
      made.map(({ subscriptionId, replayOf }) => [subscriptionId === subscription.id, replayOf]),
    ).toEqual([
      [true, old?.id],
      [false, null],
    ]);
    expect(bench.sender.requests.map(({ url }) => url)).toContain(later.url);
  });
});

describe('a replay', () => {
  test('first shows what it would do, and does nothing', async () => {
    const { bench } = await withDeadLetters(12);
    const request = {
      filter: { state: 'dead' as const },
      tenant: 'default',
      destinationId: null,
      ratePerSecond: null,
    };
    const preview = await bench.gateway.replays.preview(request);
    expect(preview.matched).toBe(12);
    expect(preview.sample).toEqual((await bench.deliveries()).slice(0, 10).map(({ id }) => id));
    await bench.clock.advance(1_000);
    expect(bench.sender.requests).toEqual([]);
  });

  test('says what retention has cut', async () => {
    const { bench } = await withDeadLetters(2);
    const preview = (filter: ReplayRequest['filter']) =>
      bench.gateway.replays.preview({ filter, tenant: 'default', destinationId: null, ratePerSecond: null });
    const [old] = await bench.deliveries();
    const cutBefore = bench.clock.now() + 1;
    const nothing = { missing: 0, cutBefore: null };
    expect(await preview({ state: 'dead' })).toMatchObject({ matched: 2, ...nothing });

    await bench.clock.advance(60_000);
    const { eventId } = await bench.publish();
    // The two, and an operator event for each that they died.
    expect(await bench.store.upkeep.pruneEvents(bench.clock.now(), 100)).toBe(4);

    expect(await preview({ state: 'dead' })).toMatchObject({ matched: 0, missing: 0, cutBefore });
    const deliveryIds = [old?.id ?? ''];
    expect(await preview({ deliveryIds })).toMatchObject({ matched: 0, missing: 1, cutBefore });
    const eventIds = [old?.eventId ?? '', eventId, eventId];
    expect(await preview({ eventIds })).toMatchObject({ matched: 1, missing: 1, cutBefore });
    expect(await preview({ eventIds: [eventId] })).toMatchObject({ matched: 1, ...nothing });
    expect(await preview({ type: 'acme.**', from: cutBefore - 1 })).toMatchObject({ missing: 0, cutBefore });
    expect(await preview({ type: 'acme.**', from: cutBefore })).toMatchObject({ matched: 1, ...nothing });
  });

  test('still says what was gone when it was made after retention has taken what it had in time', async () => {
    const { bench } = await withDeadLetters(1);
    const [old] = await bench.deliveries();
    await bench.clock.advance(60_000);
    const cutBefore = bench.clock.now() - 59_999;
    expect(await bench.store.upkeep.pruneEvents(bench.clock.now(), 100)).toBe(2);
    const { eventId } = await bench.publish();
    await settled();
    const whole = await start(bench, { filter: { eventIds: [eventId] } });
    const cut = await start(bench, { filter: { eventIds: [eventId, old?.eventId ?? ''] } });
    await bench.clock.advance(60_000);
    expect(await bench.store.upkeep.pruneEvents(bench.clock.now(), 100)).toBe(1);

    const lossesOf = async (id: string) => (await bench.store.queries.replay(id))?.losses;
    expect(await lossesOf(whole.id)).toEqual({ missing: 0, cutBefore: null });
    expect(await lossesOf(cut.id)).toEqual({ missing: 1, cutBefore });
  });

  test('of nothing is done at once, and one of everything must be asked for in words', async () => {
    const bench = await startedBench();
    expect(await start(bench, { filter: { state: 'dead' } })).toMatchObject({
      state: 'completed',
      matched: 0,
    });
    expect(await rejection(start(bench, {}))).toMatchObject({ code: 'validation_failed' });
  });

  test('sees its own tenant only', async () => {
    const { bench } = await withDeadLetters(1);
    expect(await start(bench, { filter: { state: 'dead' }, tenant: 'acme' })).toMatchObject({ matched: 0 });
    expect(await start(bench, { filter: { type: '**' }, tenant: 'acme' })).toMatchObject({ matched: 0 });
  });

  test('that is cancelled makes no more', async () => {
    const { bench } = await withDeadLetters(10);
    const replay = await start(bench, { filter: { state: 'dead' }, ratePerSecond: 1 });
    await bench.clock.advance(1_500);
    expect(await bench.gateway.replays.cancel(replay.id)).toBe(true);
    const sent = bench.sender.requests.length;
    await bench.clock.advance(60_000);
    expect(bench.sender.requests).toHaveLength(sent);
    expect(await bench.gateway.replays.cancel(replay.id)).toBe(false);
    expect(await bench.store.queries.replay(replay.id)).toMatchObject({ state: 'cancelled', created: sent });
  });

  test('goes on where it was after a restart, also when the stop came in its pause', async () => {
    const { bench } = await withDeadLetters(10);
    await start(bench, { filter: { state: 'dead' }, ratePerSecond: 0.5 });
    await bench.clock.advance(3_000);
    await bench.gateway.stop();
    const before = bench.sender.requests.length;
    expect(before).toBe(2);
    const second = await startedBench({ store: bench.store });
    await second.clock.advance(60_000);
    expect(second.sender.requests).toHaveLength(10 - before);
    const ids = [...bench.sender.sent('webhook-id'), ...second.sender.sent('webhook-id')];
    expect(new Set(ids).size).toBe(10);
  });

  test('outlasts a store that fails', async () => {
    const { bench } = await withDeadLetters(1);
    vi.spyOn(bench.store.replays, 'advance').mockRejectedValueOnce(new Error('busy'));
    await start(bench, { filter: { state: 'dead' } });
    await bench.clock.advance(1_000);
    expect(bench.log.of('replay.delayed')).toHaveLength(1);
    expect(bench.sender.requests).toEqual([]);
    await bench.clock.advance(2_000);
    expect(bench.sender.requests).toHaveLength(1);
  });
});
