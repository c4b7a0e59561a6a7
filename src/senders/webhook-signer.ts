import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hash,
  randomBytes,
  sign,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { HmacMessages } from '../../packages/client/src/verify/hmac-messages.ts';
import type { WebhookSigner } from '../ports/sender.ts';

const SYMMETRIC_PREFIX = 'whsec_';
const PRIVATE_KEY_PREFIX = 'whsk_';
const PUBLIC_KEY_PREFIX = 'whpk_';

/** "At least 24 bytes (192 bits, 512 maximum)": Standard Webhooks 1.0.0, "Signature scheme". */
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;
const GENERATED_SECRET_BYTES = 32;

const ED25519_SEED_BYTES = 32;
/** Seed and public key in a row: how libsodium, Go and Svix keep the key of a `whsk_`. */
const ED25519_PAIR_BYTES = 64;
/** What PKCS #8 puts before an ed25519 seed (RFC 8410, section 7). */
const PKCS8_ED25519_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_ED25519_HEADER_BYTES = 12;

/** Keys kept decoded. An HMAC key is some 300 bytes, so a full cache stays near 1 MiB. */
const MAX_CACHED_KEYS = 4_096;

type SigningKey =
  | { readonly scheme: 'standard'; readonly key: KeyObject; readonly messages: HmacMessages }
  | { readonly scheme: 'standard-ed25519'; readonly key: KeyObject };

/**
 * Signs outbound requests as Standard Webhooks 1.0.0 has it: `whsec_` secrets give `v1` (HMAC-SHA256),
 * `whsk_` keys give `v1a` (ed25519). The kind is told by the secret's prefix, so one destination may
 * carry both while its receivers change over.
 */
export class StandardWebhookSigner implements WebhookSigner {
  /** Decoded keys, oldest first. Decoding costs more than signing does: base64, checks, key object. */
  readonly #keys = new Map<string, SigningKey>();

  /**
   * One signature for each secret, in the order given. Throws for a secret that `check` refuses, without
   * naming it: stored secrets were checked before.
   */
  sign(id: string, timestampS: number, body: Uint8Array, secrets: readonly string[]): string {
    const prefix = `${id}.${timestampS}.`;
    let signatures = '';
    for (const secret of secrets) {
      const signature = signOnce(this.#keyOf(secret), prefix, body);
      signatures = signatures === '' ? signature : `${signatures} ${signature}`;
    }
    return signatures;
  }

  generate(scheme: 'standard' | 'standard-ed25519'): string {
    if (scheme === 'standard') {
      return SYMMETRIC_PREFIX + randomBytes(GENERATED_SECRET_BYTES).toString('base64');
    }
    const seed = randomBytes(ED25519_SEED_BYTES);
    return PRIVATE_KEY_PREFIX + Buffer.concat([seed, publicBytes(privateKey(seed))]).toString('base64');
  }

  check(scheme: 'standard' | 'standard-ed25519', secret: string): string | null {
    const bytes = decode(scheme === 'standard' ? SYMMETRIC_PREFIX : PRIVATE_KEY_PREFIX, secret);
    if (typeof bytes === 'string') return bytes;
    return scheme === 'standard' ? checkSecretLength(bytes) : checkPrivateKey(bytes);
  }

  /**
   * The `whpk_` key that receivers verify `v1a` signatures with. Throws for anything but a usable `whsk_`.
   */
  publicKey(secret: string): string {
    const { scheme, key } = this.#keyOf(secret);
    if (scheme !== 'standard-ed25519') throw new Error('only a whsk_ key has a public key');
    return PUBLIC_KEY_PREFIX + publicBytes(key).toString('base64');
  }

  #keyOf(secret: string): SigningKey {
    const cached = this.#keys.get(secret);
    if (cached !== undefined) return cached;
    const scheme = secret.startsWith(PRIVATE_KEY_PREFIX) ? 'standard-ed25519' : 'standard';
    const reason = this.check(scheme, secret);
    if (reason !== null) throw new Error(`unusable signing secret: ${reason}`);
    const bytes = Buffer.from(secret.slice(secret.indexOf('_') + 1), 'base64');
    // The oldest goes, used or not: counting uses would cost each signature, a new decoding only a few.
    if (this.#keys.size >= MAX_CACHED_KEYS) {
      for (const oldest of this.#keys.keys()) {
        this.#keys.delete(oldest);
        break;
      }
    }
    const signingKey: SigningKey =
      scheme === 'standard' ? symmetricKey(bytes) : { scheme, key: privateKey(bytes) };
    this.#keys.set(secret, signingKey);
    return signingKey;
  }
}

/** A secret has at most `MAX_SECRET_BYTES`, a block of SHA-256. */
function symmetricKey(bytes: Buffer): SigningKey {
  return { scheme: 'standard', key: createSecretKey(bytes), messages: new HmacMessages(bytes, 64, 32) };
}

function signOnce(signingKey: SigningKey, prefix: string, body: Uint8Array): string {
  return signingKey.scheme === 'standard'
    ? `v1,${hmacOf(signingKey, prefix, body)}`
    : `v1a,${sign(null, Buffer.concat([Buffer.from(prefix), body]), signingKey.key).toString('base64')}`;
}

function hmacOf(
  { key, messages }: SigningKey & { scheme: 'standard' },
  prefix: string,
  body: Uint8Array,
): string {
  const inner = messages.inner([prefix, body]);
  // Two updates instead of one concatenation: no copy of a large body for each secret.
  if (inner === undefined) return createHmac('sha256', key).update(prefix).update(body).digest('base64');
  return hash('sha256', messages.outer(hash('sha256', inner, 'latin1')), 'base64');
}

/** The bytes after the prefix, or why there are none. */
function decode(prefix: string, secret: string): Buffer | string {
  if (!secret.startsWith(prefix)) return `must start with ${prefix}`;
  const text = secret.slice(prefix.length);
  const bytes = Buffer.from(text, 'base64');
  // Node decodes leniently. Receivers' libraries do not agree on what they forgive, so a secret that
  // is not canonical would verify in one language and fail in another.
  if (bytes.toString('base64') !== text) return `must be standard base64 with padding after ${prefix}`;
  return bytes;
}

function checkSecretLength(bytes: Buffer): string | null {
  if (bytes.length >= MIN_SECRET_BYTES && bytes.length <= MAX_SECRET_BYTES) return null;
  return `must hold ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes, holds ${bytes.length}`;
}

function checkPrivateKey(bytes: Buffer): string | null {
  if (bytes.length !== ED25519_SEED_BYTES && bytes.length !== ED25519_PAIR_BYTES) {
    return `must hold ${ED25519_SEED_BYTES} bytes (seed) or ${ED25519_PAIR_BYTES} (seed and public key), holds ${bytes.length}`;
  }
  const written = bytes.subarray(ED25519_SEED_BYTES);
  if (written.length > 0 && !written.equals(publicBytes(privateKey(bytes)))) {
    return 'holds a public key that does not belong to its seed';
  }
  return null;
}

function privateKey(bytes: Buffer): KeyObject {
  const seed = bytes.subarray(0, ED25519_SEED_BYTES);
  return createPrivateKey({
    key: Buffer.concat([PKCS8_ED25519_HEADER, seed]),
    format: 'der',
    type: 'pkcs8',
  });
}

function publicBytes(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI_ED25519_HEADER_BYTES);
}
