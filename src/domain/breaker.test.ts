import { describe, expect, it } from 'vitest';
import { Breaker, DEFAULT_BREAKER_POLICY } from './breaker.ts';

const { consecutiveFailures, openMs, maxOpenMs, minAttempts } = DEFAULT_BREAKER_POLICY;

function openBreaker(): Breaker {
  const breaker = new Breaker();
  for (let failure = 0; failure < consecutiveFailures; failure += 1) breaker.record(false, 0);
  return breaker;
}

describe('a breaker', () => {
  it('opens on failures in a row, and says so once', () => {
    const breaker = new Breaker();
    const told = Array.from({ length: consecutiveFailures + 3 }, () => breaker.record(false, 0));
    expect(told.filter((change) => change === 'opened')).toHaveLength(1);
    expect(told[consecutiveFailures - 1]).toBe('opened');
    expect(breaker.allowance(0)).toBe(0);
  });

  it('opens on the share of failures when successes come in between', () => {
    const breaker = new Breaker();
    let openedAt = 0;
    for (let attempt = 1; attempt <= 40 && openedAt === 0; attempt += 1) {
      if (breaker.record(attempt % 5 === 0, 0) === 'opened') openedAt = attempt;
    }
    expect(openedAt).toBeGreaterThanOrEqual(minAttempts);
  });

  it('stays closed while enough succeeds', () => {
    const breaker = new Breaker();
    for (let attempt = 0; attempt < 500; attempt += 1) {
      expect(breaker.record(attempt % 2 === 0, attempt)).toBeNull();
    }
    expect(breaker.state(500)).toBe('closed');
  });

  it('lets one probe through when its time is over, and closes when it succeeds', () => {
    const breaker = openBreaker();
    expect(breaker.waitsUntil(0)).toBe(openMs);
    expect(breaker.allowance(openMs - 1)).toBe(0);
    expect(breaker.allowance(openMs)).toBe(1);
    breaker.begin(openMs);
    expect(breaker.allowance(openMs)).toBe(0);
    expect(breaker.record(true, openMs + 5)).toBe('closed');
    expect(breaker.allowance(openMs + 5)).toBe(Number.POSITIVE_INFINITY);
  });

  it('opens for twice as long after each probe that fails, up to a bound', () => {
    const breaker = openBreaker();
    let now = openMs;
    for (let expected = openMs * 2; expected <= maxOpenMs * 4; expected *= 2) {
      breaker.begin(now);
      breaker.record(false, now);
      const waits = (breaker.waitsUntil(now) ?? 0) - now;
      expect(waits).toBe(Math.min(expected, maxOpenMs));
      now += waits;
    }
  });

  it('does not take late failures of earlier attempts for a failed probe', () => {
    const breaker = openBreaker();
    breaker.record(false, 10);
    expect(breaker.waitsUntil(10)).toBe(openMs);
  });

  it('can probe again when a probe was given back', () => {
    const breaker = openBreaker();
    breaker.begin(openMs);
    breaker.abandon();
    expect(breaker.allowance(openMs)).toBe(1);
  });

  it('bug: a result of an attempt that began before it opened ended the probe, or stood for it', () => {
    for (const ok of [true, false]) {
      const breaker = openBreaker();
      expect(breaker.begin(openMs)).toBe(true);
      expect(breaker.record(ok, openMs + 5, -10)).toBeNull();
      expect(breaker.allowance(openMs + 5)).toBe(0);
      expect(breaker.state(openMs + 5)).toBe('half_open');
      expect(breaker.record(true, openMs + 9, openMs)).toBe('closed');
    }
  });

  it('says which attempt is a probe', () => {
    expect(new Breaker().begin(0)).toBe(false);
    expect(openBreaker().begin(openMs)).toBe(true);
  });
});
