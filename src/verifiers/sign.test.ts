import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { concatBytes, encodeBytes } from '../../packages/client/src/verify/bytes.ts';
import type { Provider } from '../../packages/client/src/verify/provider.ts';
import { providers } from '../../packages/client/src/verify/provider-table.ts';
import type { SignInput } from '../../packages/client/src/verify/sign/sign-input.ts';
import { sign } from '../../packages/client/src/verify/sign/sign.ts';
import { verify } from '../../packages/client/src/verify/verify.ts';
import type { SourceVerifierOptions, Verdict } from './verifier.ts';
import { createSourceVerifier } from './verifier.ts';
import type { Vector } from './vector-files.ts';
import { readSuites } from './vector-files.ts';

const now = new Date(1_795_262_400_000);
const certUrls: Record<string, string> = {
  paypal: 'https://api.paypal.com/v1/notifications/certs/CERT-1',
  sns: 'https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem',
};
const pairs = {
  ed25519: generateKeyPairSync('ed25519'),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
};

function pairOf({ scheme }: Provider): keyof typeof pairs {
  if (scheme?.kind === 'custom') return scheme.fn === 'ebay' ? 'ec' : scheme.fn === 'sns' ? 'rsa' : 'ed25519';
  if (scheme?.kind === 'jwt')
    return scheme.algs.includes('ES256') && scheme.key.from === 'jwks' ? 'ec' : 'rsa';
  if (scheme?.kind !== 'signature') return 'ed25519';
  return scheme.alg === 'ed25519' ? 'ed25519' : scheme.alg.startsWith('ecdsa') ? 'ec' : 'rsa';
}

function der(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const content = concatBytes(parts);
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 255];
  return concatBytes([Uint8Array.of(tag, ...length), content]);
}

// As much of a certificate as is read: its key and its dates. Its own signature is not checked,
// since the connection to the pinned host vouches for it.
function certificate(spki: Uint8Array): string {
  const time = (text: string): Uint8Array => der(0x17, Buffer.from(text));
  const empty = der(0x30);
  const validity = der(0x30, time('260101000000Z'), time('360101000000Z'));
  const body = der(0x30, der(0x02, Uint8Array.of(1)), empty, empty, validity, empty, spki);
  const base64 = encodeBytes(der(0x30, body, empty, der(0x03, Uint8Array.of(0))), 'base64');
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
}

function rawKey(spki: Uint8Array, format: string): string {
  const raw = spki.subarray(-32);
  return format === 'raw-hex' ? encodeBytes(raw, 'hex') : encodeBytes(raw, 'base64');
}

function recorded(id: string): Vector {
  const vectors = readSuites().find((suite) => suite.provider === id)?.vectors ?? [];
  const vector = vectors.find((each) => each.expect === 'ok' && each.policy !== true);
  if (vector === undefined) throw new Error(`no vector of ${id}`);
  return vector;
}

function publicKeyText(provider: Provider, spki: Uint8Array, pem: string): string {
  const { scheme } = provider;
  const format = scheme?.kind === 'signature' && scheme.key.from === 'publicKey' ? scheme.key.format : 'pem';
  if (format.startsWith('raw')) return rawKey(spki, format);
  return format === 'pem' ? pem : encodeBytes(spki, 'base64');
}

function usesKeySet({ scheme }: Provider): boolean {
  return scheme?.kind === 'jwt' ? scheme.key.from === 'jwks' : scheme?.kind === 'signature';
}

function setup(id: string, provider: Provider) {
  const vector = recorded(id);
  const pair = pairs[pairOf(provider)];
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
  const pem = pair.publicKey.export({ type: 'spki', format: 'pem' });
  const url = certUrls[id];
  const config = { ...vector.config, ...(url === undefined ? {} : { certUrl: url }) };
  const secrets = vector.secrets ?? [];
  const input: SignInput = {
    body: id === 'kinde' ? Buffer.from('{"type":"user.created"}') : Buffer.from(vector.bodyBase64, 'base64'),
    url: vector.url,
    headers: vector.headers.filter(([name]) => name.toLowerCase() === 'content-type'),
    secrets,
    privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ...(usesKeySet(provider) || provider.scheme?.kind === 'custom' ? { keyId: 'key-1' } : {}),
    config,
    now,
  };
  const jwks = { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'key-1' }] };
  const options: SourceVerifierOptions = {
    provider: id,
    secrets,
    config,
    publicKey: publicKeyText(provider, spki, pem),
    keys: { 'key-1': pem },
    ...(usesKeySet(provider) ? { jwks } : {}),
    fetch: (asked) => Promise.resolve({ ok: asked === url, text: () => Promise.resolve(certificate(spki)) }),
  };
  return { input, options };
}

async function judge(input: SignInput, options: SourceVerifierOptions): Promise<Verdict> {
  const request = await sign(options.provider, input);
  const { method, url, headers, body } = request;
  const onNode = await createSourceVerifier(options).verify({
    method,
    url,
    headers: headers.flat(),
    body,
    nowMs: now.getTime(),
  });
  const onWeb = await verify(request, { ...options, now });
  expect(onWeb.ok ? 'ok' : onWeb.reason).toBe(onNode.ok ? 'ok' : onNode.reason);
  return onNode;
}

function hasAgeLimit({ scheme }: Provider): boolean {
  if (scheme?.kind === 'jwt') return true;
  if (scheme?.kind === 'custom') return ['contentful', 'coinbase-cdp', 'mailchannels'].includes(scheme.fn);
  return scheme !== undefined && 'ts' in scheme && typeof scheme.ts?.past === 'number';
}

const signable = Object.entries(providers)
  .filter(([, { scheme }]) => scheme !== undefined)
  .map(([id, provider]) => ({ id, provider }));

describe.each(signable)('$id', ({ id, provider }) => {
  const { input, options } = setup(id, provider);

  test('what we sign as the provider verifies', async () => {
    expect(await judge(input, options)).toMatchObject({ ok: true });
  });

  test('a wrong signature or token does not', async () => {
    expect(await judge({ ...input, fault: 'signature' }, options)).toMatchObject({ ok: false });
  });

  test('a request without its proof does not', async () => {
    const verdict = await judge(withoutProof(input, id), options);
    expect(verdict).toMatchObject({ ok: false });
  });

  test.runIf(hasAgeLimit(provider))('a request of yesterday does not', async () => {
    expect(await judge({ ...input, fault: 'timestamp' }, options)).toMatchObject({
      ok: false,
      code: 'timestamp_out_of_tolerance',
    });
  });

  test('a changed body does not, where the provider signs it', async () => {
    const honest = await judge(input, options);
    const tampered = await judge({ ...input, fault: 'body' }, options);
    if (honest.ok && honest.covers === 'body') expect(tampered).toMatchObject({ ok: false });
    // Where nothing is signed the change cannot be seen, which is why `covers` is shown.
    if (honest.ok && honest.covers === 'nothing') expect(tampered).toMatchObject({ ok: true });
  });
});

// Recorded bodies carry their proof inside where the provider puts it there.
function withoutProof(input: SignInput, id: string): SignInput {
  const isInBody = [
    'mailgun',
    'braintree',
    'dropbox_sign',
    'figma',
    'msgraph',
    'sns',
    'unisender_go',
  ].includes(id);
  const url = input.url.replace(/\?.*$/, '');
  return { ...input, url, fault: 'missing-header', ...(isInBody ? { body: Buffer.from('{}') } : {}) };
}
