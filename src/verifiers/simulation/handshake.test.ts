import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  handshakeName,
  handshakeObstacle,
  simulateHandshake,
} from '../../../packages/client/src/simulate/handshake.ts';
import { providers } from '../../../packages/client/src/verify/provider-table.ts';
import type { Source } from '../../domain/settings.ts';
import { createVerifiers } from '../verifiers.ts';
import { makeKeys } from './made-keys.ts';

const now = new Date(1_795_262_400_000);
const url = 'https://hooks.example.com/in/abc123';
const blank: Source = {
  id: 'src_1',
  tenant: 'default',
  name: 'simulated',
  provider: 'none',
  ingestKey: 'abc123',
  enabled: true,
  secrets: [],
  config: {},
  verification: null,
  dedupe: { key: null, windowMs: 1000 },
  allowedIps: [],
  contentTypes: [],
  maxBodyBytes: 1000,
  schema: null,
  useCatalogue: false,
  onInvalid: 'reject',
  rateLimit: null,
  createdAt: 0,
  updatedAt: 0,
};

const questions = Object.entries(providers).flatMap(([id, { handshakes = [] }]) =>
  handshakes
    .filter((rule) => handshakeObstacle(rule) === undefined)
    .map((rule) => ({ id, rule, name: handshakeName(rule) })),
);

test('most questions of the table can be asked', () => {
  expect(questions.length).toBeGreaterThan(25);
});

describe.each(questions)('$id: $name', ({ id, rule }) => {
  test('is answered by the real verifier as the provider wants it', async () => {
    const { signing, source } = makeKeys(id);
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
