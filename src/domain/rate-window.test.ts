import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { START_MS } from '../testing/builders.ts';
import { RateWindow } from './rate-window.ts';

const limits = fc.record({
  limit: fc.oneof(fc.integer({ min: 1, max: 600 }), fc.double({ min: 0.01, max: 50, noNaN: true })),
  periodMs: fc.integer({ min: 100, max: 60_000 }),
});

describe('a rate window', () => {
  test('lets the limit pass at once, and the next when the first is a period old', () => {
    const window = new RateWindow({ limit: 3, periodMs: 1_000 }, START_MS);
    expect([0, 100, 200].map((ms) => window.take(START_MS + ms))).toEqual([0, 0, 0]);
    expect(window.take(START_MS + 300)).toBe(700);
    expect(window.take(START_MS + 999)).toBe(1);
    expect(window.take(START_MS + 1_000)).toBe(0);
    expect(window.take(START_MS + 1_000)).toBe(100);
  });

  test('never lets more than the limit pass in any period, whoever asks and when', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 1_000 });
    fc.assert(
      fc.property(limits, gaps, (limit, between) => {
        let nowMs = START_MS;
        const window = new RateWindow(limit, START_MS);
        const taken: number[] = [];
        for (const gap of between) {
          nowMs += gap;
          if (window.take(nowMs) === 0) taken.push(nowMs);
        }
        const most = Math.max(1, Math.floor(limit.limit));
        const periodMs = limit.limit < 1 ? limit.periodMs / limit.limit : limit.periodMs;
        for (const [index, from] of taken.entries()) {
          const next = taken[index + most];
          if (next !== undefined) expect(next - from).toBeGreaterThanOrEqual(periodMs);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('tells how long to wait: then one may begin, and not a millisecond before where nothing is rounded', () => {
    fc.assert(
      fc.property(limits, fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 700 }), (limit, between) => {
        const window = new RateWindow(limit, START_MS);
        let nowMs = START_MS;
        for (const gap of between) window.take((nowMs += gap));
        const waitMs = window.waitMs(nowMs);
        if (waitMs > 1 && limit.limit <= 256) expect(window.available(nowMs + waitMs - 1)).toBe(0);
        expect(window.take(nowMs + Math.ceil(waitMs))).toBe(0);
      }),
    );
  });

  test('wastes less than a hundredth of a limit too large to keep each time', () => {
    const window = new RateWindow({ limit: 100_000, periodMs: 1_000 }, START_MS);
    let passed = 0;
    for (let ms = 0; ms < 10_000; ms += 1) {
      for (let asked = 0; asked < 200; asked += 1) if (window.take(START_MS + ms) === 0) passed += 1;
    }
    expect(passed).toBeLessThanOrEqual(1_000_000);
    expect(passed).toBeGreaterThan(990_000);
  });

  test('keeps to a part of its limit, and to none', () => {
    const window = new RateWindow({ limit: 10, periodMs: 1_000 }, START_MS);
    for (let taken = 0; taken < 4; taken += 1) expect(window.take(START_MS, 4)).toBe(0);
    expect(window.take(START_MS, 4)).toBe(1_000);
    expect(window.available(START_MS)).toBe(6);
    expect(window.take(START_MS, 0)).toBe(Number.POSITIVE_INFINITY);
  });

  test('does not freeze when the clock steps back', () => {
    const window = new RateWindow({ limit: 2, periodMs: 1_000 }, START_MS);
    window.take(START_MS);
    const earlier = START_MS - 86_400_000;
    expect(window.take(earlier)).toBe(0);
    expect(window.take(earlier)).toBe(1_000);
    expect(window.take(earlier + 1_000)).toBe(0);
  });

  test('bug: a limit below one per period let nothing pass, ever', () => {
    const window = new RateWindow({ limit: 0.5, periodMs: 1_000 }, START_MS);
    expect(window.take(START_MS)).toBe(0);
    expect(window.take(START_MS)).toBe(2_000);
    expect(window.take(START_MS + 2_000)).toBe(0);
  });
});
