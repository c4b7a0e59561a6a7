import type { SendResult } from '../domain/outcome.ts';
import type { OAuth2Client } from './token-source.ts';

/** One attempt as bytes on the wire. */
export interface OutboundRequest {
  readonly url: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  /** From connect to the last byte of the answer that is read. */
  readonly timeoutMs: number;
  /** Gets the bearer token that goes with it; absent = none is wanted. */
  readonly oauth2?: OAuth2Client;
  /** Who we are on the TLS connection and whom we trust; absent = nobody, and the system's authorities. */
  readonly tls?: TlsIdentity;
}

/** Certificate and key with which a client proves itself on a TLS connection, as PEM. */
export interface TlsIdentity {
  /** The certificate, then those that lead to its authority; `null` together with `key` = none. */
  readonly cert: string | null;
  readonly key: string | null;
  /** When given, the only authorities that the receiver's certificate may be from. */
  readonly ca: string | null;
}

/** What `TlsIdentities.examine` found: when the certificate ends, or which part cannot be used. */
export type ExaminedIdentity =
  | {
      readonly ok: true;
      /** SHA-256 of the certificate, as `openssl x509 -fingerprint` writes it; `null` = no certificate. */
      readonly fingerprint: string | null;
      readonly expiresAt: number | null;
    }
  | {
      readonly ok: false;
      readonly field: 'client_cert' | 'client_key' | 'ca';
      readonly message: string;
    };

/** Knows certificates. */
export interface TlsIdentities {
  /** Whether certificate, key and authorities can be used, and when the certificate ends. */
  examine(identity: TlsIdentity): ExaminedIdentity;
}

/** Carries one attempt to one destination. */
export interface Sender {
  /**
   * Sends once and reads the outcome. Never throws for what the receiver does, never retries and
   * never follows a redirect. The address guard holds at connect time.
   */
  send(request: OutboundRequest): Promise<SendResult>;
  /** Closes kept-alive connections. */
  close(): Promise<void>;
}

/** Signs outbound requests (Standard Webhooks 1.0.0, "Signature scheme"). */
export interface WebhookSigner {
  /** `v1,<base64>` for each secret, separated by spaces. `timestampS` in seconds. */
  sign(id: string, timestampS: number, body: Uint8Array, secrets: readonly string[]): string;
  /** A new secret of the scheme: `whsec_` or, for ed25519, `whsk_`. */
  generate(scheme: 'standard' | 'standard-ed25519'): string;
  /** The `whpk_` key with which receivers verify what a `whsk_` signs. Throws for any other secret. */
  publicKey(secret: string): string;
  /** Why `secret` cannot be used with the scheme, or `null` when it can. */
  check(scheme: 'standard' | 'standard-ed25519', secret: string): string | null;
}
