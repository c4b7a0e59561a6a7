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
// Keys that were once good are used on while their server is down, but not for ever: a key may have
// been taken out of the set meanwhile.
const staleMs = 24 * 3_600_000;
const maxDocuments = 16;
const maxAddressChars = 512;
/** Addresses that a request names and that we have not fetched before: so many a minute, no more. */
const newAddresses = { limit: 12, windowMs: 60_000 };

interface Entry<T> {
  /** Undefined: no good copy was ever there, or it is too old. */
  readonly value: T | undefined;
  readonly triedAtMs: number;
  readonly goodAtMs: number;
  readonly failed: boolean;
  /** A signature was checked with it and held, so it is worth more than what a stranger names. */
  readonly proven: boolean;
}

/** Documents with keys, fetched when first needed and kept for an hour. Bounded in number. */
class DocumentCache<T> {
  readonly #parse: (text: string) => T | undefined;
  readonly #entries = new Map<string, Entry<T>>();
  #window = { startedAtMs: 0, fetches: 0 };

  constructor(parse: (text: string) => T | undefined) {
    this.#parse = parse;
  }

  /** The document at `url`; `refresh` asks again if the copy is older than a minute. */
  *read(url: string, nowMs: number, refresh = false): Task<T> {
    const known = this.#entries.get(url);
    const age = known === undefined ? Infinity : Math.abs(nowMs - known.triedAtMs);
    const keep = known?.failed === true ? keepFailureMs : refresh ? refreshAfterMs : keepMs;
    if (known !== undefined && age < keep) return available(known.value);
    if (known === undefined && !this.#mayFetchNew(nowMs)) throw refuse('key_unavailable');
    const text = yield { op: 'fetch', url };
    return available(this.#keep(url, typeof text === 'string' ? this.#parse(text) : undefined, nowMs));
  }

  /** A signature held with the document at `url`: strangers' addresses no longer push it out. */
  prove(url: string): void {
    const known = this.#entries.get(url);
    if (known !== undefined && !known.proven) this.#entries.set(url, { ...known, proven: true });
  }

  /** Keeps what was fetched (undefined: nothing good) and says what counts from now on. */
  #keep(url: string, fresh: T | undefined, nowMs: number): T | undefined {
    // Another request may have fetched while this one waited: its good copy is not thrown away.
    const before = this.#entries.get(url);
    const failed = fresh === undefined;
    const goodAtMs = failed ? (before?.goodAtMs ?? -Infinity) : nowMs;
    const value = fresh ?? (nowMs - goodAtMs < staleMs ? before?.value : undefined);
    this.#makeRoom(url);
    this.#entries.set(url, { value, triedAtMs: nowMs, goodAtMs, failed, proven: before?.proven ?? false });
    return value;
  }

  #mayFetchNew(nowMs: number): boolean {
    if (Math.abs(nowMs - this.#window.startedAtMs) >= newAddresses.windowMs) {
      this.#window = { startedAtMs: nowMs, fetches: 0 };
    }
    this.#window.fetches += 1;
    return this.#window.fetches <= newAddresses.limit;
  }

  #makeRoom(url: string): void {
    if (this.#entries.size < maxDocuments || this.#entries.has(url)) return;
    const names = [...this.#entries.keys()];
    const victim = names.find((name) => this.#entries.get(name)?.proven !== true) ?? names[0];
    this.#entries.delete(victim ?? '');
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
    const listed = valueAtPath(JSON.parse(text), ['keys']);
    const keys = Array.isArray(listed) ? keysOfSet({ keys: listed.filter((key) => isRecord(key)) }) : [];
    // A set without keys is no answer: an error page in JSON must not push good keys out.
    return keys.length === 0 ? undefined : keys.slice(0, maxKeysOfSet);
  } catch {
    return undefined;
  }
}

/** Each may be tried for each signature; senders publish a handful. */
const maxKeysOfSet = 32;

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

/** Reads the keys of certificates at addresses that requests name. */
export interface Certificates {
  /** Refuses an address of another host before anything is fetched. */
  read(address: string, nowMs: number): Task<PublicKey>;
  /** Call it when a signature held with the key at `address`. */
  prove(address: string): void;
}

/**
 * Reads the public key of a certificate whose address the request names.
 *
 * The host must match as a whole and the address must be plain https: otherwise a stranger signs
 * with a key of their own and points us to it.
 */
export function compileCertificates(
  hostPattern: string,
  pathPattern?: string,
  pinned?: PublicKey,
): Certificates {
  const host = new RegExp(hostPattern);
  const path = pathPattern === undefined ? undefined : new RegExp(pathPattern);
  const cache = new DocumentCache(parseCertificate);
  return {
    *read(address, nowMs) {
      if (!isTrusted(address, host, path)) throw refuse('untrusted_cert_url');
      if (pinned !== undefined) return pinned;
      const certificate = yield* cache.read(address, nowMs);
      if (nowMs < certificate.fromMs || nowMs > certificate.untilMs) throw refuse('unknown_key');
      return certificate.key;
    },
    prove: (address) => cache.prove(address),
  };
}

function isTrusted(address: string, host: RegExp, path: RegExp | undefined): boolean {
  if (address.length > maxAddressChars) return false;
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return false;
  }
  const plain = url.protocol === 'https:' && url.port === '' && url.username === '' && url.password === '';
  // A query would make one certificate any number of addresses, each fetched anew.
  const single = url.search === '' && url.hash === '' && url.href === address;
  return plain && single && host.test(url.hostname) && (path === undefined || path.test(url.pathname));
}
