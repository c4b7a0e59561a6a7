import { createHmac, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { sign } from '../../packages/client/src/verify/sign/sign.ts';
import type { SourceVerifierOptions } from './verifier.ts';
import { VerifierSettingsError, createSourceVerifier } from './verifier.ts';

const nowMs = 1_795_262_400_000;
const body = Buffer.from('{"a":1}');

function request(...headers: string[]) {
  return { method: 'POST', url: 'https://hooks.example.com/in/abc', headers, body, nowMs };
}

function signStamped(secret: string, ts: string): string {
  return `sha256=${createHmac('sha256', secret).update(`${ts}.`).update(body).digest('hex')}`;
}

function signStandard(key: Buffer): string {
  return `v1,${createHmac('sha256', key).update('m.1795262400.').update(body).digest('base64')}`;
}

function settingsError(options: SourceVerifierOptions): VerifierSettingsError {
  try {
    createSourceVerifier(options);
  } catch (error) {
    if (error instanceof VerifierSettingsError) return error;
    throw error;
  }
  throw new Error('the settings were accepted');
}

describe('a scheme of the user', () => {
  const verification = {
    alg: 'hmac-sha256',
    sig: { header: 'X-Signature', prefix: 'sha256=', enc: 'hex' },
    content: '{ts}.{body}',
    ts: { from: 'h:x-timestamp', unit: 's', past: 300, future: 300 },
    key: { decode: 'utf8' },
  };
  const verifier = createSourceVerifier({ provider: 'hmac', secrets: ['new', 'old'], verification });

  test('accepts what was signed with any of the secrets and says which', () => {
    const verdict = verifier.verify(
      request('x-timestamp', '1795262400', 'x-signature', signStamped('old', '1795262400')),
    );
    expect(verdict).toMatchObject({ ok: true, covers: 'body', secretIndex: 1 });
  });

  test('refuses an old request with the code of the public API', () => {
    const verdict = verifier.verify(
      request('x-timestamp', '1795262099', 'x-signature', signStamped('new', '1795262099')),
    );
    expect(verdict).toEqual({ ok: false, reason: 'timestamp_too_old', code: 'timestamp_out_of_tolerance' });
  });

  test('does not parse a body that it need not parse', () => {
    const verdict = verifier.verify(
      request('x-timestamp', '1795262400', 'x-signature', signStamped('new', '1795262400')),
    );
    expect(verdict).not.toHaveProperty('json');
  });

  test('every mistake is reported with its place and the fix', () => {
    const error = settingsError({
      provider: 'hmac',
      secrets: ['x'],
      verification: { alg: 'hmac-sha3', sig: { heder: 'x' }, content: '{ts}.{payload}', timestamp: {} },
    });
    expect(error.errors.map(({ pointer }) => pointer)).toEqual([
      '/verification/alg',
      '/verification/sig/heder',
      '/verification/sig',
      '/verification/content',
      '/verification/timestamp',
      '/verification/ts',
    ]);
    expect(error.errors[3]?.message).toContain('{payload} is not known: use {body}');
  });
});

describe('generic providers', () => {
  test('token: bearer by default, or a header of choice', () => {
    const bearer = createSourceVerifier({ provider: 'token', secrets: ['s3'] });
    expect(bearer.verify(request('Authorization', 'bearer s3'))).toMatchObject({
      ok: true,
      covers: 'nothing',
    });
    expect(bearer.verify(request('Authorization', 'Bearer no'))).toMatchObject({
      code: 'credentials_invalid',
    });
    const header = createSourceVerifier({
      provider: 'token',
      secrets: ['s3'],
      config: { headerName: 'X-Token' },
    });
    expect(header.verify(request('x-token', 's3'))).toMatchObject({ ok: true });
    expect(header.verify(request())).toMatchObject({ reason: 'missing_header', code: 'signature_missing' });
  });

  test('basic: unreadable credentials are credentials that are not valid', () => {
    const verifier = createSourceVerifier({ provider: 'basic', secrets: ['user:p:ss'] });
    const encoded = Buffer.from('user:p:ss').toString('base64');
    expect(verifier.verify(request('Authorization', `Basic ${encoded}`))).toMatchObject({ ok: true });
    expect(verifier.verify(request('Authorization', 'Basic %%%'))).toEqual({
      ok: false,
      reason: 'malformed_credentials',
      code: 'credentials_invalid',
    });
  });

  test('none accepts, and says that nothing is covered', () => {
    expect(createSourceVerifier({ provider: 'none', secrets: [] }).verify(request())).toMatchObject({
      ok: true,
      covers: 'nothing',
    });
  });
});

describe('settings that cannot work', () => {
  test.each([
    ['no secret', { provider: 'github', secrets: [] }, '/secrets'],
    ['empty secret', { provider: 'github', secrets: ['a', ''] }, '/secrets/1'],
    [
      'secret that does not decode',
      { provider: 'standard-webhooks', secrets: ['whsec_not base64!'] },
      '/secrets/0',
    ],
    ['unknown provider', { provider: 'gitbub', secrets: ['x'] }, '/provider'],
    ['hmac without a scheme', { provider: 'hmac', secrets: ['x'] }, '/verification'],
    ['no public key', { provider: 'discord', secrets: [] }, '/publicKey'],
    ['public key of the wrong form', { provider: 'discord', secrets: [], publicKey: 'abc' }, '/publicKey'],
    ['no topic', { provider: 'sns', secrets: [] }, '/config/topicArn'],
    ['no webhook id', { provider: 'paypal', secrets: [] }, '/config/webhookId'],
    ['no keys', { provider: 'wechatpay', secrets: [] }, '/keys'],
    ['no audience', { provider: 'google_chat', secrets: [] }, '/config/audience'],
  ] as const)('%s', (_name, options, pointer) => {
    const error = settingsError(options);
    expect(error.pointer).toBe(pointer);
    expect(error.message.length).toBeGreaterThan(10);
  });
});

test('where only the handshake is known, events wait until a scheme is set', () => {
  const events = createSourceVerifier({ provider: 'strava', secrets: [] });
  expect(events.verify(request())).toEqual({ ok: false, reason: 'scheme_unknown', code: 'source_not_ready' });
  const chosen = createSourceVerifier({ provider: 'strava', secrets: [], verification: { kind: 'none' } });
  expect(chosen.verify(request())).toMatchObject({ ok: true, covers: 'nothing' });
});

test('a timestamp that is not signed is refused in a scheme', () => {
  const verification = {
    alg: 'hmac-sha256',
    sig: { header: 'x-signature' },
    content: '{body}',
    ts: { from: 'h:x-timestamp', unit: 's', past: 300 },
  };
  const error = settingsError({ provider: 'hmac', secrets: ['x'], verification });
  expect(error.pointer).toBe('/verification/content');
  const signed = { ...verification, ts: { ...verification.ts, from: 'json:at' } };
  expect(() =>
    createSourceVerifier({ provider: 'hmac', secrets: ['x'], verification: signed }),
  ).not.toThrow();
});

test('two headers that a proxy joined are not read as a list of signatures', () => {
  const secret = Buffer.from('0123456789abcdef01234567');
  const verifier = createSourceVerifier({
    provider: 'standard-webhooks',
    secrets: [secret.toString('base64')],
  });
  const headers = ['webhook-id', 'm', 'webhook-timestamp', '1795262400', 'webhook-signature'];
  expect(verifier.verify(request(...headers, signStandard(secret)))).toMatchObject({ ok: true });
  const joined = `${signStandard(Buffer.from('another key'))}, ${signStandard(secret)}`;
  expect(verifier.verify(request(...headers, joined))).toMatchObject({ reason: 'ambiguous_header' });
});

test('a sender that changed its keys is believed as soon as its key set says so', async () => {
  const [old, fresh] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
  let published = old.publicKey;
  let calls = 0;
  const verifier = createSourceVerifier({
    provider: 'fal',
    secrets: [],
    fetch: () => {
      calls++;
      const text = JSON.stringify({ keys: [published.export({ format: 'jwk' })] });
      return Promise.resolve({ ok: true, text: () => Promise.resolve(text) });
    },
  });
  const ask = async (signer: typeof old, at: number) => {
    const privateKey = signer.privateKey.export({ type: 'pkcs8', format: 'pem' });
    const url = 'https://hooks.example.com/in/abc';
    const signed = await sign('fal', { body, url, privateKey, now: new Date(at) });
    return verifier.verify({ ...request(...signed.headers.flat()), nowMs: at });
  };
  expect(await ask(old, nowMs)).toMatchObject({ ok: true });
  published = fresh.publicKey;
  // Within a minute the set is not asked for again, whatever strangers send.
  expect(await ask(fresh, nowMs + 30_000)).toMatchObject({ ok: false, reason: 'bad_signature' });
  expect(calls).toBe(1);
  expect(await ask(fresh, nowMs + 61_000)).toMatchObject({ ok: true });
  expect(calls).toBe(2);
});

describe('fetched keys', () => {
  const options = { provider: 'google_chat', secrets: [], config: { audience: '1' } };
  const token = [{ alg: 'RS256', kid: 'k' }, {}]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');

  test('a key server that fails is our trouble, asked again only later', async () => {
    let calls = 0;
    const fetchDown = (): Promise<never> => {
      calls++;
      return Promise.reject(new Error('down'));
    };
    const verifier = createSourceVerifier({ ...options, fetch: fetchDown });
    const wrong = request('Authorization', `Bearer ${token}.AAAA`);
    expect(await verifier.verify(wrong)).toEqual({
      ok: false,
      reason: 'key_unavailable',
      code: 'source_not_ready',
    });
    // From the negative cache, so at once.
    expect(verifier.verify(wrong)).toMatchObject({ ok: false, reason: 'key_unavailable' });
    expect(calls).toBe(1);
  });
});
