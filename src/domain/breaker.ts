/** When a destination that is down is left alone, and for how long. */
export interface BreakerPolicy {
  /** Failures in a row that open it. */
  readonly consecutiveFailures: number;
  /** Or this share of failures, 0 to 1, ... */
  readonly failureRatio: number;
  /** ... of at least so many attempts ... */
  readonly minAttempts: number;
  /** ... within this time. */
  readonly windowMs: number;
  /** How long it stays open at first; doubled after each probe that fails, up to `maxOpenMs`. */
  readonly openMs: number;
  readonly maxOpenMs: number;
}

/** Ten failures in a row, or 70 % of at least 20 within a minute; 15 s at first, five minutes at the most. */
export const DEFAULT_BREAKER_POLICY: BreakerPolicy = {
  consecutiveFailures: 10,
  failureRatio: 0.7,
  minAttempts: 20,
  windowMs: 60_000,
  openMs: 15_000,
  maxOpenMs: 5 * 60_000,
};

/** `closed`: attempts go out. `open`: none does. `half_open`: one may, as a probe. */
export type BreakerState = 'closed' | 'open' | 'half_open';

/**
 * A circuit breaker for one destination. Closed, it counts. Open, nothing is attempted, so nothing is
 * used up. Once its time is over, one attempt goes as a probe: success closes it, failure opens it for
 * twice as long.
 */
export class Breaker {
  readonly #policy: BreakerPolicy;
  #consecutive = 0;
  #windowStartedAt = 0;
  #attempts = 0;
  #failures = 0;
  #openUntil: number | null = null;
  #openMs: number;
  #probing = false;
  #isHeld = false;

  constructor(policy: BreakerPolicy = DEFAULT_BREAKER_POLICY) {
    this.#policy = policy;
    this.#openMs = policy.openMs;
  }

  state(nowMs: number): BreakerState {
    if (this.#isHeld) return 'open';
    if (this.#openUntil === null) return 'closed';
    return nowMs < this.#openUntil ? 'open' : 'half_open';
  }

  /** How many attempts may begin now: none while open, one as a probe, else as many as one likes. */
  allowance(nowMs: number): number {
    const state = this.state(nowMs);
    if (state === 'closed') return Number.POSITIVE_INFINITY;
    return state === 'open' || this.#probing ? 0 : 1;
  }

  /** When `allowance` may be more than 0, `null` when it is, or when only a result can tell. */
  waitsUntil(nowMs: number): number | null {
    return this.state(nowMs) === 'open' && !this.#isHeld ? this.#openUntil : null;
  }

  /** An attempt begins. True when it is a probe: until its result no other attempt begins. */
  begin(nowMs: number): boolean {
    if (this.state(nowMs) !== 'half_open') return false;
    this.#probing = true;
    return true;
  }

  /** A probe ended without a result: it was given back. */
  abandon(): void {
    this.#probing = false;
  }

  /** Whether an attempt here opened it, and none has closed it since. */
  get hasOpened(): boolean {
    return this.#openUntil !== null;
  }

  /** Another node has opened its own and sends the probes: nothing goes out from here meanwhile. */
  hold(): void {
    this.#isHeld = true;
  }

  /** The other node's is closed, or that node is gone. What it found out counts here, too. */
  letGo(nowMs: number, recovered: boolean): void {
    this.#isHeld = false;
    if (!recovered || this.#openUntil === null) return;
    this.#openUntil = null;
    this.#openMs = this.#policy.openMs;
    this.#reset(nowMs);
  }

  /** The result of an attempt that began at `beganAt`. Returns what it changed, `null` when nothing. */
  record(ok: boolean, nowMs: number, beganAt: number = nowMs): 'opened' | 'closed' | null {
    if (this.#openUntil === null) return this.#count(ok, nowMs);
    // Nothing but a probe begins once it is open, and no probe before its time: what began earlier says how
    // the receiver was then, and must neither end the probe nor stand for it.
    return beganAt < this.#openUntil ? null : this.#probeResult(ok, nowMs);
  }

  #probeResult(ok: boolean, nowMs: number): 'opened' | 'closed' | null {
    this.#probing = false;
    if (ok) {
      this.#openUntil = null;
      this.#openMs = this.#policy.openMs;
      this.#reset(nowMs);
      return 'closed';
    }
    this.#openMs = Math.min(this.#openMs * 2, this.#policy.maxOpenMs);
    this.#openUntil = nowMs + this.#openMs;
    return null;
  }

  #count(ok: boolean, nowMs: number): 'opened' | null {
    if (nowMs - this.#windowStartedAt >= this.#policy.windowMs) this.#resetWindow(nowMs);
    this.#attempts += 1;
    if (ok) {
      this.#consecutive = 0;
      return null;
    }
    this.#consecutive += 1;
    this.#failures += 1;
    const tooMany =
      this.#attempts >= this.#policy.minAttempts &&
      this.#failures / this.#attempts >= this.#policy.failureRatio;
    if (this.#consecutive < this.#policy.consecutiveFailures && !tooMany) return null;
    this.#openUntil = nowMs + this.#openMs;
    return 'opened';
  }

  #reset(nowMs: number): void {
    this.#consecutive = 0;
    this.#resetWindow(nowMs);
  }

  #resetWindow(nowMs: number): void {
    this.#windowStartedAt = nowMs;
    this.#attempts = 0;
    this.#failures = 0;
  }
}
