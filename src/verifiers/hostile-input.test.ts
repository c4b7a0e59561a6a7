import { expect, test } from 'vitest';
import { readSuites } from './vector-files.ts';
import type { Vector } from './vector-files.ts';
import { createSourceVerifier } from './verifier.ts';

const bytes = 256 * 1024;

function filled(piece: (index: number) => string): string {
  let text = '';
  for (let index = 0; text.length < bytes; index++) text += piece(index);
  return text.slice(0, bytes);
}

/** Bodies that make a step which is not linear in their length show it. */
const hostileBodies = [
  ['many parameters', filled((index) => `k${index.toString(36)}=v&`)],
  ['one parameter again and again', filled(() => 'a=b&')],
  ['signatures in a form', `bt_payload=x&bt_signature=${filled(() => 'k%7C0%26')}`],
  ['nested lists', filled(() => '[')],
  ['many fields', `{${filled((index) => `"k${index}":1,`)}"z":1}`],
  ['many items', `{"value":[${filled(() => '{"clientState":"x"},')}{}]}`],
  ['open elements', filled(() => '<OrganizationId><![CDATA[')],
  ['one long element', `<${filled(() => 'a')}`],
  ['white space', `{"auth"${filled(() => ' ')}`],
  ['dots', filled(() => '.')],
  ['boundaries', filled(() => '--b\r\n\r\n')],
] as const;

const media = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=b'];

function verifierFor(provider: string, vector: Vector) {
  const { secrets = [], publicKey, keys, jwks, config } = vector;
  return createSourceVerifier({
    provider,
    secrets,
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(keys === undefined ? {} : { keys }),
    ...(jwks === undefined ? {} : { jwks }),
    ...(config === undefined ? {} : { config }),
    fetch: () => Promise.resolve({ ok: false, text: () => Promise.resolve('') }),
  });
}

/** Processor time in milliseconds, which other programs on the machine do not change. */
async function cpuMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

// What is quadratic takes seven seconds for one of these bodies, what is linear some milliseconds.
test.each(readSuites())('$provider: no body holds the process', async ({ provider, vectors }) => {
  const vector = vectors.find((each) => each.expect === 'ok') ?? vectors[0];
  if (vector === undefined) throw new Error('there is no vector');
  const verifier = verifierFor(provider, vector);
  const { method, url, now } = vector;
  const headers = vector.headers.filter(([name]) => name.toLowerCase() !== 'content-type').flat();
  for (const [name, text] of hostileBodies) {
    const body = Buffer.from(text);
    for (const type of media) {
      const request = {
        method,
        url,
        headers: [...headers, 'content-type', type],
        body,
        nowMs: now * 1000,
      };
      const spentMs = await cpuMs(async () => {
        await verifier.handshake(request);
        await verifier.verify(request);
      });
      expect(spentMs, name).toBeLessThan(1_500);
    }
  }
});
