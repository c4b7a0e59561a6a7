import type { JsonWebKeySet } from './key-material.ts';
import type { Task } from './operation.ts';
import type { Settings } from './reference.ts';
import type { RequestView } from './request-view.ts';
import type { Covers } from './scheme.ts';

/** What a source is configured with; which of them a provider needs is in its table entry. */
export interface Credentials {
  /** Current secret first, then previous ones; a match with any of them is enough. */
  readonly secrets?: readonly string[];
  readonly publicKey?: string;
  /** Public keys (PEM) by their id or serial number. */
  readonly keys?: Readonly<Record<string, string>>;
  readonly jwks?: JsonWebKeySet;
  /** Settings that are not secret. */
  readonly config?: Settings;
}

/** A proof that held. */
export interface Proof {
  readonly covers: Covers;
  /** Which of the configured secrets matched, so that an unused one can be retired. */
  readonly secretIndex?: number;
}

/**
 * A scheme with its credentials, compiled once. `check` returns the proof, or throws a Refusal.
 * It may be run any number of times, also concurrently.
 */
export interface PreparedScheme {
  /** True when the sender shows a token or password instead of signing. */
  readonly sharedToken: boolean;
  readonly check: (view: RequestView) => Task<Proof>;
}
