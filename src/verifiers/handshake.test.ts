import { describe, expect, test } from 'vitest';
import { answers, handshake } from '../../packages/client/src/verify/answers.ts';
import { findProvider } from '../../packages/client/src/verify/provider-table.ts';
import type { HandshakeCase } from './vector-files.ts';
import { readHandshakes } from './vector-files.ts';
import { createSourceVerifier } from './verifier.ts';

interface Answered {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

// A signed question that does not prove itself is refused like an event.
async function respond(provider: string, given: HandshakeCase): Promise<Answered> {
  const { request, secrets, publicKey, config, now = 1_795_262_400 } = given;
  const { method, url, headers, bodyBase64 = '' } = request;
  const answered = await handshake(
    provider,
    { method, url, headers, body: Buffer.from(bodyBase64, 'base64') },
    {
      ...(secrets === undefined ? {} : { secrets }),
      ...(publicKey === undefined ? {} : { publicKey }),
      ...(config === undefined ? {} : { config }),
      now: new Date(now * 1000),
    },
  );
  if (answered !== undefined) return answered;
  return given.response.status === 401 ? answers(provider).refusal : answers(provider).success;
}

describe.each(readHandshakes())('$provider', ({ provider, cases }) => {
  test.each(cases)('$id', async (given) => {
    const { response } = given;
    const answered = await respond(provider, given);
    const body = answered.body ?? '';
    expect(response.statusIn ?? [response.status]).toContain(answered.status);
    expect(answered.headers ?? {}).toMatchObject(response.headers ?? {});
    if (response.bodyText !== undefined) expect(body).toBe(response.bodyText);
    if (response.bodyJson !== undefined) expect(JSON.parse(body)).toEqual(response.bodyJson);
    if (response.bodyContains !== undefined) expect(body).toContain(response.bodyContains);
    if (response.bodyJsonOrText !== undefined) expect(body).toBe(response.bodyJsonOrText.text);
  });
});

const nowMs = 1_795_262_400_000;

function question(method: string, url: string, rawHeaders: string[], body: string) {
  return { method, url: `https://h.example.com/in/x${url}`, rawHeaders, body: Buffer.from(body), nowMs };
}

describe('a secret that comes with the first request', () => {
  const asked = question('POST', '', ['X-Hook-Secret', 's1'], '{}');

  test('is learned by a source without a secret', () => {
    const pending = createSourceVerifier({ provider: 'asana', secrets: [] });
    expect(pending.handshake(asked)).toEqual({
      status: 200,
      headers: { 'x-hook-secret': 's1' },
      body: '',
      learnedSecret: 's1',
    });
    // Our side is not ready: the sender is told to try again, and nothing is accepted unproven.
    expect(pending.verify(question('POST', '', [], '{}'))).toMatchObject({
      ok: false,
      code: 'source_not_ready',
    });
  });

  test('never replaces a secret', () => {
    const established = createSourceVerifier({ provider: 'asana', secrets: ['s0'] });
    expect(established.handshake(asked)).toBeUndefined();
    expect(established.verify(asked)).toMatchObject({ ok: false, code: 'signature_missing' });
  });
});

test('an echo is plain text that no browser takes for a page, and is bounded', () => {
  const verifier = createSourceVerifier({ provider: 'dropbox', secrets: ['x'] });
  expect(verifier.handshake(question('GET', '?challenge=%3Cscript%3E', [], ''))).toEqual({
    status: 200,
    headers: { 'content-type': 'text/plain', 'x-content-type-options': 'nosniff' },
    body: '<script>',
  });
  expect(verifier.handshake(question('GET', `?challenge=${'x'.repeat(5000)}`, [], ''))).toBeUndefined();
});

test('an event is no handshake', () => {
  const verifier = createSourceVerifier({ provider: 'slack', secrets: ['x'] });
  const body = '{"type":"event_callback","event":{"text":"url_verification"}}';
  expect(verifier.handshake(question('POST', '', [], body))).toBeUndefined();
});

describe('confirmation of a topic', () => {
  const rules = findProvider('sns')?.handshakes ?? [];

  test('calls only the address of the service itself, and only for a proven request', () => {
    expect(rules[0]).toMatchObject({ verified: true });
    const pattern = new RegExp(rules[0]?.confirm?.hostPattern ?? '$^');
    expect(pattern.test('sns.us-east-1.amazonaws.com')).toBe(true);
    expect(pattern.test('sns.us-east-1.amazonaws.com.evil.example')).toBe(false);
    expect(pattern.test('localhost')).toBe(false);
  });
});
