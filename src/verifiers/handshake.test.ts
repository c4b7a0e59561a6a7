import { describe, expect, test } from 'vitest';
import { answers, handshake } from '../../packages/client/src/verify/answers.ts';
import { findProvider } from '../../packages/client/src/verify/provider-table.ts';
import type { HandshakeCase } from './vector-files.ts';
import { readHandshakes, readSuites } from './vector-files.ts';
import { createSourceVerifier } from './verifier.ts';

interface Answered {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

function credentialsOf({ secrets, publicKey, config }: HandshakeCase) {
  return {
    ...(secrets === undefined ? {} : { secrets }),
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(config === undefined ? {} : { config }),
  };
}

async function answerOnWeb(provider: string, given: HandshakeCase): Promise<Answered | undefined> {
  const { request, now = 1_795_262_400 } = given;
  const { method, url, headers, bodyBase64 = '' } = request;
  const body = Buffer.from(bodyBase64, 'base64');
  const options = { ...credentialsOf(given), now: new Date(now * 1000) };
  return handshake(provider, { method, url, headers, body }, options);
}

const suites = readSuites();

/** Cases give what answering takes; a source of the gateway must have what its events take as well. */
async function answerOnNode(provider: string, given: HandshakeCase): Promise<Answered | undefined> {
  const { request, now = 1_795_262_400 } = given;
  const { method, url, headers, bodyBase64 = '' } = request;
  const event = suites.find((suite) => suite.provider === provider)?.vectors[0];
  const learns = findProvider(provider)?.handshakes?.some((rule) => rule.learns !== undefined) === true;
  const verifier = createSourceVerifier({
    provider,
    secrets: learns ? [] : (event?.secrets ?? []),
    ...(event?.publicKey === undefined ? {} : { publicKey: event.publicKey }),
    ...(event?.keys === undefined ? {} : { keys: event.keys }),
    ...credentialsOf(given),
    config: { ...event?.config, ...given.config },
  });
  const body = Buffer.from(bodyBase64, 'base64');
  return verifier.handshake({ method, url, headers: headers.flat(), body, nowMs: now * 1000 });
}

describe.each(readHandshakes())('$provider', ({ provider, cases }) => {
  test.each(cases)('$id', async (given) => {
    const { response } = given;
    const asked = await answerOnWeb(provider, given);
    // A signed question that does not prove itself is refused like an event.
    const isRefused = given.response.status === 401;
    const answered: Answered = asked ?? (isRefused ? answers(provider).refusal : answers(provider).success);
    const body = answered.body ?? '';
    expect(response.statusIn ?? [response.status]).toContain(answered.status);
    expect(answered.headers ?? {}).toMatchObject(response.headers ?? {});
    if (response.bodyText !== undefined) expect(body).toBe(response.bodyText);
    if (response.bodyJson !== undefined) expect(JSON.parse(body)).toEqual(response.bodyJson);
    if (response.bodyContains !== undefined) expect(body).toContain(response.bodyContains);
    if (response.bodyJsonOrText !== undefined) expect(body).toBe(response.bodyJsonOrText.text);
    // The same rules on node:crypto, so the same answer to the byte.
    expect(await answerOnNode(provider, given)).toEqual(asked);
  });
});

const nowMs = 1_795_262_400_000;

function question(method: string, url: string, headers: string[], body: string) {
  return { method, url: `https://h.example.com/in/x${url}`, headers, body: Buffer.from(body), nowMs };
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

  const vector = suites
    .find(({ provider }) => provider === 'sns')
    ?.vectors.find(({ id }) => id === 'sns/ok-4-subscription-confirmation');
  if (vector === undefined) throw new Error('the vector is not there');
  const message = JSON.parse(Buffer.from(vector.bodyBase64, 'base64').toString()) as Record<string, string>;
  const certificate = message['SigningCertURL'] ?? '';
  const confirmation = message['SubscribeURL'] ?? '';

  /** What is fetched while the confirmation is answered, and the answer. */
  async function confirm(pages: Readonly<Record<string, string>>, topicArn = message['TopicArn'] ?? '') {
    const fetched: string[] = [];
    const verifier = createSourceVerifier({
      provider: 'sns',
      secrets: [],
      config: { topicArn },
      fetch: (url) => {
        fetched.push(url);
        const text = pages[url] ?? '';
        return Promise.resolve({ ok: text !== '', text: () => Promise.resolve(text) });
      },
    });
    const headers = vector?.headers.flat() ?? [];
    const body = Buffer.from(vector?.bodyBase64 ?? '', 'base64');
    const url = vector?.url ?? '';
    const request = { method: 'POST', url, headers, body, nowMs: (vector?.now ?? 0) * 1000 };
    const answer = await verifier.handshake(request);
    return { fetched, answer, verdict: answer === undefined ? await verifier.verify(request) : undefined };
  }
  const pages = { [certificate]: vector.fetches?.[certificate] ?? '', [confirmation]: '<Confirmed/>' };

  test('fetches the certificate, then the confirmation, and answers 200', async () => {
    const { fetched, answer } = await confirm(pages);
    expect(fetched).toEqual([certificate, confirmation]);
    expect(answer).toMatchObject({ status: 200 });
  });

  test('has the service ask again when the confirmation fails', async () => {
    const { answer } = await confirm({ ...pages, [confirmation]: '' });
    expect(answer).toMatchObject({ status: 503 });
  });

  test('confirms no other topic, and nothing whose certificate is not there', async () => {
    const other = await confirm(pages, 'arn:aws:sns:us-east-1:999999999999:other');
    expect(other.fetched).toEqual([certificate]);
    expect(other.verdict).toMatchObject({ ok: false, reason: 'bad_claim' });
    const unproven = await confirm({ [confirmation]: '<Confirmed/>' });
    expect(unproven.fetched).toEqual([certificate]);
    expect(unproven.verdict).toMatchObject({ ok: false, code: 'source_not_ready' });
  });
});
