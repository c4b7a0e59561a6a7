/** Unpredictable bytes and numbers, replaceable by a seeded source in tests. */
export interface Randomness {
  /** Cryptographically strong bytes: ids, keys and secrets are made from them. */
  bytes(count: number): Uint8Array;
  /** A number in [0, 1), for jitter. Not for secrets. */
  fraction(): number;
}
