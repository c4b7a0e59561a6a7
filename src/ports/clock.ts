/** The time, and being woken at one. Everything in core takes time from here, so tests can move it. */
export interface Clock {
  /** Milliseconds since the epoch. May jump; never use differences of it for a short time-out. */
  now(): number;
  /**
   * Calls `wake` once after `delayMs`. It does not keep the process alive.
   *
   * Returns a function that cancels it; calling that later, or twice, does nothing.
   */
  after(delayMs: number, wake: () => void): () => void;
}
