import type { KeyObject } from 'node:crypto';
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hash as hashAtOnce,
  sign,
  verify,
} from 'node:crypto';
import type {
  HashName,
  KeyFetch,
  MessageParts,
  Operation,
  PublicKey,
  Task,
} from '../../packages/client/src/verify/operation.ts';
import { concatBytes } from '../../packages/client/src/verify/bytes.ts';
import { HmacMessages } from '../../packages/client/src/verify/hmac-messages.ts';

const secretKeys = new WeakMap<Uint8Array, KeyObject>();
const publicKeys = new WeakMap<PublicKey, KeyObject | 'unusable'>();

function secretKey(bytes: Uint8Array): KeyObject {
  let key = secretKeys.get(bytes);
  if (key === undefined) {
    key = createSecretKey(bytes);
    secretKeys.set(bytes, key);
  }
  return key;
}

function publicKey(key: PublicKey): KeyObject | 'unusable' {
  let object = publicKeys.get(key);
  if (object === undefined) {
    object = importPublicKey(key);
    publicKeys.set(key, object);
  }
  return object;
}

function importPublicKey(key: PublicKey): KeyObject | 'unusable' {
  try {
    return key.spki === undefined
      ? createPublicKey({ key: key.jwk, format: 'jwk' })
      : createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' });
  } catch {
    return 'unusable';
  }
}

/** The messages of HMAC-SHA256, with which nearly everyone signs, by their keys. */
const hmacMessages = new WeakMap<Uint8Array, HmacMessages>();

function messagesOf(key: Uint8Array): HmacMessages {
  let messages = hmacMessages.get(key);
  if (messages === undefined) {
    messages = new HmacMessages(key.byteLength > 64 ? hashAtOnce('sha256', key, 'buffer') : key, 64, 32);
    hmacMessages.set(key, messages);
  }
  return messages;
}

function hmac(hash: HashName, key: Uint8Array, parts: MessageParts): Uint8Array {
  if (hash === 'sha256') {
    const messages = messagesOf(key);
    const inner = messages.inner(parts);
    if (inner !== undefined) {
      return hashAtOnce('sha256', messages.outer(hashAtOnce('sha256', inner, 'latin1')), 'buffer');
    }
  }
  const mac = createHmac(hash, secretKey(key));
  for (const part of parts) mac.update(part);
  return mac.digest();
}

function hashOf(hash: HashName, parts: MessageParts): Uint8Array {
  const sum = createHash(hash);
  for (const part of parts) sum.update(part);
  return sum.digest();
}

const digestNames = {
  ed25519: undefined,
  'ecdsa-p256-sha256': 'sha256',
  'ecdsa-p256-sha1': 'sha1',
  'rsa-sha256': 'sha256',
  'rsa-sha1': 'sha1',
} as const;
const keyTypes = {
  ed25519: 'ed25519',
  'ecdsa-p256-sha256': 'ec',
  'ecdsa-p256-sha1': 'ec',
  'rsa-sha256': 'rsa',
  'rsa-sha1': 'rsa',
} as const;

function isSigned(operation: Operation & { op: 'verify' }): boolean {
  const { alg, signature } = operation;
  const key = publicKey(operation.key);
  if (key === 'unusable' || key.asymmetricKeyType !== keyTypes[alg]) return false;
  try {
    const message = concatBytes(operation.parts);
    return verify(digestNames[alg], message, { key, dsaEncoding: 'ieee-p1363' }, signature);
  } catch {
    return false;
  }
}

function decrypted(operation: Operation & { op: 'decrypt' }): Uint8Array | undefined {
  try {
    const cipher = createDecipheriv('aes-256-cbc', operation.key, operation.iv);
    return concatBytes([cipher.update(operation.data), cipher.final()]);
  } catch {
    return undefined;
  }
}

function signatureOf(operation: Operation & { op: 'sign' }): Uint8Array {
  const key = createPrivateKey({ key: Buffer.from(operation.key.pkcs8), format: 'der', type: 'pkcs8' });
  const message = concatBytes(operation.parts);
  return sign(digestNames[operation.alg], message, { key, dsaEncoding: 'ieee-p1363' });
}

function compute(operation: Exclude<Operation, { op: 'fetch' }>): Uint8Array | boolean | undefined {
  switch (operation.op) {
    case 'hmac':
      return hmac(operation.hash, operation.key, operation.parts);
    case 'hash':
      return hashOf(operation.hash, operation.parts);
    case 'sign':
      return signatureOf(operation);
    case 'decrypt':
      return decrypted(operation);
    case 'verify':
    default:
      return isSigned(operation);
  }
}

/**
 * Runs a task with node:crypto. The result is there at once unless the task needs a document from
 * the network; then it is a promise.
 */
export function runWithNodeCrypto<T>(task: Task<T>, fetchKey: KeyFetch): T | Promise<T> {
  let step = task.next();
  while (step.done !== true) {
    if (step.value.op === 'fetch') return continueAfterFetch(task, step.value.url, fetchKey);
    step = task.next(compute(step.value));
  }
  return step.value;
}

async function continueAfterFetch<T>(task: Task<T>, firstUrl: string, fetchKey: KeyFetch): Promise<T> {
  let step = task.next(await fetchKey(firstUrl));
  while (step.done !== true) {
    const operation = step.value;
    // One operation needs the result of the one before.
    // oxlint-disable-next-line no-await-in-loop
    step = task.next(operation.op === 'fetch' ? await fetchKey(operation.url) : compute(operation));
  }
  return step.value;
}
