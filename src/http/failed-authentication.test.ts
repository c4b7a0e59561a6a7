import { describe, expect, it } from 'vitest';
import { Problem } from '../domain/problem.ts';
import { FailedAuthentication } from './failed-authentication.ts';

function setUp() {
  const state = { nowMs: 0, waited: [] as number[], warned: 0 };
  const guard = new FailedAuthentication({
    log: { warn: () => (state.warned += 1) },
    monotonicMs: () => state.nowMs,
    wait: async (ms) => void state.waited.push(ms),
  });
  const fail = async (address: string | null, times: number): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop
    for (let time = 0; time < times; time += 1) await guard.hold(address);
  };
  return { state, guard, fail };
}

describe('wrong API keys from one address', () => {
  it('are free five times, then wait longer and longer, up to two seconds', async () => {
    const { state, fail } = setUp();
    await fail('192.0.2.1', 5);
    expect(state.waited).toEqual([]);
    await fail('192.0.2.1', 7);
    expect(state.waited).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000]);
    expect(state.warned).toBe(1);
  });

  it('are refused after thirty in a minute, until it is over', async () => {
    const { state, guard, fail } = setUp();
    await fail('192.0.2.1', 30);
    state.nowMs = 20_500;
    const refused = await guard.hold('192.0.2.1').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Problem);
    expect(refused).toMatchObject({ code: 'rate_limited', retryAfterS: 40 });
    state.nowMs = 60_000;
    state.waited.length = 0;
    await fail('192.0.2.1', 5);
    expect(state.waited).toEqual([]);
  });

  it('do not slow another address', async () => {
    const { state, fail } = setUp();
    await fail('192.0.2.1', 30);
    state.waited.length = 0;
    await fail('192.0.2.2', 5);
    await fail(null, 5);
    expect(state.waited).toEqual([]);
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2'],
    ['2001:db8::1', '2001:0db8:0:0:9::'],
    ['::1', '::2:3:4:5'],
  ])('count for a whole network of IPv6: %s and %s', async (one, other) => {
    const { state, fail } = setUp();
    await fail(one, 5);
    await fail(other, 1);
    expect(state.waited).toEqual([100]);
    await fail('2001:db8:1:3::1', 5);
    expect(state.waited).toEqual([100]);
  });

  it('forgets the address that began longest ago when there are too many', async () => {
    const { state, fail } = setUp();
    await fail('192.0.2.1', 5);
    for (let index = 0; index < 10_000; index += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await fail(`10.0.${index >> 8}.${index & 255}`, 1);
    }
    await fail('192.0.2.1', 1);
    expect(state.waited).toEqual([]);
  });

  it('holds back a bounded number of answers at once', async () => {
    const waits: (() => void)[] = [];
    const guard = new FailedAuthentication({
      log: { warn: () => undefined },
      monotonicMs: () => 0,
      wait: () => new Promise<void>((resolve) => waits.push(resolve)),
    });
    const held: Promise<void>[] = [];
    for (let index = 0; waits.length < 256; index += 1) held.push(guard.hold(`10.0.0.${index % 30}`));
    await expect(guard.hold('10.0.0.1')).rejects.toThrow(Problem);
    for (const resolve of waits) resolve();
    await Promise.all(held);
  });
});
