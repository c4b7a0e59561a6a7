/** `limit` per `periodMs` in the long run; beyond it a burst of `limit` may pass at once. */
export interface RateLimit {
  readonly limit: number;
  readonly periodMs: number;
}

/** Whether two limits are the same, so that what is left of one goes on under the other. */
export function isSameRate(one: RateLimit | null, other: RateLimit | null): boolean {
  return one?.limit === other?.limit && one?.periodMs === other?.periodMs;
}

/** How many a minute that is, as senders are told: whole, and at least one. */
export function perMinute({ limit, periodMs }: RateLimit): number {
  return Math.max(1, Math.floor((limit * 60_000) / periodMs));
}

/**
 * A token bucket on a clock that the caller reads.
 *
 * It starts full, so the first burst of `limit` passes at once; refilling is even.
 */
export class TokenBucket {
  readonly #limit: RateLimit;
  /** At least one whole token: a bucket for less (0.5 an hour) would never hold one to give. */
  readonly #capacity: number;
  #tokens: number;
  #updatedAt: number;

  constructor(limit: RateLimit, nowMs: number) {
    this.#limit = limit;
    this.#capacity = Math.max(1, limit.limit);
    this.#tokens = this.#capacity;
    this.#updatedAt = nowMs;
  }

  /** Takes one token. Returns 0 when it was there, else the milliseconds until one will be. */
  take(nowMs: number): number {
    this.#refill(nowMs);
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 0;
    }
    return this.#msUntilOne();
  }

  /** Puts back what was taken and not used. */
  giveBack(tokens: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + tokens);
  }

  /** How many could be taken now, without taking any. */
  available(nowMs: number): number {
    this.#refill(nowMs);
    return Math.floor(this.#tokens);
  }

  /** Milliseconds until one token is there; 0 when one is there now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens >= 1 ? 0 : this.#msUntilOne();
  }

  #msUntilOne(): number {
    return Math.max(1, Math.ceil(((1 - this.#tokens) * this.#limit.periodMs) / this.#limit.limit));
  }

  #refill(nowMs: number): void {
    // A clock that jumped back must not drain the bucket, nor freeze it until the clock catches up.
    const elapsedMs = Math.max(0, nowMs - this.#updatedAt);
    this.#updatedAt = nowMs;
    const refill = (elapsedMs * this.#limit.limit) / this.#limit.periodMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + refill);
  }
}
