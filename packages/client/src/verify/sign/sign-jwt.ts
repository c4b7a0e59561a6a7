import { encodeBytes, fromUtf8, utf8 } from '../bytes.ts';
import type { Task } from '../operation.ts';
import { digest, hmac } from '../operation.ts';
import { isRecord } from '../reference.ts';
import type { Encoding, JwtAlgorithm, JwtScheme } from '../scheme.ts';
import type { Draft } from './draft.ts';
import type { SignInput } from './sign-input.ts';
import { faulty, rawSigned, signingKey, signingSecret } from './signing-keys.ts';

const hmacHashes = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' } as const;
const publicAlgorithms = { RS256: 'rsa-sha256', ES256: 'ecdsa-p256-sha256', EdDSA: 'ed25519' } as const;

/** Adds a token whose claims bind the draft as the scheme says. */
export function* signJwt(scheme: JwtScheme, draft: Draft, input: SignInput): Task<void> {
  if (input.fault === 'missing-header') {
    if (scheme.token === 'body') draft.setBody('');
    return;
  }
  const alg = scheme.algs[0] ?? 'HS256';
  const claims = yield* claimsOf(scheme, draft, input);
  const header = { alg, ...(input.keyId === undefined ? {} : { kid: input.keyId }), typ: 'JWT' };
  const signingInput = `${encodeJson(header)}.${encodeJson(claims)}`;
  const signature = faulty(yield* tokenSignature(alg, signingInput, input), input);
  const token = `${signingInput}.${encodeBytes(signature, 'base64url')}`;
  if (scheme.token === 'body') draft.setBody(token);
  else if (scheme.token === 'bearer') draft.setHeader('authorization', `Bearer ${token}`);
  else draft.set(scheme.token, token);
}

function* tokenSignature(alg: JwtAlgorithm, signingInput: string, input: SignInput): Task<Uint8Array> {
  if (alg === 'HS256' || alg === 'HS384' || alg === 'HS512') {
    return yield* hmac(hmacHashes[alg], signingSecret(input).bytes, [signingInput]);
  }
  return yield* rawSigned(publicAlgorithms[alg], signingKey(input), [signingInput]);
}

function* claimsOf(scheme: JwtScheme, draft: Draft, input: SignInput): Task<Record<string, unknown>> {
  const claims = {
    ...(scheme.token === 'body' ? bodyClaims(draft) : {}),
    ...fixedClaims(scheme, draft, input),
  };
  const now = Math.floor(draft.nowMs / 1000);
  claims['iat'] = now;
  claims['exp'] = now + 300;
  for (const claim of scheme.requiredClaims ?? []) claims[claim] ??= crypto.randomUUID();
  const { bodyHash, urlHash } = scheme;
  if (bodyHash !== undefined) claims[bodyHash.claim] = yield* hashOf(draft.body, bodyHash.enc);
  if (urlHash !== undefined) claims[urlHash.claim] = yield* hashOf(utf8(draft.url), urlHash.enc);
  return claims;
}

function fixedClaims(scheme: JwtScheme, draft: Draft, input: SignInput): Record<string, unknown> {
  const configured = (key: string | undefined): string | undefined =>
    key === undefined ? undefined : input.config?.[key];
  const named: Record<string, unknown> = {
    iss: scheme.issuerConfig === undefined ? scheme.issuers?.[0] : configured(scheme.issuerConfig),
    aud: configured(scheme.audienceConfig),
    sub: scheme.subjectIsUrl === true ? draft.url : undefined,
  };
  for (const [claim, value] of Object.entries(scheme.claimEquals ?? {})) {
    named[claim] = typeof value === 'string' && value.startsWith('cfg:') ? configured(value.slice(4)) : value;
  }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

function bodyClaims(draft: Draft): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(fromUtf8(draft.body));
    return isRecord(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

function* hashOf(bytes: Uint8Array, enc: Encoding): Task<string> {
  return encodeBytes(yield* digest('sha256', [bytes]), enc);
}

function encodeJson(value: unknown): string {
  return encodeBytes(utf8(JSON.stringify(value)), 'base64url');
}
