import type { Clock } from '../ports/clock.ts';
import { START_MS } from './builders.ts';

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly wake: () => void;
}

/** More timers than any test needs: one that sets itself again for ever is found instead of waited for. */
const MAX_WAKES = 100_000;

/**
 * A clock that a test moves by hand.
 *
 * Timers run on their own time, which only `advance` and its relatives move, as a real machine's
 * timers do not follow when its wall clock is set: `jump` moves `now()` alone.
 */
export class FakeClock implements Clock {
  readonly #timers = new Set<Timer>();
  #elapsedMs = 0;
  #wallMs: number;
  #made = 0;

  /** `startMs` is what `now()` says at first. */
  constructor(startMs: number = START_MS) {
    this.#wallMs = startMs;
  }

  now(): number {
    return this.#wallMs + this.#elapsedMs;
  }

  after(delayMs: number, wake: () => void): () => void {
    this.#made += 1;
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#made, wake };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer; `null` when none waits. */
  get nextInMs(): number | null {
    const next = this.#next();
    return next === undefined ? null : next.dueMs - this.#elapsedMs;
  }

  /**
   * Lets `ms` pass: wakes each timer that falls due, at its time and in order, also those that are set
   * meanwhile, and lets what they started go on as far as it can before the next.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    await settled();
    for (let wakes = 0; wakes < MAX_WAKES; wakes += 1) {
      const next = this.#next();
      if (next === undefined || next.dueMs > endMs) {
        this.#elapsedMs = endMs;
        return;
      }
      await this.#wake(next);
    }
    throw new Error(`${MAX_WAKES} timers fell due within ${ms} ms`);
  }

  /**
   * Wakes timer after timer until `isDone` says so, and tells whether it did within `withinMs`.
   */
  async runUntil(isDone: () => boolean | Promise<boolean>, withinMs = 7 * 86_400_000): Promise<boolean> {
    const endMs = this.#elapsedMs + withinMs;
    await settled();
    for (let wakes = 0; wakes < MAX_WAKES; wakes += 1) {
      if (await isDone()) return true;
      const next = this.#next();
      if (next === undefined || next.dueMs > endMs) return false;
      await this.#wake(next);
    }
    throw new Error(`${MAX_WAKES} timers fell due and it is still not done`);
  }

  /** Wakes timer after timer until none waits. Throws when they never end. */
  async runUntilIdle(): Promise<void> {
    await this.runUntil(() => this.#timers.size === 0, Number.MAX_SAFE_INTEGER);
  }

  /** Sets the wall clock forward or back, as an operator or NTP does. No timer notices. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  async #wake(timer: Timer): Promise<void> {
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs);
    this.#timers.delete(timer);
    timer.wake();
    await settled();
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      const isEarlier = next === undefined || timer.dueMs - next.dueMs < 0;
      if (isEarlier || (timer.dueMs === next?.dueMs && timer.order < next.order)) next = timer;
    }
    return next;
  }
}

/**
 * Resolves when everything that only waited for promises has gone as far as it can. What waits for real
 * I/O has not: `runUntil` asks again after each timer.
 */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
