import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { Problem } from '../domain/problem.ts';
import type { Source } from '../domain/settings.ts';
import { buildSource } from '../testing/setting-builders.ts';
import { createVerifiers } from './verifiers.ts';

const source = buildSource({ provider: 'github', secrets: [], config: {} });
const verifiers = createVerifiers();
const body = Buffer.from('{"action":"opened","repository":{"full_name":"acme/web"},"issue":{"number":3}}');

test('a source becomes a verifier that proves, identifies and hands on the parsed body', () => {
  const verifier = verifiers.compile(source, ['s']);
  const signature = `sha256=${createHmac('sha256', 's').update(body).digest('hex')}`;
  const headers = ['X-GitHub-Event', 'issues', 'X-GitHub-Delivery', 'd', 'X-Hub-Signature-256', signature];
  const request = { method: 'POST', url: 'https://h.example.com/in/k', headers, body, nowMs: 0 };
  expect(verifier.handshake(request)).toBeUndefined();
  expect(verifier.verify(request)).toEqual({
    ok: true,
    covers: 'body',
    secretIndex: 0,
    event: { type: 'com.github.issues.opened', id: 'd', key: 'acme/web#3' },
    json: JSON.parse(body.toString()) as unknown,
  });
  expect(verifier.successAnswer).toBeNull();
});

test('fields of the provider may be written as the REST API writes names', () => {
  const config = { verify_token: 'v' };
  const verifier = verifiers.compile({ ...source, provider: 'meta', config }, ['s']);
  const url = 'https://h.example.com/in/k?hub.mode=subscribe&hub.verify_token=v&hub.challenge=7';
  const question = { method: 'GET', url, headers: [], body: Buffer.alloc(0), nowMs: 0 };
  expect(verifier.handshake(question)).toMatchObject({ status: 200, body: '7' });
});

function problem(changed: Partial<Source>): Problem {
  try {
    verifiers.compile({ ...source, ...changed }, ['s']);
  } catch (error) {
    if (error instanceof Problem) return error;
  }
  throw new Error('accepted');
}

test('every setting that cannot work is pointed at', () => {
  const pointers = (changed: Partial<Source>): string[] =>
    problem(changed).errors.map((each) => each.pointer);
  expect(pointers({ config: { keys: 'x', jwks: [] } })).toEqual(['/config/keys', '/config/jwks']);
  expect(pointers({ provider: 'nobody' })).toEqual(['/provider']);
  expect(pointers({ provider: 'hmac', verification: { alg: 'hmac-sha256' } })).toEqual([
    '/verification/sig',
    '/verification/content',
  ]);
  expect(problem({ provider: 'nobody' }).code).toBe('validation_failed');
});

test('the list of providers has the built-in and the generic ones', () => {
  expect(verifiers.providers()).toEqual(expect.arrayContaining(['github', 'hmac', 'none', 'stripe']));
  expect(verifiers.providers().length).toBeGreaterThan(165);
});
