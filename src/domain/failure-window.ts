/** When attempts have failed for so long that making more of them helps nobody. */
export interface SuspensionPolicy {
  /** More than this share of failures, 0 to 1, ... */
  readonly failureRatio: number;
  /** ... of at least so many attempts ... */
  readonly minAttempts: number;
  /** ... over this time, all of which was watched. */
  readonly windowMs: number;
}

/** More than 95 % of at least 100 attempts over an hour: the rule of MCP Events for sustained failure. */
export const DEFAULT_SUSPENSION_POLICY: SuspensionPolicy = {
  failureRatio: 0.95,
  minAttempts: 100,
  windowMs: 3_600_000,
};

/** Parts of the window that are forgotten one by one. */
const SLICES = 12;

/** Attempts and failures over a sliding window, kept as a few numbers however many attempts there are. */
export class FailureWindow {
  readonly #policy: SuspensionPolicy;
  readonly #sliceMs: number;
  readonly #startedAt: number;
  readonly #attempts = new Float64Array(SLICES);
  readonly #failures = new Float64Array(SLICES);
  /** Number of the newest slice, counted from the epoch. */
  #newest: number;
  #lastFailureAt: number;

  constructor(nowMs: number, policy: SuspensionPolicy = DEFAULT_SUSPENSION_POLICY) {
    this.#policy = policy;
    this.#sliceMs = policy.windowMs / SLICES;
    this.#startedAt = nowMs;
    this.#newest = Math.floor(nowMs / this.#sliceMs);
    this.#lastFailureAt = nowMs;
  }

  /** Counts one attempt. True when it has failed for too long, and with this one too. */
  count(ok: boolean, nowMs: number): boolean {
    this.#moveTo(Math.floor(nowMs / this.#sliceMs));
    const slice = this.#newest % SLICES;
    this.#attempts[slice] = (this.#attempts[slice] ?? 0) + 1;
    if (ok) return false;
    this.#failures[slice] = (this.#failures[slice] ?? 0) + 1;
    this.#lastFailureAt = nowMs;
    const { attempts, failed } = this.totals();
    return (
      nowMs - this.#startedAt >= this.#policy.windowMs &&
      attempts >= this.#policy.minAttempts &&
      failed / attempts > this.#policy.failureRatio
    );
  }

  /** Whether nothing has failed for a whole window: there is nothing to watch any more. */
  isOver(nowMs: number): boolean {
    return nowMs - this.#lastFailureAt >= this.#policy.windowMs;
  }

  totals(): { readonly attempts: number; readonly failed: number } {
    return { attempts: sum(this.#attempts), failed: sum(this.#failures) };
  }

  #moveTo(slice: number): void {
    // A clock that steps back stays in the newest slice.
    if (slice <= this.#newest) return;
    if (slice - this.#newest >= SLICES) {
      this.#attempts.fill(0);
      this.#failures.fill(0);
    } else {
      for (let passed = this.#newest + 1; passed <= slice; passed += 1) {
        this.#attempts[passed % SLICES] = 0;
        this.#failures[passed % SLICES] = 0;
      }
    }
    this.#newest = slice;
  }
}

function sum(numbers: Float64Array): number {
  return numbers.reduce((total, number) => total + number, 0);
}
