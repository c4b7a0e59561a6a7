import type { Settings } from '../reference.ts';

/**
 * A wrong request on purpose, to see that a receiver refuses it: signed with another key, long ago,
 * with a body changed after signing, or without its proof.
 */
export type SigningFault = 'signature' | 'timestamp' | 'body' | 'missing-header';

/** What to sign, and with what. */
export interface SignInput {
  readonly body: Uint8Array;
  /** The public URL that will be called; some senders sign it. */
  readonly url: string;
  /** Default: POST. */
  readonly method?: string;
  readonly headers?: Iterable<readonly [string, string]>;
  /** The first one signs. */
  readonly secrets?: readonly string[];
  /** PKCS #8, PEM: for senders with public key signatures. */
  readonly privateKey?: string;
  /** The id or serial number under which the receiver knows the key. */
  readonly keyId?: string;
  readonly config?: Settings;
  /** Default: now. */
  readonly now?: Date;
  readonly fault?: SigningFault;
}

/** A request as the provider would send it. */
export interface SignedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}
