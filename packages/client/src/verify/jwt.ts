import { decodeText, equalBytes, fromStrictUtf8, fromUtf8 } from './bytes.ts';
import type { ReadKeySet, SetKey } from './key-documents.ts';
import { compileKeySet } from './key-documents.ts';
import type { SecretKey } from './key-material.ts';
import { decodeSecrets } from './key-material.ts';
import type { HashName, MessageParts, Task } from './operation.ts';
import { checkSignature, digest, hmac } from './operation.ts';
import type { Credentials, PreparedScheme, Proof } from './prepared-scheme.ts';
import { VerifierSettingsError, refuse } from './reasons.ts';
import type { Settings } from './reference.ts';
import { compileReference, isRecord } from './reference.ts';
import type { RequestView } from './request-view.ts';
import { bearerToken } from './token.ts';
import type { Encoding, JwtAlgorithm, JwtScheme, SignatureAlgorithm } from './scheme.ts';

type Claims = Readonly<Record<string, unknown>>;

interface ParsedToken {
  readonly header: Claims;
  readonly claims: Claims;
  readonly signingInput: string;
  readonly signature: Uint8Array;
}

const hmacHashes: Partial<Record<JwtAlgorithm, HashName>> = {
  HS256: 'sha256',
  HS384: 'sha384',
  HS512: 'sha512',
};
const publicAlgorithms: Partial<Record<JwtAlgorithm, { alg: SignatureAlgorithm; type: string }>> = {
  RS256: { alg: 'rsa-sha256', type: 'RSA' },
  ES256: { alg: 'ecdsa-p256-sha256', type: 'EC' },
  EdDSA: { alg: 'ed25519', type: 'OKP' },
};

/** Prepares a JSON Web Token (RFC 7519) whose claims may bind the body and the address. */
export function prepareJwt(scheme: JwtScheme, credentials: Credentials): PreparedScheme {
  const settings = credentials.config ?? {};
  const readToken = compileToken(scheme.token, settings);
  const keys = compileTokenKeys(scheme, credentials, settings);
  const checkClaims = compileClaims(scheme, settings);
  const covers =
    scheme.covers ?? (scheme.bodyHash !== undefined || scheme.token === 'body' ? 'body' : 'nothing');

  function* check(view: RequestView): Task<Proof> {
    const token = parseToken(readToken(view));
    const alg = scheme.algs.find((known) => known === token.header['alg']);
    // By the scheme's list, before any key is touched: a token must not choose how it is checked.
    if (alg === undefined) throw refuse('alg_not_allowed');
    const secretIndex = yield* checkTokenSignature(alg, token, keys, view.nowMs);
    checkClaims(view, token.claims);
    if (scheme.urlHash !== undefined) {
      yield* checkHash(token.claims, scheme.urlHash, [view.url], 'url_hash_mismatch');
    }
    if (scheme.bodyHash !== undefined) {
      yield* checkBodyHash(view, token.claims, scheme.bodyHash);
    }
    view.claims = token.claims;
    return secretIndex === undefined ? { covers } : { covers, secretIndex };
  }
  return { sharedToken: false, check };
}

function compileToken(token: string, settings: Settings): (view: RequestView) => string {
  if (token === 'body') return (view) => fromUtf8(view.body).trim();
  if (token === 'bearer') {
    return (view) => {
      const value = view.header('authorization');
      if (value === undefined) throw refuse('missing_header');
      const bearer = bearerToken(value);
      if (bearer === undefined) throw refuse('malformed_signature');
      return bearer;
    };
  }
  const read = compileReference(token, settings, true);
  return (view) => {
    const value = read(view);
    if (value === undefined) throw refuse('missing_header');
    return value;
  };
}

function parseToken(text: string): ParsedToken {
  const parts = text.split('.');
  const [header = '', claims = '', signature = ''] = parts;
  const headerJson = parsePart(header);
  const claimsJson = parsePart(claims);
  const signatureBytes = decodeText(signature, 'base64url');
  if (
    parts.length !== 3 ||
    headerJson === undefined ||
    claimsJson === undefined ||
    signatureBytes === undefined
  ) {
    throw refuse('malformed_signature');
  }
  return {
    header: headerJson,
    claims: claimsJson,
    signingInput: text.slice(0, header.length + claims.length + 1),
    signature: signatureBytes,
  };
}

function parsePart(part: string): Claims | undefined {
  const bytes = decodeText(part, 'base64url');
  const text = bytes === undefined ? undefined : fromStrictUtf8(bytes);
  try {
    const value: unknown = JSON.parse(text ?? '');
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

type BodyHashRule = NonNullable<JwtScheme['bodyHash']>;

interface TokenKeys {
  readonly secrets: readonly SecretKey[];
  readonly readSet: ReadKeySet | undefined;
}

function compileTokenKeys(scheme: JwtScheme, credentials: Credentials, settings: Settings): TokenKeys {
  const url = settings['jwksUrl'] ?? (scheme.key.from === 'jwks' ? scheme.key.url : undefined);
  const readSet = compileKeySet(credentials.jwks, url);
  if (scheme.key.from === 'jwks') {
    if (readSet === undefined) {
      throw new VerifierSettingsError('/jwks', 'set jwks, or config.jwksUrl: the address of the key set');
    }
    return { secrets: [], readSet };
  }
  // With a key set configured, secrets may be absent: then only public key algorithms pass.
  const onlySet = readSet !== undefined && (credentials.secrets ?? []).length === 0;
  return { secrets: onlySet ? [] : decodeSecrets(credentials.secrets, {}), readSet };
}

function* checkTokenSignature(
  alg: JwtAlgorithm,
  token: ParsedToken,
  keys: TokenKeys,
  nowMs: number,
): Task<number | undefined> {
  const hash = hmacHashes[alg];
  if (hash !== undefined) {
    if (keys.secrets.length === 0) throw refuse('alg_not_allowed');
    for (const [index, secret] of keys.secrets.entries()) {
      const expected = yield* hmac(hash, secret.bytes, [token.signingInput]);
      if (equalBytes(token.signature, expected)) return index;
    }
    throw refuse('bad_signature');
  }
  const algorithm = publicAlgorithms[alg];
  if (algorithm === undefined || keys.readSet === undefined) throw refuse('alg_not_allowed');
  const candidates = yield* chooseKeys(token.header['kid'], algorithm.type, keys.readSet, nowMs);
  if (alg !== 'RS256' && token.signature.length !== 64) throw refuse('bad_signature');
  for (const { key } of candidates) {
    if (yield* checkSignature(algorithm.alg, key, token.signature, [token.signingInput])) return undefined;
  }
  throw refuse('bad_signature');
}

function* chooseKeys(kid: unknown, type: string, read: ReadKeySet, nowMs: number): Task<readonly SetKey[]> {
  const choose = (keys: readonly SetKey[]): SetKey[] =>
    keys.filter((key) => key.type === type && (kid === undefined || key.kid === kid));
  let chosen = choose(yield* read(nowMs, false));
  // A key that we do not know may be newer than our copy of the set.
  if (chosen.length === 0) chosen = choose(yield* read(nowMs, true));
  if (chosen.length === 0) throw refuse('unknown_key');
  return chosen;
}

function compileClaims(scheme: JwtScheme, settings: Settings) {
  const issuer = configured(settings, scheme.issuerConfig);
  const audience = configured(settings, scheme.audienceConfig);
  const equal = Object.entries(scheme.claimEquals ?? {}).map(([claim, value]) => ({
    claim,
    value:
      typeof value === 'string' && value.startsWith('cfg:') ? configured(settings, value.slice(4)) : value,
  }));
  const issuers = issuer === undefined ? scheme.issuers : [issuer];
  return (view: RequestView, claims: Claims): void => {
    for (const claim of scheme.requiredClaims ?? []) {
      if (claims[claim] === undefined) throw refuse('missing_claim');
    }
    checkTimes(claims, scheme, view.nowMs);
    if (issuers !== undefined) checkEquals(claims['iss'], issuers);
    if (audience !== undefined) checkEquals(audienceOf(claims, audience), [audience]);
    if (scheme.subjectIsUrl === true) checkEquals(claims['sub'], [view.url]);
    for (const { claim, value } of equal) checkEquals(claims[claim], [value]);
  };
}

function configured(settings: Settings, key: string | undefined): string | undefined {
  if (key === undefined) return undefined;
  const value = settings[key];
  if (value === undefined || value === '') {
    throw new VerifierSettingsError(
      `/config/${key}`,
      `set ${key}: without it any token of this issuer would pass`,
    );
  }
  return value;
}

function audienceOf(claims: Claims, expected: string): unknown {
  const audience = claims['aud'];
  return Array.isArray(audience) && audience.includes(expected) ? expected : audience;
}

function checkEquals(value: unknown, expected: readonly unknown[]): void {
  if (value === undefined) throw refuse('missing_claim');
  if (!expected.includes(value)) throw refuse('bad_claim');
}

function checkTimes(claims: Claims, scheme: JwtScheme, nowMs: number): void {
  const now = nowMs / 1000;
  const skew = scheme.skew ?? 0;
  const exp = numericDate(claims, 'exp');
  const nbf = numericDate(claims, 'nbf');
  const iat = numericDate(claims, 'iat');
  if (exp !== undefined && now >= exp + skew) throw refuse('token_expired');
  if (nbf !== undefined && now < nbf - skew) throw refuse('token_not_yet_valid');
  if (scheme.maxAge === undefined) return;
  if (iat === undefined) throw refuse('missing_claim');
  if (now - iat > scheme.maxAge) throw refuse('timestamp_too_old');
  if (iat - now > scheme.maxAge) throw refuse('timestamp_too_new');
}

function numericDate(claims: Claims, name: string): number | undefined {
  const value = claims[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw refuse('bad_claim');
  return value;
}

function* checkBodyHash(view: RequestView, claims: Claims, rule: BodyHashRule): Task<void> {
  if (rule.optionalWhenEmpty === true && view.body.length === 0 && claims[rule.claim] === undefined) return;
  yield* checkHash(claims, rule, [view.body], 'body_hash_mismatch');
}

function* checkHash(
  claims: Claims,
  rule: { readonly claim: string; readonly enc: Encoding },
  parts: MessageParts,
  reason: 'body_hash_mismatch' | 'url_hash_mismatch',
): Task<void> {
  const claim = claims[rule.claim];
  if (claim === undefined) throw refuse('missing_claim');
  const given = typeof claim === 'string' ? decodeText(claim, rule.enc) : undefined;
  const expected = yield* digest('sha256', parts);
  if (given === undefined || !equalBytes(given, expected)) throw refuse(reason);
}
