import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_SUSPENSION_POLICY, FailureWindow } from './failure-window.ts';

const HOUR = 3_600_000;
const START = 1_750_000_000_000;

/** Counts attempts evenly over a time; the last is at its end. Answers what that one said. */
function over(
  window: FailureWindow,
  fromMs: number,
  toMs: number,
  count: number,
  ok: (n: number) => boolean,
) {
  let told = false;
  for (let n = 1; n <= count; n += 1) told = window.count(ok(n), fromMs + ((toMs - fromMs) * n) / count);
  return told;
}

const never = () => false;
const mostly = (n: number) => n % 22 === 0;

describe('a window of failures', () => {
  test('is too much when more than 95 % of at least 100 attempts failed over an hour', () => {
    expect(over(new FailureWindow(START), START, START + HOUR, 110, never)).toBe(true);
    expect(over(new FailureWindow(START), START, START + HOUR, 219, mostly)).toBe(true);
  });

  test.each([
    ['fewer attempts than 100', HOUR, 90, never],
    ['less than an hour', HOUR - 1, 1_000, never],
    ['one success in ten', HOUR, 200, (n: number) => n % 10 === 1],
  ])('is not too much with %s', (_, lasts, count, ok) => {
    expect(over(new FailureWindow(START), START, START + lasts, count, ok)).toBe(false);
  });

  test('forgets what is older than an hour', () => {
    const window = new FailureWindow(START);
    over(window, START, START + HOUR, 1_000, () => true);
    expect(over(window, START + HOUR, START + 1.5 * HOUR, 200, never)).toBe(false);
    expect(over(window, START + 1.5 * HOUR, START + 2.1 * HOUR, 200, never)).toBe(true);
  });

  test('is over when nothing has failed for an hour', () => {
    const window = new FailureWindow(START);
    window.count(false, START + 1_000);
    expect(window.isOver(START + HOUR)).toBe(false);
    expect(window.isOver(START + HOUR + 1_000)).toBe(true);
  });

  test('agrees with a list of all attempts, to within a slice, whatever the clock does', () => {
    const attempt = fc.record({ stepMs: fc.integer({ min: -60_000, max: 900_000 }), ok: fc.boolean() });
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 200 }), (attempts) => {
        const window = new FailureWindow(START);
        const all: { at: number; ok: boolean }[] = [];
        let now = START;
        for (const { stepMs, ok } of attempts) {
          now += stepMs;
          window.count(ok, now);
          all.push({ at: Math.max(now, ...all.map(({ at }) => at)), ok });
        }
        const latest = all.at(-1)?.at ?? START;
        const sliceMs = DEFAULT_SUSPENSION_POLICY.windowMs / 12;
        const within = (ms: number) => all.filter(({ at }) => at > latest - ms).length;
        const { attempts: counted, failed } = window.totals();
        expect(counted).toBeLessThanOrEqual(within(HOUR));
        expect(counted).toBeGreaterThanOrEqual(within(HOUR - sliceMs));
        expect(failed).toBeLessThanOrEqual(counted);
      }),
    );
  });
});
