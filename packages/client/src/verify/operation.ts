import type { DigestAlgorithm, SignatureAlgorithm } from './scheme.ts';

/** A public key: SubjectPublicKeyInfo bytes or a JSON Web Key. One object is one cached key. */
export type PublicKey =
  | { readonly spki: Uint8Array; readonly jwk?: undefined }
  | { readonly jwk: Readonly<Record<string, unknown>>; readonly spki?: undefined };

/** A private key (PKCS #8), for signers. */
export interface PrivateKey {
  readonly pkcs8: Uint8Array;
}

/** Hashes that a keyed operation may use. */
export type HashName = DigestAlgorithm | 'sha384' | 'sha512';

/** Pieces of a message, in order. Text counts as UTF-8. */
export type MessageParts = readonly (string | Uint8Array)[];

/**
 * What the interpreter asks of the world. It computes nothing cryptographic and reads nothing from
 * the network itself: it yields an operation and goes on with its result. So one interpreter runs
 * synchronously on node:crypto and asynchronously on WebCrypto.
 */
export type Operation =
  | { readonly op: 'hmac'; readonly hash: HashName; readonly key: Uint8Array; readonly parts: MessageParts }
  | { readonly op: 'hash'; readonly hash: HashName; readonly parts: MessageParts }
  | {
      readonly op: 'verify';
      /** ECDSA signatures are given raw (r and s side by side). */
      readonly alg: SignatureAlgorithm;
      readonly key: PublicKey;
      readonly signature: Uint8Array;
      readonly parts: MessageParts;
    }
  /** AES-256-CBC; undefined when the data was not encrypted with this key. */
  | { readonly op: 'decrypt'; readonly key: Uint8Array; readonly iv: Uint8Array; readonly data: Uint8Array }
  /** ECDSA signatures come out raw (r and s side by side). */
  | {
      readonly op: 'sign';
      readonly alg: SignatureAlgorithm;
      readonly key: PrivateKey;
      readonly parts: MessageParts;
    }
  | { readonly op: 'fetch'; readonly url: string };

/** The result of an operation: bytes, yes or no, or a document (undefined: not available). */
export type OperationResult = Uint8Array | boolean | string | undefined;

/** A task that yields operations and returns `T`. */
export type Task<T> = Generator<Operation, T, OperationResult>;

/** Fetches a key document: https only, no redirects. The gateway passes its guarded client. */
export type KeyFetch = (url: string) => Promise<string | undefined>;

function bytesOf(result: OperationResult): Uint8Array {
  if (!(result instanceof Uint8Array)) throw new TypeError('the driver gave no bytes');
  return result;
}

/** HMAC over `parts`. */
export function* hmac(hash: HashName, key: Uint8Array, parts: MessageParts): Task<Uint8Array> {
  return bytesOf(yield { op: 'hmac', hash, key, parts });
}

/** Hash of `parts`. */
export function* digest(hash: HashName, parts: MessageParts): Task<Uint8Array> {
  return bytesOf(yield { op: 'hash', hash, parts });
}

/** Whether `signature` over `parts` was made by the owner of `key`. */
export function* checkSignature(
  alg: SignatureAlgorithm,
  key: PublicKey,
  signature: Uint8Array,
  parts: MessageParts,
): Task<boolean> {
  const result = yield { op: 'verify', alg, key, signature, parts };
  return result === true;
}
