import * as fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { answered, bytes, OPERATOR, startedBench, type Bench } from '../../test/support/gateway-bench.ts';
import { FakeClock, settled } from '../testing/fake-clock.ts';
import { createMemoryStore } from '../stores/memory/memory-store.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const idle = { inFlight: 0, bytes: 0 };

/** The most requests in any window of this many milliseconds. */
function mostWithin(times: readonly number[], windowMs: number): number {
  const counts = times.map((from) => times.filter((at) => at >= from && at < from + windowMs).length);
  return Math.max(0, ...counts);
}

async function limited(bench: Bench, limit: number, periodMs: number): Promise<number[]> {
  const times: number[] = [];
  const destination = await bench.receiver({ rateLimit: { limit, periodMs }, maxInFlight: 64 });
  bench.sender.answer(() => {
    times.push(bench.clock.now());
    return answered(200);
  }, destination.url);
  return times;
}

describe('what is fresh', () => {
  test('goes out at once, without a read of the store', async () => {
    const bench = await startedBench();
    const claims = vi.spyOn(bench.store.log, 'claimDue');
    await bench.receiver();
    await settled();
    claims.mockClear();
    await bench.publish();
    await settled();
    expect(bench.sender.requests).toHaveLength(1);
    expect(await bench.states()).toEqual(['succeeded']);
    expect(claims).not.toHaveBeenCalled();
    expect(bench.gateway.dispatcher.load()).toMatchObject(idle);
  });

  test('goes at most max_in_flight at once to a destination, and all of it in the end', async () => {
    const bench = await startedBench();
    const destination = await bench.receiver({ maxInFlight: 3 });
    const release = bench.sender.hang();
    for (let made = 0; made < 30; made += 1) await bench.publish();
    await settled();
    expect(bench.sender.requests).toHaveLength(3);
    release();
    await bench.clock.advance(1_000);
    expect(bench.sender.mostOpen.get(destination.url)).toBe(3);
    expect(new Set(await bench.states())).toEqual(new Set(['succeeded']));
    expect(bench.sender.requests).toHaveLength(30);
  });

  test('waits behind a backlog that is due', async () => {
    const bench = await startedBench();
    const destination = await bench.receiver({ maxInFlight: 1 });
    await bench.gateway.settings.setDestinationState(destination.id, 'paused', null, OPERATOR);
    // More than one claim takes on, so that some of it is still in the store.
    const ids: string[] = [];
    const publish = async () => ids.push((await bench.publish()).eventId);
    for (let made = 0; made < 5; made += 1) await publish();
    const release = bench.sender.hang();
    await bench.gateway.settings.setDestinationState(destination.id, 'enabled', null, OPERATOR);
    await bench.clock.advance(0);
    await publish();
    release();
    await bench.clock.advance(1_000);
    expect(bench.sender.sent('webhook-id')).toEqual(ids);
  });
});

describe('one destination and another', () => {
  test('a hanging one delays no other, whatever comes when', async () => {
    const steps = fc.array(
      fc.record({ to: fc.constantFrom('slow', 'fast'), afterMs: fc.integer({ min: 0, max: 50 }) }),
      { minLength: 1, maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (schedule) => {
        const bench = await startedBench();
        const slow = await bench.destination({ maxInFlight: 2 });
        const fast = await bench.destination({ maxInFlight: 2 });
        await bench.subscription(slow, { types: ['slow'] });
        await bench.subscription(fast, { types: ['fast'] });
        bench.sender.hang(slow.url);
        let sent = 0;
        for (const { to, afterMs } of schedule) {
          await bench.publish({ type: to });
          await bench.clock.advance(afterMs);
          sent += to === 'fast' ? 1 : 0;
          expect(bench.sender.requests.filter(({ url }) => url === fast.url)).toHaveLength(sent);
        }
        expect(bench.sender.mostOpen.get(slow.url) ?? 0).toBeLessThanOrEqual(2);
      }),
      { numRuns: 25 },
    );
  });

  test('the limit over all of them is shared out again as soon as there is room', async () => {
    const bench = await startedBench({ gateway: { dispatch: { maxInFlight: 2, maxBytes: 1 << 20 } } });
    const one = await bench.destination();
    const other = await bench.destination();
    await bench.subscription(one, { types: ['one'] });
    await bench.subscription(other, { types: ['other'] });
    const release = bench.sender.hang(one.url);
    for (let made = 0; made < 3; made += 1) await bench.publish({ type: 'one' });
    await bench.publish({ type: 'other' });
    await settled();
    expect(bench.sender.requests).toHaveLength(2);
    release();
    await settled();
    expect(bench.sender.requests).toHaveLength(4);
    expect(new Set(await bench.states())).toEqual(new Set(['succeeded']));
  });

  test('bug: what fell due while the limit over all was reached waited for the next sweep', async () => {
    const bench = await startedBench({ gateway: { dispatch: { maxInFlight: 1, maxBytes: 1 << 20 } } });
    const slow = await bench.destination();
    const fast = await bench.destination();
    await bench.subscription(slow, { types: ['slow'] });
    await bench.subscription(fast, { types: ['fast'] });
    await bench.gateway.settings.setDestinationState(fast.id, 'paused', null, OPERATOR);
    await bench.publish({ type: 'fast' });
    const release = bench.sender.hang(slow.url);
    await bench.publish({ type: 'slow' });
    await bench.gateway.settings.setDestinationState(fast.id, 'enabled', null, OPERATOR);
    await bench.clock.advance(10);
    expect(bench.sender.requests.map(({ url }) => url)).toEqual([slow.url]);
    release();
    await bench.clock.advance(0);
    expect(bench.sender.requests.map(({ url }) => url)).toEqual([slow.url, fast.url]);
  });
});

describe('memory', () => {
  test('holds bodies up to its bound; what does not fit waits in the store', async () => {
    const bench = await startedBench({ gateway: { dispatch: { maxInFlight: 10, maxBytes: 1_000 } } });
    await bench.receiver();
    const release = bench.sender.hang();
    for (let made = 0; made < 10; made += 1) {
      await bench.publish({ body: bytes('x'.repeat(300)) });
      expect(bench.gateway.dispatcher.load().bytes).toBeLessThanOrEqual(1_000);
    }
    await bench.clock.advance(100);
    expect(bench.sender.requests.length).toBeLessThanOrEqual(4);
    expect(await bench.states()).toContain('pending');
    release();
    await bench.clock.advance(10_000);
    expect(bench.sender.requests).toHaveLength(10);
    expect(bench.gateway.dispatcher.load()).toMatchObject(idle);
  });

  test('takes one that is larger than all of it', async () => {
    const bench = await startedBench({ gateway: { dispatch: { maxInFlight: 10, maxBytes: 100 } } });
    await bench.receiver();
    await bench.publish({ body: bytes('x'.repeat(300)) });
    await bench.clock.advance(10);
    expect(await bench.states()).toEqual(['succeeded']);
  });
});

describe('retries', () => {
  test('come when they are due, as often as the policy says, and then it is dead', async () => {
    const bench = await startedBench();
    bench.sender.answer(404);
    const destination = await bench.destination();
    const retry = { maxAttempts: 3, scheduleMs: [1_000, 60_000], jitter: 0, maxDelayMs: 3_600_000 };
    await bench.subscription(destination, { retry, types: ['acme.**'] });
    await bench.publish();
    await settled();
    expect(bench.sender.requests).toHaveLength(1);
    await bench.clock.advance(999);
    expect(bench.sender.requests).toHaveLength(1);
    await bench.clock.advance(1);
    expect(bench.sender.requests).toHaveLength(2);
    await bench.clock.advance(59_999);
    expect(bench.sender.requests).toHaveLength(2);
    await bench.clock.advance(1);
    expect(bench.sender.sent('ringback-attempt')).toEqual(['1', '2', '3']);
    const [delivery] = await bench.deliveries();
    expect(delivery).toMatchObject({ state: 'dead', reason: 'attempts_exhausted', attempts: 3, dueAt: null });
    expect(bench.log.of('delivery.died')).toMatchObject([{ delivery_id: delivery?.id }]);
  });

  test('are found when the timer fires a little before the clock gets there', async () => {
    const bench = await startedBench();
    bench.sender.answer(404);
    await bench.receiver();
    await bench.publish();
    await settled();
    bench.sender.answer(200);
    const [delivery] = await bench.deliveries();
    bench.clock.jump(-1);
    await bench.clock.advance((delivery?.dueAt ?? 0) - bench.clock.now() + 1);
    expect(bench.sender.requests).toHaveLength(2);
  });

  test('a claim that fails is made again after a pause', async () => {
    const bench = await startedBench();
    bench.sender.answer(404);
    await bench.receiver();
    await bench.publish();
    await settled();
    const [delivery] = await bench.deliveries();
    vi.spyOn(bench.store.log, 'claimDue').mockRejectedValueOnce(new Error('busy'));
    // The sweep of every five seconds would hide it.
    await bench.clock.advance((delivery?.dueAt ?? 0) - bench.clock.now());
    expect(bench.log.of('claim.failed').length + bench.log.of('sweep.failed').length).toBe(1);
    await bench.clock.advance(1_000);
    expect(bench.sender.requests).toHaveLength(2);
  });
});

describe('a rate limit', () => {
  test('holds over time, and nothing is lost', async () => {
    const bench = await startedBench();
    const times = await limited(bench, 10, 1_000);
    for (let made = 0; made < 100; made += 1) await bench.publish();
    await bench.clock.advance(20_000);
    expect(times).toHaveLength(100);
    expect(mostWithin(times, 1_000)).toBeLessThanOrEqual(10);
    expect(mostWithin(times, 5_000)).toBeLessThanOrEqual(50);
    const lastMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
    // 90 after the burst of 10, at ten a second.
    expect(lastMs).toBeGreaterThanOrEqual(8_900);
    expect(lastMs).toBeLessThanOrEqual(10_500);
  });

  test('bug: a claim took the tokens of all that it might have found, and lost them', async () => {
    const bench = await startedBench();
    const times = await limited(bench, 10, 60_000);
    const [destination] = bench.gateway.directory.list('destination');
    const id = destination?.id ?? '';
    await bench.gateway.settings.setDestinationState(id, 'paused', null, OPERATOR);
    await bench.publish();
    await bench.gateway.settings.setDestinationState(id, 'enabled', null, OPERATOR);
    await bench.clock.advance(10);
    for (let made = 0; made < 9; made += 1) await bench.publish();
    await bench.clock.advance(10);
    expect(times).toHaveLength(10);
  });

  test('bug: a duplicate used up a token', async () => {
    const bench = await startedBench();
    const times = await limited(bench, 2, 60_000);
    for (let made = 0; made < 5; made += 1) await bench.publish({ externalId: 'same' });
    await bench.publish({ externalId: 'other' });
    await bench.clock.advance(10);
    expect(times).toHaveLength(2);
  });

  test('of less than one per period lets one pass each time', async () => {
    const bench = await startedBench();
    const times = await limited(bench, 0.5, 1_000);
    for (let made = 0; made < 3; made += 1) await bench.publish();
    await bench.clock.advance(4_100);
    expect(times).toHaveLength(3);
  });
});

describe('leases', () => {
  test('a worker that vanished: its attempt is told as abandoned and the next one is made', async () => {
    const store = createMemoryStore();
    const dead = await startedBench({ store });
    await dead.receiver();
    dead.sender.hang();
    await dead.publish();
    // The clock of the first stands still from here on, as that of a dead process does.
    const bench = await startedBench({ store });
    await bench.clock.advance(74_000);
    expect(bench.sender.requests).toHaveLength(0);
    await bench.clock.advance(10_000);
    expect(bench.sender.sent('ringback-attempt')).toEqual(['2']);
    const [delivery] = await bench.deliveries();
    const attempts = await store.queries.attempts(delivery?.id ?? '');
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['abandoned', 'succeeded']);
  });

  test('a delivery that kills its worker each time is dead at last, without one more attempt', async () => {
    const store = createMemoryStore();
    const first = await startedBench({ store });
    const destination = await first.destination();
    const retry = { maxAttempts: 2, scheduleMs: [1_000], jitter: 0, maxDelayMs: 1_000 };
    await first.subscription(destination, { retry, types: ['acme.**'] });
    first.sender.hang();
    await first.publish();
    const second = await startedBench({ store });
    second.sender.hang();
    await second.clock.advance(80_000);
    expect(second.sender.requests).toHaveLength(1);
    const third = await startedBench({ store, clock: new FakeClock(second.clock.now()) });
    await third.clock.advance(80_000);
    expect(third.sender.requests).toHaveLength(0);
    const [delivery] = await third.deliveries();
    expect(delivery).toMatchObject({ state: 'dead', reason: 'attempts_exhausted' });
  });

  test('an outcome that comes after its lease is not recorded', async () => {
    const bench = await startedBench();
    await bench.receiver();
    const release = bench.sender.hang();
    await bench.publish();
    await settled();
    bench.sender.answer(200, bench.gateway.directory.list('destination')[0]?.url);
    await bench.clock.advance(90_000);
    expect(await bench.states()).toEqual(['succeeded']);
    release(500);
    await settled();
    expect(await bench.states()).toEqual(['succeeded']);
    expect(bench.log.of('lease.lost').length).toBeGreaterThan(0);
    expect(bench.gateway.dispatcher.load()).toMatchObject(idle);
  });

  test('what waited so long for its turn that its lease could end mid-request is given back', async () => {
    const bench = await startedBench();
    const destination = await bench.receiver({ maxInFlight: 1, timeoutMs: 15_000 });
    const release = bench.sender.hang();
    await bench.publish();
    await bench.publish();
    await settled();
    const settle = vi.spyOn(bench.store.log, 'settle');
    // Not by `advance`: the sweep would take the lease back, and then it is another story.
    bench.clock.jump(61_000);
    release();
    await bench.clock.advance(100);
    expect(bench.sender.sent('ringback-attempt')).toEqual(['1', '1']);
    expect(settle.mock.calls.filter(([{ attempt }]) => attempt === null)).toHaveLength(1);
    expect(bench.sender.mostOpen.get(destination.url)).toBe(1);
    expect(await bench.states()).toEqual(['succeeded', 'succeeded']);
  });
});

describe('a process that was stopped for longer than its leases', () => {
  test('gives back what it had not begun, and not what it has leased anew since', async () => {
    const bench = await startedBench();
    await bench.receiver();
    const release = bench.sender.hang();
    const { promise: committed, resolve: hearOfCommit } = Promise.withResolvers<void>();
    const append = bench.store.log.append.bind(bench.store.log);
    vi.spyOn(bench.store.log, 'append').mockImplementation(async (request) => {
      const appended = await append(request);
      await committed;
      return appended;
    });
    const published = bench.publish();
    await bench.clock.advance(90_000);
    expect(bench.sender.sent('ringback-attempt')).toEqual(['2']);
    hearOfCommit();
    await published;
    await bench.clock.advance(10_000);
    expect(bench.sender.sent('ringback-attempt')).toEqual(['2']);
    expect(await bench.states()).toEqual(['leased']);
    release();
    await settled();
    expect(await bench.states()).toEqual(['succeeded']);
  });
});

describe('recording an outcome', () => {
  test('is tried again while the lease lasts', async () => {
    const bench = await startedBench();
    await bench.receiver();
    const settle = vi.spyOn(bench.store.log, 'settle');
    settle.mockRejectedValueOnce(new Error('disk full')).mockRejectedValueOnce(new Error('disk full'));
    await bench.publish();
    await bench.clock.advance(999);
    expect(await bench.states()).toEqual(['leased']);
    await bench.clock.advance(1);
    expect(await bench.states()).toEqual(['succeeded']);
    expect(bench.sender.requests).toHaveLength(1);
    expect(bench.log.of('settlement.failed')).toHaveLength(2);
  });

  test('is given up when the lease ends, so that it is attempted again', async () => {
    const bench = await startedBench();
    await bench.receiver();
    const settle = vi.spyOn(bench.store.log, 'settle').mockRejectedValue(new Error('disk full'));
    await bench.publish();
    await bench.clock.advance(74_600);
    const tries = () => settle.mock.calls.filter(([{ attempt }]) => attempt?.number === 1).length;
    const before = tries();
    expect(before).toBeGreaterThan(100);
    await bench.clock.advance(3_000);
    expect(tries()).toBe(before);
    settle.mockRestore();
    await bench.clock.advance(10_000);
    expect(bench.sender.sent('ringback-attempt')).toEqual(['1', '2']);
    expect(await bench.states()).toEqual(['succeeded']);
  });
});

describe('stopping', () => {
  test('waits for what is under way and its record, and gives the rest back uncounted', async () => {
    const bench = await startedBench();
    await bench.receiver({ maxInFlight: 1 });
    const release = bench.sender.hang();
    await bench.publish();
    await bench.publish();
    await settled();
    let stopped = false;
    const stop = bench.gateway.stop().then(() => (stopped = true));
    await settled();
    expect(stopped).toBe(false);
    release();
    await stop;
    expect((await bench.deliveries()).map(({ state, attempts }) => [state, attempts])).toEqual([
      ['succeeded', 1],
      ['pending', 0],
    ]);
    await bench.clock.advance(600_000);
    expect(bench.sender.requests).toHaveLength(1);
  });

  test('is done at once when nothing is under way, also before a start', async () => {
    await (await startedBench()).gateway.stop();
  });

  test('bug: what was being claimed was neither attempted nor given back', async () => {
    const bench = await startedBench();
    await bench.receiver();
    bench.sender.answer(404);
    await bench.publish();
    await settled();
    const [before] = await bench.deliveries();
    const { log } = bench.store;
    const claim = log.claimDue.bind(log);
    const gate = Promise.withResolvers<undefined>();
    vi.spyOn(log, 'claimDue').mockImplementation(async (request) => {
      const claimed = await claim(request);
      if (request.lanes.length > 0) await gate.promise;
      return claimed;
    });
    await bench.clock.advance((before?.dueAt ?? 0) - bench.clock.now());
    expect(await bench.states()).toEqual(['leased']);
    const stop = bench.gateway.stop();
    await settled();
    gate.resolve(undefined);
    await stop;
    expect(await bench.deliveries()).toMatchObject([{ state: 'pending', attempts: 1 }]);
    expect(bench.gateway.dispatcher.load()).toMatchObject(idle);
  });
});
