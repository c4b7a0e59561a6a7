import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from './system-clock.ts';

const DAY_MS = 86_400_000;

describe('system clock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('tells the time and wakes once', () => {
    const wake = vi.fn();
    systemClock.after(50, wake);
    vi.advanceTimersByTime(49);
    expect(wake).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1_000);
    expect(wake).toHaveBeenCalledTimes(1);
    expect(systemClock.now()).toBe(2_049);
  });

  it('waits longer than a timer can', () => {
    const wake = vi.fn();
    systemClock.after(60 * DAY_MS, wake);
    vi.advanceTimersByTime(60 * DAY_MS - 1);
    expect(wake).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(wake).toHaveBeenCalledTimes(1);
  });

  it('can be told not to wake, at any time and twice', () => {
    const wake = vi.fn();
    const cancel = systemClock.after(60 * DAY_MS, wake);
    vi.advanceTimersByTime(30 * DAY_MS);
    cancel();
    cancel();
    vi.advanceTimersByTime(60 * DAY_MS);
    expect(wake).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('takes a time that has passed for now', () => {
    const wake = vi.fn();
    systemClock.after(-5, wake);
    vi.advanceTimersByTime(1);
    expect(wake).toHaveBeenCalledTimes(1);
  });
});
