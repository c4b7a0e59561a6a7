import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { SecretBox } from '../ports/secret-box.ts';

export const SECRET_KEY_BYTES = 32;

const VERSION = 'v1';
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_CHARS = 8;

interface SealingKey {
  readonly id: string;
  readonly key: Uint8Array;
}

/**
 * AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits; `context` is authenticated with it.
 *
 * The first key seals, all of them open: to rotate, put a new key in front and keep the old ones until
 * everything is sealed anew. A sealed text is `v1.<key id>.<base64url of nonce, ciphertext and tag>`.
 * With random nonces one key is good for 2^32 texts, far more than a gateway has secrets.
 */
export function createSecretBox(keys: readonly Uint8Array[]): SecretBox {
  const sealingKeys = keys.map(sealingKey);
  const [newest] = sealingKeys;
  if (newest === undefined) throw new TypeError('a secret box needs at least one key');
  return {
    seal: (plaintext, context) => seal(newest, plaintext, context),
    open: (sealed, context) => open(sealingKeys, sealed, context),
    digest: (text) => createHash('sha256').update(text).digest('hex'),
  };
}

/** Names a key without telling anything about it: the start of its SHA-256. */
export function secretKeyId(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex').slice(0, KEY_ID_CHARS);
}

function sealingKey(key: Uint8Array): SealingKey {
  if (key.length !== SECRET_KEY_BYTES) {
    throw new TypeError(`a secret key has ${SECRET_KEY_BYTES} bytes, not ${key.length}`);
  }
  return { id: secretKeyId(key), key };
}

function seal({ id, key }: SealingKey, plaintext: string, context: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(context, 'utf8'));
  const parts = [nonce, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()];
  return `${VERSION}.${id}.${Buffer.concat(parts).toString('base64url')}`;
}

function open(keys: readonly SealingKey[], sealed: string, context: string): string {
  const [version, id, body, ...more] = sealed.split('.');
  if (version !== VERSION || id === undefined || body === undefined || more.length > 0) {
    throw new Error('this is no sealed secret');
  }
  const bytes = Buffer.from(body, 'base64url');
  // Node skips what is no base64: without this a changed text could open.
  if (bytes.length < NONCE_BYTES + TAG_BYTES || bytes.toString('base64url') !== body) {
    throw new Error('the sealed secret is damaged');
  }
  const candidates = keys.filter((candidate) => candidate.id === id);
  if (candidates.length === 0) {
    throw new Error(`the secret was sealed under the key ${id}, which is not among the secret keys`);
  }
  for (const { key } of candidates) {
    const plaintext = decrypt(key, bytes, context);
    if (plaintext !== null) return plaintext;
  }
  throw new Error('the sealed secret was changed or belongs to something else');
}

function decrypt(key: Uint8Array, bytes: Buffer, context: string): string | null {
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(context, 'utf8'));
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  try {
    const start = decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES));
    return Buffer.concat([start, decipher.final()]).toString('utf8');
  } catch {
    // The tag does not fit: OpenSSL's own message says only "unable to authenticate data".
    return null;
  }
}
