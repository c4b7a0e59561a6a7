import type { Clock } from '../ports/clock.ts';

/** Timers count in 32 bits: a longer delay would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, wake) {
    let timer: NodeJS.Timeout;
    let leftMs = Math.max(0, delayMs);
    const sleep = (): void => {
      const stepMs = Math.min(leftMs, MAX_DELAY_MS);
      leftMs -= stepMs;
      timer = setTimeout(leftMs > 0 ? sleep : wake, stepMs);
      timer.unref();
    };
    sleep();
    return () => {
      clearTimeout(timer);
    };
  },
};
