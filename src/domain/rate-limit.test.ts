import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { START_MS } from '../testing/builders.ts';
import { perMinute, TokenBucket } from './rate-limit.ts';

const limits = fc.record({
  limit: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.double({ min: 0.01, max: 50, noNaN: true })),
  periodMs: fc.integer({ min: 100, max: 60_000 }),
});

/** When tokens were taken by someone who asks at these times. */
function takenAt(bucket: TokenBucket, times: readonly number[]): number[] {
  return times.filter((nowMs) => bucket.take(nowMs) === 0);
}

describe('a token bucket', () => {
  test('lets a burst of the limit pass at once, and then one per share of the period', () => {
    const bucket = new TokenBucket({ limit: 4, periodMs: 1_000 }, START_MS);
    expect(bucket.available(START_MS)).toBe(4);
    expect([0, 0, 0, 0].map(() => bucket.take(START_MS))).toEqual([0, 0, 0, 0]);
    expect(bucket.take(START_MS)).toBe(250);
    expect(bucket.waitMs(START_MS + 100)).toBe(150);
    expect(bucket.available(START_MS + 249)).toBe(0);
    expect(bucket.take(START_MS + 250)).toBe(0);
    expect(bucket.available(START_MS + 60_000)).toBe(4);
  });

  test('never lets more pass in any window than the burst and what the window refills', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 300 });
    fc.assert(
      fc.property(limits, gaps, (limit, between) => {
        let nowMs = START_MS;
        const times = between.map((gap) => (nowMs += gap));
        const taken = takenAt(new TokenBucket(limit, START_MS), times);
        for (const [first, from] of taken.entries()) {
          for (const [last, to] of taken.entries()) {
            if (last < first) continue;
            const most = Math.max(1, limit.limit) + ((to - from) * limit.limit) / limit.periodMs;
            expect(last - first + 1).toBeLessThanOrEqual(most + 1e-6);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('tells how long to wait: not before, and then there is one', () => {
    fc.assert(
      fc.property(limits, fc.nat(200), (limit, asked) => {
        const bucket = new TokenBucket(limit, START_MS);
        for (let taken = 0; taken < asked; taken += 1) bucket.take(START_MS);
        const waitMs = bucket.waitMs(START_MS);
        if (waitMs === 0) return;
        if (waitMs > 1) expect(bucket.waitMs(START_MS + waitMs - 1)).toBeGreaterThan(0);
        // A rounding error may cost one more millisecond, but no more.
        expect(bucket.waitMs(START_MS + waitMs)).toBeLessThanOrEqual(1);
        expect(bucket.take(START_MS + waitMs + 1)).toBe(0);
      }),
    );
  });

  test('available and waitMs take nothing', () => {
    const bucket = new TokenBucket({ limit: 1, periodMs: 1_000 }, START_MS);
    for (let asked = 0; asked < 5; asked += 1) {
      expect(bucket.available(START_MS)).toBe(1);
      expect(bucket.waitMs(START_MS)).toBe(0);
    }
    expect(bucket.take(START_MS)).toBe(0);
    expect(bucket.available(START_MS)).toBe(0);
  });

  test('neither drains nor freezes when the clock jumps back', () => {
    const bucket = new TokenBucket({ limit: 2, periodMs: 1_000 }, START_MS);
    bucket.take(START_MS);
    const earlier = START_MS - 86_400_000;
    expect(bucket.take(earlier)).toBe(0);
    expect(bucket.take(earlier)).toBe(500);
    expect(bucket.take(earlier + 500)).toBe(0);
  });

  test('bug: a limit below one per period let nothing pass, ever', () => {
    const bucket = new TokenBucket({ limit: 0.5, periodMs: 1_000 }, START_MS);
    expect(bucket.take(START_MS)).toBe(0);
    expect(bucket.take(START_MS)).toBe(2_000);
    expect(bucket.take(START_MS + 2_000)).toBe(0);
  });
});

test('a rate is told in whole requests a minute, and never as none', () => {
  expect(perMinute({ limit: 4, periodMs: 1_000 })).toBe(240);
  expect(perMinute({ limit: 5, periodMs: 90_000 })).toBe(3);
  expect(perMinute({ limit: 0.01, periodMs: 60_000 })).toBe(1);
});
