import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_MAX_DELAY_MS,
  DEFAULT_RETRY_POLICY,
  exponentialSchedule,
  retryDelayMs,
  type RetryPolicy,
} from './retry-schedule.ts';
import { formatDuration } from './units.ts';

const DAY_MS = 86_400_000;

const policies: fc.Arbitrary<RetryPolicy> = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 30 }),
  scheduleMs: fc.array(fc.integer({ min: 0, max: 7 * DAY_MS }), { minLength: 1, maxLength: 12 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  maxDelayMs: fc.integer({ min: 1, max: 7 * DAY_MS }),
});
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const attempts = fc.integer({ min: 1, max: 40 });
const retryAfters = fc.option(fc.oneof(fc.integer({ min: 0, max: 30 * DAY_MS }), fc.constant(Infinity)));

function scheduled(policy: RetryPolicy, attempt: number): number {
  const index = Math.min(attempt, policy.scheduleMs.length) - 1;
  return Math.min(policy.maxDelayMs, policy.scheduleMs[index] ?? Number.NaN);
}

describe('the default schedule', () => {
  test('is as documented: at once, then 5s to 24h, and then no more', () => {
    const waits = Array.from({ length: DEFAULT_RETRY_POLICY.maxAttempts - 1 }, (_, index) =>
      retryDelayMs(DEFAULT_RETRY_POLICY, index + 1, 0, null),
    );
    expect(waits.map((ms) => formatDuration(ms ?? -1))).toEqual([
      '5s',
      '5m',
      '30m',
      '2h',
      '5h',
      '10h',
      '14h',
      '20h',
      '1d',
    ]);
    expect(retryDelayMs(DEFAULT_RETRY_POLICY, DEFAULT_RETRY_POLICY.maxAttempts, 0, null)).toBeNull();
    expect(DEFAULT_RETRY_POLICY.jitter).toBeGreaterThan(0);
  });
});

describe('the wait before the next attempt', () => {
  test('is null exactly when the attempts are used up', () => {
    fc.assert(
      fc.property(policies, attempts, randoms, retryAfters, (policy, attempt, random, retryAfter) => {
        const wait = retryDelayMs(policy, attempt, random, retryAfter);
        expect(wait === null).toBe(attempt >= policy.maxAttempts);
      }),
    );
  });

  test('lies between the jittered and the scheduled wait, in whole milliseconds', () => {
    fc.assert(
      fc.property(policies, attempts, randoms, (policy, attempt, random) => {
        const wait = retryDelayMs(policy, attempt, random, null);
        if (wait === null) return;
        expect(Number.isInteger(wait)).toBe(true);
        expect(wait).toBeLessThanOrEqual(scheduled(policy, attempt));
        expect(wait).toBeGreaterThanOrEqual(Math.floor(scheduled(policy, attempt) * (1 - policy.jitter)));
      }),
    );
  });

  test('does not shrink from one attempt to the next when the schedule does not', () => {
    fc.assert(
      fc.property(policies, attempts, randoms, (policy, attempt, random) => {
        const growing = { ...policy, scheduleMs: policy.scheduleMs.toSorted((one, other) => one - other) };
        const wait = retryDelayMs(growing, attempt, random, null);
        const next = retryDelayMs(growing, attempt + 1, random, null);
        if (wait !== null && next !== null) expect(next).toBeGreaterThanOrEqual(wait);
      }),
    );
  });

  test('is spread by the jitter also when the schedule is capped', () => {
    const policy = { maxAttempts: 5, scheduleMs: [DAY_MS], jitter: 0.5, maxDelayMs: 1_000 };
    expect(retryDelayMs(policy, 1, 0, null)).toBe(1_000);
    expect(retryDelayMs(policy, 1, 0.5, null)).toBe(750);
  });

  test('is lengthened by Retry-After, never shortened, and never beyond the longest wait', () => {
    fc.assert(
      fc.property(policies, attempts, randoms, retryAfters, (policy, attempt, random, retryAfter) => {
        const own = retryDelayMs(policy, attempt, random, null);
        const asked = retryDelayMs(policy, attempt, random, retryAfter);
        if (own === null || asked === null) return;
        expect(asked).toBe(Math.max(own, Math.min(retryAfter ?? 0, policy.maxDelayMs)));
      }),
    );
    const policy = { maxAttempts: 2, scheduleMs: [1_000], jitter: 0, maxDelayMs: 60_000 };
    expect(retryDelayMs(policy, 1, 0, 30_000)).toBe(30_000);
    expect(retryDelayMs(policy, 1, 0, 10)).toBe(1_000);
    expect(retryDelayMs(policy, 1, 0, DAY_MS)).toBe(60_000);
  });

  test('repeats the last of a short schedule', () => {
    const policy = { maxAttempts: 9, scheduleMs: [1, 20], jitter: 0, maxDelayMs: 60_000 };
    expect([1, 2, 3, 8].map((attempt) => retryDelayMs(policy, attempt, 0, null))).toEqual([1, 20, 20, 20]);
  });
});

describe('an exponential schedule', () => {
  test('grows by the factor up to the cap', () => {
    const waits = exponentialSchedule({ baseMs: 1_000, factor: 3, maxDelayMs: 20_000, maxAttempts: 10 });
    expect(waits).toEqual([1_000, 3_000, 9_000, 20_000]);
  });

  test('as a policy gives base * factor^n, capped, for every attempt', () => {
    const settings = fc.record({
      baseMs: fc.integer({ min: 1, max: DAY_MS }),
      factor: fc.double({ min: 1, max: 10, noNaN: true }),
      maxDelayMs: fc.integer({ min: 1, max: 7 * DAY_MS }),
      maxAttempts: fc.integer({ min: 2, max: 100 }),
    });
    fc.assert(
      fc.property(settings, (wanted) => {
        const scheduleMs = exponentialSchedule(wanted);
        const policy = { ...wanted, scheduleMs, jitter: 0 };
        for (let attempt = 1; attempt < wanted.maxAttempts; attempt += 1) {
          const exact = Math.min(wanted.maxDelayMs, wanted.baseMs * wanted.factor ** (attempt - 1));
          expect(Math.abs((retryDelayMs(policy, attempt, 0, null) ?? 0) - exact)).toBeLessThanOrEqual(0.5);
        }
      }),
    );
  });

  test('of one attempt is empty', () => {
    expect(
      exponentialSchedule({ baseMs: 1, factor: 2, maxDelayMs: DEFAULT_MAX_DELAY_MS, maxAttempts: 1 }),
    ).toEqual([]);
  });
});
