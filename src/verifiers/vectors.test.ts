import { describe, expect, test } from 'vitest';
import { verify } from '../../packages/client/src/verify/verify.ts';
import type { Vector } from './vector-files.ts';
import { readSuites } from './vector-files.ts';
import { createSourceVerifier } from './verifier.ts';

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

describe.each(readSuites())('$provider', ({ provider, vectors }) => {
  test.each(vectors)('$id', async (vector) => {
    const options = optionsOf(provider, vector);
    const body = Buffer.from(vector.bodyBase64, 'base64');
    const { method, url, headers } = vector;
    const allowed = vector.expectAny ?? [vector.expect];

    const onNode = await createSourceVerifier(options).verify({
      method,
      url,
      headers: headers.flat(),
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
