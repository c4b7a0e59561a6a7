import { concatBytes } from './bytes.ts';
import { hmacMd5, md5 } from './md5.ts';
import type { HashName, KeyFetch, Operation, OperationResult, PublicKey, Task } from './operation.ts';
import type { SignatureAlgorithm } from './scheme.ts';

// Types of the Web Crypto API as far as we use it, so that no platform's type library is needed.
type CryptoKeyLike = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

const hashNames: Record<Exclude<HashName, 'md5'>, string> = {
  sha1: 'SHA-1',
  sha256: 'SHA-256',
  sha384: 'SHA-384',
  sha512: 'SHA-512',
};

interface SignatureParameters {
  readonly importAs: { readonly name: string; readonly namedCurve?: string; readonly hash?: string };
  readonly verifyAs: { readonly name: string; readonly hash?: string };
}

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' };
const rsa = 'RSASSA-PKCS1-v1_5';
const signatureParameters: Record<SignatureAlgorithm, SignatureParameters> = {
  ed25519: { importAs: { name: 'Ed25519' }, verifyAs: { name: 'Ed25519' } },
  'ecdsa-p256-sha256': { importAs: ecdsa, verifyAs: { name: 'ECDSA', hash: 'SHA-256' } },
  'ecdsa-p256-sha1': { importAs: ecdsa, verifyAs: { name: 'ECDSA', hash: 'SHA-1' } },
  'rsa-sha256': { importAs: { name: rsa, hash: 'SHA-256' }, verifyAs: { name: rsa } },
  'rsa-sha1': { importAs: { name: rsa, hash: 'SHA-1' }, verifyAs: { name: rsa } },
};

const macKeys = new WeakMap<Uint8Array, Map<HashName, Promise<CryptoKeyLike>>>();
const publicKeys = new WeakMap<PublicKey, Map<SignatureAlgorithm, Promise<CryptoKeyLike>>>();

function cached<K extends object, A>(
  cache: WeakMap<K, Map<A, Promise<CryptoKeyLike>>>,
  key: K,
  alg: A,
  make: () => Promise<CryptoKeyLike>,
): Promise<CryptoKeyLike> {
  let byAlgorithm = cache.get(key);
  if (byAlgorithm === undefined) {
    byAlgorithm = new Map();
    cache.set(key, byAlgorithm);
  }
  let made = byAlgorithm.get(alg);
  if (made === undefined) {
    made = make();
    byAlgorithm.set(alg, made);
  }
  return made;
}

// WebCrypto wants bytes over an ArrayBuffer, which a view of shared memory is not.
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isOwned(bytes) ? bytes : new Uint8Array(bytes);
}

function isOwned(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

async function computeHmac(operation: Operation & { op: 'hmac' }): Promise<Uint8Array> {
  const { hash, key } = operation;
  const message = owned(concatBytes(operation.parts));
  if (hash === 'md5') return hmacMd5(key, message);
  const imported = await cached(macKeys, key, hash, () =>
    crypto.subtle.importKey('raw', owned(key), { name: 'HMAC', hash: hashNames[hash] }, false, ['sign']),
  );
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, message));
}

async function computeHash(operation: Operation & { op: 'hash' }): Promise<Uint8Array> {
  const message = owned(concatBytes(operation.parts));
  if (operation.hash === 'md5') return md5(message);
  return new Uint8Array(await crypto.subtle.digest(hashNames[operation.hash], message));
}

async function computeVerify(operation: Operation & { op: 'verify' }): Promise<boolean> {
  const { key, alg } = operation;
  const parameters = signatureParameters[alg];
  try {
    const imported = await cached(publicKeys, key, alg, () => importPublicKey(key, parameters));
    const message = owned(concatBytes(operation.parts));
    return await crypto.subtle.verify(parameters.verifyAs, imported, owned(operation.signature), message);
  } catch {
    // A key of another type, or not a key at all: it has not signed this.
    return false;
  }
}

function importPublicKey(key: PublicKey, parameters: SignatureParameters): Promise<CryptoKeyLike> {
  if (key.spki !== undefined) {
    return crypto.subtle.importKey('spki', owned(key.spki), parameters.importAs, false, ['verify']);
  }
  // `alg` and `use` of a published key may be written in ways that the import refuses.
  const jwk: Record<string, string> = {};
  for (const name of ['kty', 'crv', 'x', 'y', 'n', 'e']) {
    const value = key.jwk[name];
    if (typeof value === 'string') jwk[name] = value;
  }
  return crypto.subtle.importKey('jwk', jwk, parameters.importAs, false, ['verify']);
}

async function computeDecrypt(operation: Operation & { op: 'decrypt' }): Promise<Uint8Array | undefined> {
  try {
    const key = await crypto.subtle.importKey('raw', owned(operation.key), 'AES-CBC', false, ['decrypt']);
    const parameters = { name: 'AES-CBC', iv: owned(operation.iv) };
    return new Uint8Array(await crypto.subtle.decrypt(parameters, key, owned(operation.data)));
  } catch {
    return undefined;
  }
}

async function computeSignature(operation: Operation & { op: 'sign' }): Promise<Uint8Array> {
  const { importAs, verifyAs } = signatureParameters[operation.alg];
  const key = await crypto.subtle.importKey('pkcs8', owned(operation.key.pkcs8), importAs, false, ['sign']);
  const message = owned(concatBytes(operation.parts));
  return new Uint8Array(await crypto.subtle.sign(verifyAs, key, message));
}

function perform(operation: Operation, fetchKey: KeyFetch): Promise<OperationResult> {
  switch (operation.op) {
    case 'hmac':
      return computeHmac(operation);
    case 'hash':
      return computeHash(operation);
    case 'verify':
      return computeVerify(operation);
    case 'decrypt':
      return computeDecrypt(operation);
    case 'sign':
      return computeSignature(operation);
    case 'fetch':
    default:
      return fetchKey(operation.url);
  }
}

/** Runs a task with WebCrypto: in browsers, workers and every server runtime. */
export async function runWithWebCrypto<T>(task: Task<T>, fetchKey: KeyFetch): Promise<T> {
  let step = task.next();
  while (step.done !== true) {
    // One operation needs the result of the one before.
    // oxlint-disable-next-line no-await-in-loop
    step = task.next(await perform(step.value, fetchKey));
  }
  return step.value;
}
