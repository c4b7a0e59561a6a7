import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { isRecord } from '../../packages/client/src/verify/reference.ts';
import { createSourceVerifier } from './verifier.ts';

// The page's examples, taken from the page: what a reader copies is what runs here.
const page = readFileSync(new URL('../../docs/guides/add-a-provider.md', import.meta.url), 'utf8');

function block(language: string): string {
  const text = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1];
  if (text === undefined) throw new Error(`the page has no ${language} block`);
  return text;
}

function example() {
  const source: unknown = parse(block('yaml'));
  if (!isRecord(source) || !isRecord(source['config'])) throw new Error('the source is not readable');
  const config = Object.fromEntries(
    Object.entries(source['config']).map(([name, value]) => [name, String(value)]),
  );
  const secrets = Array.isArray(source['secrets']) ? source['secrets'].map(String) : [];
  return createSourceVerifier({ provider: 'hmac', secrets, config, verification: source['verification'] });
}

function httpRequest() {
  const [head = '', body = ''] = block('http').trimEnd().split('\n\n');
  const headers = head
    .split('\n')
    .slice(1)
    .flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]);
  return {
    method: 'POST',
    url: 'https://hooks.example.com/in/KEY',
    headers,
    body: Buffer.from(body),
    nowMs: Date.parse('2026-11-21T12:00:00Z'),
  };
}

test('the request on the page is accepted and becomes the event that the page tells', () => {
  expect(example().verify(httpRequest())).toMatchObject({
    ok: true,
    covers: 'body',
    event: { type: 'order.paid', id: 'dlv-1', key: 'cus_9', timeMs: 1_795_262_395_000 },
  });
});

test('the same request is refused with another body, later, or without its signature', () => {
  const request = httpRequest();
  const verifier = example();
  expect(verifier.verify({ ...request, body: Buffer.from('{}') })).toMatchObject({ reason: 'bad_signature' });
  expect(verifier.verify({ ...request, nowMs: request.nowMs + 301_000 })).toMatchObject({
    reason: 'timestamp_too_old',
  });
  expect(verifier.verify({ ...request, headers: [] })).toMatchObject({ reason: 'missing_header' });
});

test('the vector on the page gets its verdict', () => {
  const vector: unknown = JSON.parse(block('json'));
  if (!isRecord(vector) || !Array.isArray(vector['headers'])) throw new Error('the vector is not readable');
  const request = {
    ...httpRequest(),
    headers: (vector['headers'] as unknown[][]).flat().map(String),
    body: Buffer.from(String(vector['bodyBase64']), 'base64'),
    nowMs: Number(vector['now']) * 1000,
  };
  expect(example().verify(request)).toMatchObject({ reason: vector['expect'] });
});

function withoutSpace(text: string): string {
  return text.replaceAll(/\s+/g, '');
}

test('the entry on the page is one of the table', () => {
  const table = readFileSync(
    new URL('../../packages/client/src/verify/providers/work.ts', import.meta.url),
    'utf8',
  );
  expect(withoutSpace(table)).toContain(withoutSpace(block('ts')));
});
