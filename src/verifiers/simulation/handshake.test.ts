import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  handshakeName,
  handshakeObstacle,
  simulateHandshake,
} from '../../../packages/client/src/simulate/handshake.ts';
import type { HandshakeRule } from '../../../packages/client/src/verify/handshake-rule.ts';
import { providers } from '../../../packages/client/src/verify/provider-table.ts';
import { textTokens } from '../../../packages/client/src/verify/text-template.ts';
import { createVerifiers } from '../verifiers.ts';
import { buildSource } from '../../testing/setting-builders.ts';
import { makeKeys } from './made-keys.ts';

const now = new Date(1_795_262_400_000);
const url = 'https://hooks.example.com/in/abc123';
const blank = buildSource({ provider: 'none', secrets: [], config: {} });

const questions = Object.entries(providers).flatMap(([id, { handshakes = [] }]) =>
  handshakes
    .filter((rule) => handshakeObstacle(rule) === undefined)
    .map((rule) => ({ id, rule, name: handshakeName(rule) })),
);

// Of settings that decide between questions, those that this one is asked with.
function optionsOf({ when = [], atMost }: HandshakeRule): Record<string, string> {
  const decided = [...when, atMost?.limit ?? '']
    .flatMap(textTokens)
    .flatMap(({ reference, condition, absent }) => {
      const name = reference.startsWith('cfg:') && !absent ? reference.slice('cfg:'.length) : undefined;
      const value = condition === undefined || condition === '*' ? '120' : condition;
      return name === undefined ? [] : [[name, value] as const];
    });
  return Object.fromEntries(decided);
}

test('most questions of the table can be asked', () => {
  expect(questions.length).toBeGreaterThan(25);
});

describe.each(questions)('$id: $name', ({ id, rule }) => {
  test('is answered by the real verifier as the provider wants it', async () => {
    const { signing, source } = makeKeys(id, optionsOf(rule));
    expect(handshakeObstacle(rule, signing.config)).toBeUndefined();
    const { config, secrets, verification = null } = source;
    const verifier = createVerifiers().compile({ ...blank, provider: id, config, verification }, secrets);
    const { request, wanted } = await simulateHandshake(id, rule, { url, keys: signing, now });
    const { method, url: called, headers, body } = request;
    const asked = { method, url: called, headers: headers.flat(), body, nowMs: now.getTime() };
    const answer = await verifier.handshake(asked);
    expect(answer).toMatchObject(wanted);
    expect(wanted.status).toBeLessThan(300);
  });
});

async function ask(id: string) {
  const rule = providers[id]?.handshakes?.[0];
  const { signing } = makeKeys(id);
  if (rule === undefined) throw new Error(`${id} asks nothing`);
  const { request, wanted } = await simulateHandshake(id, rule, { url, keys: signing, now });
  return {
    wanted,
    secret: signing.secrets?.[0] ?? '',
    text: Buffer.from(request.body).toString(),
    request,
  };
}

test('what is wanted follows from the question and the secret', async () => {
  const slack = await ask('slack');
  expect(JSON.parse(slack.text)).toEqual({ type: 'url_verification', challenge: slack.wanted.body });
  const meta = await ask('meta');
  expect(new URL(meta.request.url).searchParams.get('hub.challenge')).toBe(meta.wanted.body);
  const zoom = await ask('zoom');
  const { payload } = JSON.parse(zoom.text) as { payload: { plainToken: string } };
  const encryptedToken = createHmac('sha256', zoom.secret).update(payload.plainToken).digest('hex');
  expect(JSON.parse(zoom.wanted.body)).toEqual({ plainToken: payload.plainToken, encryptedToken });
});

function obstacles(id: string, config: Readonly<Record<string, string>>) {
  const rules = providers[id]?.handshakes ?? [];
  return Object.fromEntries(rules.map((rule) => [handshakeName(rule), handshakeObstacle(rule, config)]));
}

test('of questions that settings decide between, the one of the source is asked', () => {
  expect(obstacles('cloudevents', {})).toEqual({
    'OPTIONS webhook-request-origin allowedRate=* allowedOrigin=*':
      'the source has no allowedRate in its config',
    'OPTIONS webhook-request-origin allowedRate=*': 'the source has no allowedRate in its config',
    'OPTIONS webhook-request-origin allowedOrigin=*': 'the source has no allowedOrigin in its config',
    'OPTIONS webhook-request-origin': undefined,
  });
  const pinned = Object.entries(obstacles('cloudevents', { allowedOrigin: 'events.example.com' }));
  expect(pinned.filter(([, obstacle]) => obstacle === undefined).map(([name]) => name)).toEqual([
    'OPTIONS webhook-request-origin allowedOrigin=*',
  ]);
  expect(obstacles('meta', {})).toMatchObject({
    [handshakeName(providers['meta']?.handshakes?.[0] ?? { answer: { status: 0 } })]:
      'the source has no verifyToken in its config',
  });
});

test('a refusal is no question, and the end of a subscription only where the source wants it', () => {
  const topic = 'https://blog.example.com/feed';
  const end = 'GET hub.mode=unsubscribe hub.challenge unsubscribe=true';
  expect(obstacles('websub', { topic, unsubscribe: 'true' })).toMatchObject({
    [end]: undefined,
    'GET hub.mode=unsubscribe': 'the answer is a refusal',
  });
  expect(obstacles('websub', { topic, unsubscribe: 'no' })).toMatchObject({
    [end]: 'the source has not unsubscribe: "true" in its config',
  });
});

test('a hub asks for as long a lease as the source takes', async () => {
  const rule = providers['websub']?.handshakes?.[0] ?? { answer: { status: 0 } };
  const { signing } = makeKeys('websub', { leaseSeconds: '3600' });
  const { request, wanted } = await simulateHandshake('websub', rule, { url, keys: signing, now });
  const asked = new URL(request.url).searchParams;
  expect(asked.get('hub.lease_seconds')).toBe('3600');
  expect(asked.get('hub.topic')).toBe(signing.config['topic']);
  expect(wanted).toMatchObject({ status: 200, body: asked.get('hub.challenge') });
});
