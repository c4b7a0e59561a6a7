import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { verify } from '../../packages/client/src/verify/verify.ts';
import { createSourceVerifier } from './verifier.ts';

interface Vector {
  readonly kind: 'vector';
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly bodyBase64: string;
  readonly now: number;
  readonly expect: string;
  readonly expectAny?: readonly string[];
  readonly policy?: boolean;
  readonly secrets?: readonly string[];
  readonly publicKey?: string;
  readonly keys?: Readonly<Record<string, string>>;
  readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] };
  readonly config?: Readonly<Record<string, string>>;
  readonly fetches?: Readonly<Record<string, string>>;
}

const folder = new URL('../../packages/client/src/verify/vectors/', import.meta.url);

function readVectors(file: string): Vector[] {
  const lines = readFileSync(new URL(file, folder), 'utf8').trim().split('\n');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own test data
  const entries = lines.map((line) => JSON.parse(line) as Vector);
  return entries.filter((entry) => entry.kind === 'vector');
}

const suites = readdirSync(folder)
  .filter((name) => name.endsWith('.jsonl'))
  .map((name) => ({ provider: name.replace('.jsonl', ''), vectors: readVectors(name) }))
  .filter(({ vectors }) => vectors.length > 0);

function optionsOf(provider: string, vector: Vector) {
  const { secrets = [], publicKey, keys, jwks, config, fetches = {} } = vector;
  return {
    provider,
    secrets,
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(keys === undefined ? {} : { keys }),
    ...(jwks === undefined ? {} : { jwks }),
    ...(config === undefined ? {} : { config }),
    fetch: (url: string) => {
      const text = fetches[url];
      return Promise.resolve({ ok: text !== undefined, text: () => Promise.resolve(text ?? '') });
    },
  };
}

describe.each(suites)('$provider', ({ provider, vectors }) => {
  test.each(vectors)('$id', async (vector) => {
    const options = optionsOf(provider, vector);
    const body = Buffer.from(vector.bodyBase64, 'base64');
    const { method, url, headers } = vector;
    const allowed = vector.expectAny ?? [vector.expect];

    const onNode = await createSourceVerifier(options).verify({
      method,
      url,
      rawHeaders: headers.flat(),
      body,
      nowMs: vector.now * 1000,
    });
    expect(allowed).toContain(onNode.ok ? 'ok' : onNode.reason);

    const onWeb = await verify(
      { method, url, headers, body },
      { ...options, now: new Date(vector.now * 1000) },
    );
    // The same interpreter, so the same words.
    expect(onWeb.ok ? 'ok' : onWeb.reason).toBe(onNode.ok ? 'ok' : onNode.reason);
    expect(onWeb.ok && onWeb.secretIndex).toBe(onNode.ok && onNode.secretIndex);
  });
});
