import { equalBytes } from './bytes.ts';
import type { ContentTemplate } from './content-template.ts';
import { compileContent } from './content-template.ts';
import { compileCertificates, compileKeySet } from './key-documents.ts';
import type { SecretKey } from './key-material.ts';
import { decodeKeys, decodePublicKey, decodeSecrets, pinnedPublicKey } from './key-material.ts';
import type { HashName, MessageParts, PublicKey, Task } from './operation.ts';
import { checkSignature, digest, hmac } from './operation.ts';
import type { Credentials, PreparedScheme, Proof } from './prepared-scheme.ts';
import { Refusal, VerifierSettingsError, refuse } from './reasons.ts';
import type { ReadReference, Settings } from './reference.ts';
import { compileReference } from './reference.ts';
import type { RequestView } from './request-view.ts';
import { ecdsaRawFromDer } from './asn1.ts';
import type {
  Covers,
  DigestAlgorithm,
  DigestScheme,
  MacAlgorithm,
  MacScheme,
  PublicKeySource,
  Requirement,
  SignatureAlgorithm,
  SignatureScheme,
  TimestampRule,
} from './scheme.ts';
import type { SignatureGroup } from './signature-place.ts';
import { compileSignaturePlace } from './signature-place.ts';
import { checkTolerance, parseInstant } from './timestamp.ts';

/** The hash of each keyed algorithm. */
export const macHashes: Record<MacAlgorithm, HashName> = {
  'hmac-sha256': 'sha256',
  'hmac-sha1': 'sha1',
  'hmac-sha512': 'sha512',
  'hmac-md5': 'md5',
};
/** A public key operation reads the whole body again for each signature, unlike a comparison. */
const maxPublicKeyCandidates = 8;
const digestLengths: Record<HashName, number> = { md5: 16, sha1: 20, sha256: 32, sha384: 48, sha512: 64 };

/** Finds which secret made one of the group's signatures. */
type Match = (view: RequestView, group: SignatureGroup, signed: Signed) => Task<Proof | undefined>;

interface Signed {
  readonly ts: string | undefined;
  readonly id: string | undefined;
}

/** Prepares a keyed hash over the content. */
export function prepareMac(scheme: MacScheme, credentials: Credentials): PreparedScheme {
  const settings = credentials.config ?? {};
  const hash = macHashes[scheme.alg];
  const content = compileContent(scheme.content, settings);
  const covers = scheme.covers ?? (content.coversBody ? 'body' : 'metadata');
  const keys = decodeSecrets(credentials.secrets, scheme.key ?? {});
  const keyBytes = compileKeyBytes(keys, scheme.key?.derive);
  function* match(view: RequestView, group: SignatureGroup, signed: Signed): Task<Proof | undefined> {
    for (let index = 0; index < keys.length; index++) {
      const secret = content.usesSecret ? keys[index]?.text : undefined;
      const parts = yield* message(content, view, group, signed, secret);
      const key = keyBytes[index] ?? (yield* keyBytes.derive(index));
      const expected = yield* hmac(hash, key, parts);
      if (isAmong(group.candidates, expected)) return { covers, secretIndex: index };
    }
    return undefined;
  }
  return prepare(scheme, settings, digestLengths[hash], match);
}

/** Prepares a plain hash over a content that includes the secret. */
export function prepareDigest(scheme: DigestScheme, credentials: Credentials): PreparedScheme {
  const settings = credentials.config ?? {};
  const content = compileContent(scheme.content, settings);
  if (!content.usesSecret) {
    throw new VerifierSettingsError(
      '/verification/content',
      'a plain hash proves nothing unless the content includes {secret}',
    );
  }
  const covers = scheme.covers ?? (content.coversBody ? 'body' : 'metadata');
  const keys = decodeSecrets(credentials.secrets, {});
  function* match(view: RequestView, group: SignatureGroup, signed: Signed): Task<Proof | undefined> {
    for (const [index, key] of keys.entries()) {
      const parts = yield* message(content, view, group, signed, key.text);
      const expected = yield* digest(scheme.alg, parts);
      if (isAmong(group.candidates, expected)) return { covers, secretIndex: index };
    }
    return undefined;
  }
  return prepare(scheme, settings, digestLengths[scheme.alg], match);
}

/** Prepares a public key signature over the content. */
export function prepareSignature(scheme: SignatureScheme, credentials: Credentials): PreparedScheme {
  const settings = credentials.config ?? {};
  const content = compileContent(scheme.content, settings);
  const covers: Covers = scheme.covers ?? (content.coversBody ? 'body' : 'metadata');
  const { read: readKeys, prove } = compileKeys(scheme.key, credentials, settings);
  const { alg } = scheme;
  function* match(view: RequestView, group: SignatureGroup, signed: Signed): Task<Proof | undefined> {
    const parts = yield* message(content, view, group, signed, undefined);
    const keys = yield* readKeys(view, false);
    if (yield* isSignedByAny(alg, keys, group.candidates, parts)) {
      prove?.(view);
      return { covers };
    }
    // A sender that changed its keys signs with one that our copy of the set does not have.
    const newKeys = (yield* readKeys(view, true)).filter((key) => !keys.includes(key));
    return (yield* isSignedByAny(alg, newKeys, group.candidates, parts)) ? { covers } : undefined;
  }
  return prepare(scheme, settings, alg === 'ed25519' ? 64 : undefined, match);
}

function* isSignedByAny(
  alg: SignatureAlgorithm,
  keys: readonly PublicKey[],
  candidates: readonly Uint8Array[],
  parts: MessageParts,
): Task<boolean> {
  for (const candidate of candidates.slice(0, maxPublicKeyCandidates)) {
    const signature = rawSignature(alg, candidate);
    if (signature === undefined) continue;
    for (const key of keys) {
      if (yield* checkSignature(alg, key, signature, parts)) return true;
    }
  }
  return false;
}

/** A signature in the form that operations take; undefined when it is not well-formed. */
export function rawSignature(alg: SignatureAlgorithm, signature: Uint8Array): Uint8Array | undefined {
  return alg.startsWith('ecdsa-p256') ? ecdsaRawFromDer(signature, 32) : signature;
}

function isAmong(candidates: readonly Uint8Array[], expected: Uint8Array): boolean {
  let found = false;
  for (const candidate of candidates) {
    if (equalBytes(candidate, expected)) found = true;
  }
  return found;
}

// A derived key needs a hash, which is an operation, so it is made at the first request.
function compileKeyBytes(keys: readonly SecretKey[], derive: DigestAlgorithm | undefined) {
  const ready: (Uint8Array | undefined)[] = keys.map((key) => (derive === undefined ? key.bytes : undefined));
  return Object.assign(ready, {
    *derive(index: number): Task<Uint8Array> {
      const bytes = yield* digest(derive ?? 'sha1', [keys[index]?.bytes ?? '']);
      ready[index] = bytes;
      return bytes;
    },
  });
}

function* message(
  content: ContentTemplate,
  view: RequestView,
  group: SignatureGroup,
  signed: Signed,
  secret: string | undefined,
): Task<MessageParts> {
  const values = { view, fields: group.fields, ts: signed.ts, id: signed.id, secret };
  return content.build === undefined ? yield* content.task(values) : content.build(values);
}

type Common = Pick<MacScheme, 'sig' | 'ts' | 'id' | 'require' | 'content'>;

function prepare(
  scheme: Common,
  settings: Settings,
  byteLength: number | undefined,
  match: Match,
): PreparedScheme {
  const readSignatures = compileSignaturePlace(scheme.sig, byteLength, settings);
  const rule = scheme.ts;
  const readTs = rule === undefined ? undefined : compileReference(rule.from, settings, true);
  const readId = scheme.id === undefined ? undefined : compileReference(scheme.id, settings, true);
  const meetRequirements = compileRequirements(scheme.require ?? [], settings);
  // The signature first, then the age: only an authentic request is told that it is stale, and a
  // timestamp inside the body is not read from an unproven body.
  const tsIsSigned = scheme.content.includes('{ts}');

  function* checkGroup(view: RequestView, group: SignatureGroup): Task<Proof> {
    if (group.candidates.length === 0) throw refuse('malformed_signature');
    const early = tsIsSigned ? readTs?.(view, group.fields) : undefined;
    const proof = yield* match(view, group, { ts: early, id: readId?.(view, group.fields) });
    if (proof === undefined) throw refuse('bad_signature');
    if (rule !== undefined) checkAge(rule, early ?? readTs?.(view, group.fields), view.nowMs);
    return proof;
  }

  function* check(view: RequestView): Task<Proof> {
    const groups = readSignatures(view);
    meetRequirements(view);
    const [first] = groups;
    if (groups.length === 1 && first !== undefined) return yield* checkGroup(view, first);
    return yield* checkAnyGroup(groups, (group) => checkGroup(view, group));
  }
  return { sharedToken: false, check };
}

function* checkAnyGroup(
  groups: readonly SignatureGroup[],
  check: (group: SignatureGroup) => Task<Proof>,
): Task<Proof> {
  let refusal: Refusal | undefined;
  for (const group of groups) {
    try {
      return yield* check(group);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refusal ??= error;
    }
  }
  throw refusal ?? refuse('malformed_signature');
}

function checkAge(rule: TimestampRule, text: string | undefined, nowMs: number): void {
  if (text === undefined) throw refuse('missing_timestamp');
  const instant = parseInstant(text, rule.unit);
  if (instant === undefined) throw refuse('malformed_timestamp');
  checkTolerance(instant, rule, nowMs);
}

function compileRequirements(requirements: readonly Requirement[], settings: Settings) {
  const compiled = requirements.map(({ ref, equals, reason }) => {
    const read: ReadReference = compileReference(ref, settings, true);
    if (!equals.startsWith('cfg:')) return { read, expected: equals, reason };
    const key = equals.slice(4);
    const expected = settings[key];
    if (expected === undefined || expected === '') {
      throw new VerifierSettingsError(`/config/${key}`, `set ${key}: requests must name it`);
    }
    return { read, expected, reason };
  });
  return (view: RequestView): void => {
    for (const { read, expected, reason } of compiled) {
      const value = read(view);
      if (value === undefined) throw refuse('missing_header');
      if (value !== expected) throw refuse(reason);
    }
  };
}

interface Keys {
  /** Reads the keys that may have signed; `refresh` asks for a newer copy of a fetched set. */
  readonly read: (view: RequestView, refresh: boolean) => Task<readonly PublicKey[]>;
  /** Hears of requests that were signed by one of the keys read. */
  readonly prove?: (view: RequestView) => void;
}

function compileKeys(source: PublicKeySource, credentials: Credentials, settings: Settings): Keys {
  switch (source.from) {
    case 'publicKey': {
      const keys = [decodePublicKey(credentials.publicKey, source.format, source.strip)];
      return constantKeys(keys);
    }
    case 'keys':
      return selectedKeys(decodeKeys(credentials.keys), compileReference(source.select, settings, true));
    case 'jwks':
    case 'jwksAny': {
      const read = compileKeySet(credentials.jwks, settings['jwksUrl'] ?? source.url);
      if (read === undefined) {
        throw new VerifierSettingsError('/jwks', 'set jwks, or config.jwksUrl: the address of the key set');
      }
      return {
        *read(view, refresh) {
          return (yield* read(view.nowMs, refresh)).map(({ key }) => key);
        },
      };
    }
    case 'certUrl':
    default: {
      const readAddress = compileReference(source.urlFrom, settings, true);
      const certificates = compileCertificates(source.hostPattern, undefined, pinnedPublicKey(credentials));
      return {
        *read(view) {
          const address = readAddress(view);
          if (address === undefined) throw refuse('missing_header');
          return [yield* certificates.read(address, view.nowMs)];
        },
        prove: (view) => certificates.prove(readAddress(view) ?? ''),
      };
    }
  }
}

function constantKeys(keys: readonly PublicKey[]): Keys {
  return {
    // oxlint-disable-next-line require-yield -- other sources of keys fetch
    *read() {
      return keys;
    },
  };
}

function selectedKeys(keys: ReadonlyMap<string, PublicKey>, select: ReadReference): Keys {
  return {
    // oxlint-disable-next-line require-yield -- other sources of keys fetch
    *read(view) {
      const name = select(view);
      if (name === undefined) throw refuse('missing_header');
      const key = keys.get(name);
      if (key === undefined) throw refuse('unknown_key');
      return [key];
    },
  };
}
