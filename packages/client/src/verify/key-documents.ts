import { certificateValidity, decodePem } from './asn1.ts';
import type { JsonWebKeySet } from './key-material.ts';
import { keysOfSet, publicKeyFromPem } from './key-material.ts';
import type { PublicKey, Task } from './operation.ts';
import { refuse } from './reasons.ts';
import { isRecord, valueAtPath } from './reference.ts';

const keepMs = 3_600_000;
// A failure is kept for a short while too: otherwise anybody who can reach the endpoint makes us
// call the key server as often as they like.
const keepFailureMs = 30_000;
const refreshAfterMs = 60_000;
const maxDocuments = 16;

interface Entry<T> {
  readonly value: T | undefined;
  readonly fetchedAtMs: number;
}

/** Documents with keys, fetched when first needed and kept for an hour. Bounded in number. */
class DocumentCache<T> {
  readonly #parse: (text: string) => T | undefined;
  readonly #entries = new Map<string, Entry<T>>();

  constructor(parse: (text: string) => T | undefined) {
    this.#parse = parse;
  }

  /** The document at `url`; `refresh` asks again if the copy is older than a minute. */
  *read(url: string, nowMs: number, refresh = false): Task<T> {
    const known = this.#entries.get(url);
    const age = known === undefined ? Infinity : Math.abs(nowMs - known.fetchedAtMs);
    const keep = known?.value === undefined ? keepFailureMs : refresh ? refreshAfterMs : keepMs;
    if (known !== undefined && age < keep) return available(known.value);
    const text = yield { op: 'fetch', url };
    const value = typeof text === 'string' ? this.#parse(text) : known?.value;
    if (this.#entries.size >= maxDocuments) this.#entries.delete(this.#entries.keys().next().value ?? '');
    this.#entries.set(url, { value, fetchedAtMs: nowMs });
    return available(value);
  }
}

function available<T>(value: T | undefined): T {
  if (value === undefined) throw refuse('key_unavailable');
  return value;
}

/** A key of a set, with what is needed to choose it. */
export interface SetKey {
  readonly kid: string | undefined;
  readonly type: string;
  readonly key: PublicKey;
}

/** Reads the keys of a configured or fetched set. */
export type ReadKeySet = (nowMs: number, refresh: boolean) => Task<readonly SetKey[]>;

/** Keys from a configured set, else from an address; undefined when neither is there. */
export function compileKeySet(
  set: JsonWebKeySet | undefined,
  url: string | undefined,
): ReadKeySet | undefined {
  if (set !== undefined) {
    const keys = keysOfSet(set);
    // oxlint-disable-next-line require-yield -- the other branch fetches
    return function* configuredKeys() {
      return keys;
    };
  }
  if (url === undefined) return undefined;
  const cache = new DocumentCache(parseKeySet);
  return (nowMs, refresh) => cache.read(url, nowMs, refresh);
}

function parseKeySet(text: string): SetKey[] | undefined {
  try {
    const keys = valueAtPath(JSON.parse(text), ['keys']);
    return Array.isArray(keys) ? keysOfSet({ keys: keys.filter((key) => isRecord(key)) }) : undefined;
  } catch {
    return undefined;
  }
}

interface CertificateKey {
  readonly key: PublicKey;
  readonly fromMs: number;
  readonly untilMs: number;
}

function parseCertificate(text: string): CertificateKey | undefined {
  const key = publicKeyFromPem(text);
  const der = decodePem(text)?.der;
  const validity = der === undefined ? undefined : certificateValidity(der);
  return key === undefined || validity === undefined ? undefined : { key, ...validity };
}

/**
 * Reads the public key of a certificate whose address the request names.
 *
 * The host must match as a whole and the address must be plain https: otherwise a stranger signs
 * with a key of their own and points us to it.
 */
export function compileCertificates(hostPattern: string, pathPattern?: string) {
  const host = new RegExp(hostPattern);
  const path = pathPattern === undefined ? undefined : new RegExp(pathPattern);
  const cache = new DocumentCache(parseCertificate);
  return function* readCertificate(address: string, nowMs: number): Task<PublicKey> {
    if (!isTrusted(address, host, path)) throw refuse('untrusted_cert_url');
    const certificate = yield* cache.read(address, nowMs);
    if (nowMs < certificate.fromMs || nowMs > certificate.untilMs) throw refuse('unknown_key');
    return certificate.key;
  };
}

function isTrusted(address: string, host: RegExp, path: RegExp | undefined): boolean {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return false;
  }
  const plain = url.protocol === 'https:' && url.port === '' && url.username === '' && url.password === '';
  return plain && host.test(url.hostname) && (path === undefined || path.test(url.pathname));
}
