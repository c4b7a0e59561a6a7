import type { Encoding } from './scheme.ts';

/** An answer over HTTP. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * How a provider asks whether a URL is ours, and what it wants to hear. Texts are templates; in an
 * answer `{computed}` is the result of `compute`.
 */
export interface HandshakeRule {
  /** Default: POST. */
  readonly method?: 'GET' | 'POST' | 'HEAD' | 'OPTIONS';
  /** Templates that must all be complete for the rule to apply. */
  readonly when?: readonly string[];
  readonly emptyBody?: boolean;
  /** A list in the JSON body that must be there and be empty. */
  readonly emptyList?: string;
  /** The question is signed like an event: only a proven one is answered. */
  readonly verified?: boolean;
  /** Answer only while a secret is awaited: the question brings it along. */
  readonly learns?: string;
  /** The provider wants to be told that secret, so a person must be able to see it. */
  readonly wantsSecretBack?: boolean;
  /** The question comes before the sender tells its secret, so a source may be without one. */
  readonly beforeSecret?: boolean;
  /** The JSON body is encrypted (AES-256-CBC under the SHA-256 of this key) in the field `encrypt`. */
  readonly decryptWith?: string;
  /** A value that must equal another; else this status is the answer. */
  readonly match?: { readonly value: string; readonly equals: string; readonly orStatus: number };
  /** A whole number that must not be above a limit; else this status. Without a limit anything passes. */
  readonly atMost?: { readonly value: string; readonly limit: string; readonly orStatus: number };
  /** A hash or HMAC (with the first secret) of `content`; `sorted`: of these texts, sorted and joined. */
  readonly compute?: {
    readonly alg: 'hmac-sha256' | 'hmac-sha1' | 'sha256' | 'sha1';
    readonly content?: string;
    readonly sorted?: readonly string[];
    readonly enc: Encoding;
    readonly derive?: 'sha1';
  };
  /** An address to call before answering; its host must match. */
  readonly confirm?: { readonly url: string; readonly hostPattern: string };
  readonly answer: HandshakeAnswerRule;
}

/** The answer to give: a text or a JSON object whose texts are templates. */
export interface HandshakeAnswerRule {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
  readonly json?: Readonly<Record<string, string | number>>;
}
