/** The first pause after a failure, doubled with each further one up to the longest. */
const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/**
 * Keeps callers from storming a server that does not answer: after a failure everyone is told "not now"
 * at once, until a pause that grows has passed. The next call then tries.
 */
export class Backoff {
  readonly #now: () => number;
  readonly #random: () => number;
  #failures = 0;
  #until = 0;

  /** `now` is a time that does not jump, in milliseconds. */
  constructor(now: () => number = () => performance.now(), random: () => number = Math.random) {
    this.#now = now;
    this.#random = random;
  }

  /** Milliseconds until the next try; 0 = now. */
  waitMs(): number {
    return this.#failures === 0 ? 0 : Math.max(0, this.#until - this.#now());
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    // Callers that failed together are one failure: a hundred of them say no more than one.
    if (this.waitMs() > 0) return;
    const cappedMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    // Half to all of it, so that the nodes of a cluster do not come back in step.
    this.#until = this.#now() + cappedMs * (0.5 + this.#random() / 2);
  }
}
