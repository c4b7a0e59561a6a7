import type { RateLimit } from './rate-limit.ts';

/** Entries kept for one window; beyond that many times are rounded together, to the later one. */
const MAX_ENTRIES = 256;

/**
 * Counts what began within the last period: at most `limit` in any one, wherever it is laid.
 *
 * A token bucket lets nearly twice the limit pass within a period, a full bucket and what flows in
 * meanwhile; a receiver that counts by the minute refuses the second half.
 */
export class RateWindow {
  /** As it is kept: a limit of 0.5 a second is one in two seconds; one of 2.5 lets two pass. */
  readonly limit: RateLimit;
  readonly #roundMs: number;
  /** When each entry stops to count, oldest first. */
  #ends: number[] = [];
  #counts: number[] = [];
  #used = 0;
  #nowMs: number;

  constructor(limit: RateLimit, nowMs: number) {
    this.limit = wholeRate(limit);
    this.#roundMs = this.limit.limit <= MAX_ENTRIES ? 1 : Math.ceil(this.limit.periodMs / MAX_ENTRIES);
    this.#nowMs = nowMs;
  }

  /** How many more may begin now, when `limit` may in all: a node's part may be less than the whole. */
  available(nowMs: number, limit: number = this.limit.limit): number {
    this.#moveTo(nowMs);
    return Math.max(0, limit - this.#used);
  }

  /** Counts one that begins now. */
  add(nowMs: number): void {
    this.#moveTo(nowMs);
    const until = nowMs + this.limit.periodMs;
    const end = Math.ceil(until / this.#roundMs) * this.#roundMs;
    const last = this.#ends.length - 1;
    if (this.#ends[last] === end) this.#counts[last] = (this.#counts[last] ?? 0) + 1;
    else {
      this.#ends.push(end);
      this.#counts.push(1);
    }
    this.#used += 1;
  }

  /** Counts one if it may begin. Returns 0 when it may, else the milliseconds until the next may. */
  take(nowMs: number, limit: number = this.limit.limit): number {
    if (this.available(nowMs, limit) === 0) return this.waitMs(nowMs, limit);
    this.add(nowMs);
    return 0;
  }

  /** Milliseconds until one may begin; 0 = now, infinite = not under this limit. */
  waitMs(nowMs: number, limit: number = this.limit.limit): number {
    this.#moveTo(nowMs);
    if (limit < 1) return Number.POSITIVE_INFINITY;
    let used = this.#used;
    let waitMs = 0;
    for (let index = 0; used >= limit && index < this.#ends.length; index += 1) {
      used -= this.#counts[index] ?? 0;
      waitMs = (this.#ends[index] ?? nowMs) - nowMs;
    }
    return waitMs;
  }

  /** Nothing counts any more: forgetting the window loses nothing. */
  isEmpty(nowMs: number): boolean {
    this.#moveTo(nowMs);
    return this.#used === 0;
  }

  #moveTo(nowMs: number): void {
    // A clock that stepped back must not hold everything up until it is where it was.
    const backMs = this.#nowMs - nowMs;
    if (backMs > 0) this.#ends = this.#ends.map((end) => end - backMs);
    this.#nowMs = nowMs;
    let gone = 0;
    while (gone < this.#ends.length && (this.#ends[gone] ?? 0) <= nowMs) {
      this.#used -= this.#counts[gone] ?? 0;
      gone += 1;
    }
    if (gone === 0) return;
    this.#ends.splice(0, gone);
    this.#counts.splice(0, gone);
  }
}

/** The same rate with a whole limit. */
function wholeRate({ limit, periodMs }: RateLimit): RateLimit {
  return limit < 1 ? { limit: 1, periodMs: periodMs / limit } : { limit: Math.floor(limit), periodMs };
}
