import { afterEach, describe, expect, test, vi } from 'vitest';
import { answered, OPERATOR, startedBench } from '../../test/support/gateway-bench.ts';
import type { SendResult } from '../domain/outcome.ts';
import { settled } from '../testing/fake-clock.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const idle = { inFlight: 0, bytes: 0 };

describe('pausing', () => {
  test('gives back what has not begun, uncounted, and lets what has begun finish', async () => {
    const bench = await startedBench();
    const destination = await bench.receiver({ maxInFlight: 1 });
    const release = bench.sender.hang();
    for (let made = 0; made < 3; made += 1) await bench.publish();
    await settled();
    await bench.gateway.settings.setDestinationState(destination.id, 'paused', null, OPERATOR);
    release();
    await bench.clock.advance(200_000);
    expect(bench.sender.requests).toHaveLength(1);
    expect((await bench.deliveries()).map(({ state, attempts }) => [state, attempts])).toEqual([
      ['succeeded', 1],
      ['pending', 0],
      ['pending', 0],
    ]);
    await bench.gateway.settings.setDestinationState(destination.id, 'enabled', null, OPERATOR);
    await bench.clock.advance(10);
    expect(new Set(await bench.states())).toEqual(new Set(['succeeded']));
    expect(bench.sender.sent('ringback-attempt')).toEqual(['1', '1', '1']);
  });

  test('bug: what was being written while its destination was paused lost an attempt that nobody made', async () => {
    const bench = await startedBench();
    const destination = await bench.receiver();
    const { log } = bench.store;
    const append = log.append.bind(log);
    const gate = Promise.withResolvers<undefined>();
    vi.spyOn(log, 'append').mockImplementationOnce(async (request) => {
      await gate.promise;
      return append(request);
    });
    const published = bench.publish();
    await settled();
    await bench.gateway.settings.setDestinationState(destination.id, 'paused', null, OPERATOR);
    gate.resolve(undefined);
    await published;
    await bench.clock.advance(200_000);
    const [delivery] = await bench.deliveries();
    expect(delivery).toMatchObject({ state: 'pending', attempts: 0 });
    expect(await bench.store.queries.attempts(delivery?.id ?? '')).toEqual([]);
    expect(bench.gateway.dispatcher.load()).toMatchObject(idle);
  });

  test('bug: what was being claimed while its destination was paused lost an attempt that nobody made', async () => {
    const bench = await startedBench();
    const destination = await bench.receiver();
    bench.sender.answer(404);
    await bench.publish();
    await settled();
    const [before] = await bench.deliveries();
    const { log } = bench.store;
    const claim = log.claimDue.bind(log);
    vi.spyOn(log, 'claimDue').mockImplementation(async (request) => {
      const claimed = await claim(request);
      if (request.lanes.length > 0) {
        await bench.gateway.settings.setDestinationState(destination.id, 'paused', null, OPERATOR);
      }
      return claimed;
    });
    await bench.clock.advance((before?.dueAt ?? 0) - bench.clock.now() + 200_000);
    const [delivery] = await bench.deliveries();
    expect(delivery).toMatchObject({ state: 'pending', attempts: 1 });
    expect(bench.gateway.dispatcher.load()).toMatchObject(idle);
  });
});

describe('a breaker that has opened', () => {
  test('leaves the destination alone, uses up no attempts, and goes on after a probe', async () => {
    const bench = await startedBench();
    await bench.receiver({ maxInFlight: 2 });
    bench.sender.answer(503);
    for (let made = 0; made < 30; made += 1) await bench.publish();
    await bench.clock.advance(1_000);
    const before = bench.sender.requests.length;
    expect(before).toBeLessThanOrEqual(12);
    await bench.clock.advance(13_000);
    expect(bench.sender.requests).toHaveLength(before);
    bench.sender.answer(200);
    await bench.clock.advance(3_600_000);
    const deliveries = (await bench.deliveries()).filter(
      ({ eventType }) => eventType === 'acme.thing.happened',
    );
    expect(new Set(deliveries.map(({ state }) => state))).toEqual(new Set(['succeeded']));
    expect(Math.max(...deliveries.map(({ attempts }) => attempts))).toBeLessThanOrEqual(2);
  });

  test('bug: an attempt from before it opened let a second probe begin when it ended', async () => {
    const bench = await startedBench();
    await bench.receiver({ maxInFlight: 20 });
    const slow = Promise.withResolvers<SendResult>();
    const probe = Promise.withResolvers<SendResult>();
    let sent = 0;
    bench.sender.answer(() => {
      sent += 1;
      if (sent === 1) return slow.promise;
      return sent <= 11 ? answered(503) : probe.promise;
    });
    for (let made = 0; made < 12; made += 1) await bench.publish();
    await settled();
    await bench.clock.advance(20_000);
    expect(sent).toBe(12);
    slow.resolve(answered(503));
    await settled();
    await bench.clock.advance(20_000);
    expect(sent).toBe(12);
    probe.resolve(answered(200));
    bench.sender.answer(200);
    await bench.clock.advance(60_000);
    const own = (await bench.deliveries()).filter(({ eventType }) => eventType === 'acme.thing.happened');
    expect(own.map(({ state }) => state)).toEqual(own.map(() => 'succeeded'));
  });

  test('bug: what was being written when it opened lost an attempt that nobody made', async () => {
    const bench = await startedBench();
    const destination = await bench.receiver({ maxInFlight: 20 });
    const release = bench.sender.hang();
    for (let made = 0; made < 10; made += 1) await bench.publish();
    await settled();
    const { log } = bench.store;
    const append = log.append.bind(log);
    const gate = Promise.withResolvers<undefined>();
    vi.spyOn(log, 'append').mockImplementationOnce(async (request) => {
      await gate.promise;
      return append(request);
    });
    const published = bench.publish();
    release(503);
    await settled();
    expect(bench.gateway.health.breaker(destination.id).state(bench.clock.now())).toBe('open');
    gate.resolve(undefined);
    const { eventId } = await published;
    await settled();
    const { items } = await bench.store.queries.deliveries({ eventId }, { limit: 1, before: null });
    expect(items).toMatchObject([{ state: 'pending', attempts: 0 }]);
  });
});
