import type { ProblemCode } from '../domain/problem.ts';
import type { Source } from '../domain/settings.ts';

/** One request as it came, before anything is known of it. */
export interface IngestRequest {
  readonly method: string;
  /** The public URL that the sender called, which some providers sign. */
  readonly url: string;
  /** Flat name, value list, as received. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  readonly nowMs: number;
}

/** What the provider's own fields say about the event. Absent = the request does not say. */
export interface EventIdentity {
  readonly id?: string;
  readonly type?: string;
  readonly key?: string;
  readonly timeMs?: number;
  /** The provider gives its events no id: equal bodies within a short time are the same event. */
  readonly dedupe?: 'body';
}

/** Whether a request is proven, with what it says of itself, or why not. */
export type SourceVerdict =
  | {
      readonly ok: true;
      readonly covers: 'body' | 'metadata' | 'nothing';
      readonly secretIndex?: number;
      readonly event: EventIdentity;
      /** The parsed body, when verifying or identifying had to parse it: so that it is parsed once. */
      readonly json?: unknown;
    }
  | { readonly ok: false; readonly reason: string; readonly code: ProblemCode };

/** An answer to a provider's question about the URL itself: no event. */
export interface HandshakeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /**
   * The secret that the request brought. It must be kept before the answer is given, and only once: the
   * request itself proves nothing.
   */
  readonly learnedSecret?: string;
}

/** What is known of a source without its secrets. */
export interface SourceTraits {
  /** What a proof of this source protects. */
  readonly covers: 'body' | 'metadata' | 'nothing';
  /** Whether the provider hands a secret over in a handshake. */
  readonly handsSecretOver: boolean;
  /** Whether that secret must be given back to the provider, so that somebody has to see it. */
  readonly wantsSecretBack: boolean;
}

/** A source's settings, compiled once: keys decoded, templates parsed. */
export interface SourceVerifier {
  /**
   * Decides over the raw bytes, in constant time where secrets are compared. Synchronous unless a
   * provider's keys must be fetched. Fails closed: what it cannot decide is a no.
   */
  verify(request: IngestRequest): SourceVerdict | Promise<SourceVerdict>;
  /** The answer when the request is a handshake and not an event; `undefined` when it is an event. */
  handshake(request: IngestRequest): HandshakeAnswer | undefined | Promise<HandshakeAnswer | undefined>;
  /** What the provider wants to see when its event was kept; `null` = the default 202. */
  readonly successAnswer: HandshakeAnswer | null;
  /** The status that the provider wants for a request that is not proven, instead of 401. */
  readonly refusalStatus?: number;
  /** The secret that the request brings along, whether or not one is awaited: it must not be shown. */
  secretBroughtBy?(request: IngestRequest): string | undefined;
}

/** What of a source is not among its settings. */
export interface CompileOptions {
  /** Whether a handshake may bring a secret now. Default: no. */
  readonly awaitsSecret?: boolean;
}

/** Makes verifiers from the settings of sources. */
export interface Verifiers {
  /**
   * Compiles a source's settings. Throws a `Problem` (`validation_failed`) that points at each
   * unusable setting and says the fix.
   */
  compile(source: Source, secrets: readonly string[], options?: CompileOptions): SourceVerifier;
  /**
   * What is wrong with a secret that somebody gives for the source, as far as its text shows, with the
   * fix; `null` when nothing is. Not asked about secrets that are kept.
   */
  secretMistake(source: Source, text: string): string | null;
  /** `null` when the source's settings are not usable. */
  traits(source: Source): SourceTraits | null;
  /** Ids that a source's `provider` may have. */
  providers(): readonly string[];
}
