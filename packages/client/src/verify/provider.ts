import type { IdentityRules } from './event-identity.ts';
import type { Answer, HandshakeRule } from './handshake-rule.ts';
import type { Scheme } from './scheme.ts';

/**
 * How well the facts of an entry are known. `sdk`: an official SDK judged every test vector;
 * `docs`: read in official documentation or server source; `secondary`: third-party
 * implementations agree; `recall`: not checked again.
 */
export type Evidence = 'sdk' | 'docs' | 'secondary' | 'recall';

/** What is known of one sender of webhooks. */
export interface Provider extends IdentityRules {
  readonly evidence: Evidence;
  /** Absent when only the handshake is known: then a scheme must be configured. */
  readonly scheme?: Scheme;
  /** Questions about the URL itself, in the order in which they are tried. */
  readonly handshakes?: readonly HandshakeRule[];
  /** What the provider wants to see when its event was kept. Absent: any 2xx does. */
  readonly answer?: Answer;
  /** What it wants to see when the proof does not hold. Absent: 401. */
  readonly refusalStatus?: number;
}

/** Providers by their id. */
export type ProviderTable = Readonly<Record<string, Provider>>;
