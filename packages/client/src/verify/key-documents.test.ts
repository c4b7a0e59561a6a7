import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createKeyFetch } from './key-fetch.ts';
import type { FetchLike } from './key-fetch.ts';
import { createVerifier } from './verify.ts';

const startMs = 1_795_262_400_000;
const url = 'https://h.example.com/in/x';

const pair = await crypto.subtle.generateKey(
  { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' },
  true,
  ['sign', 'verify'],
);
const jwk = await crypto.subtle.exportKey('jwk', pair.publicKey);

function base64url(value: unknown): string {
  return Buffer.from(value instanceof Uint8Array ? value : JSON.stringify(value)).toString('base64url');
}

async function bearer(kid: string, nowMs: number): Promise<string> {
  const claims = { iss: 'chat@system.gserviceaccount.com', aud: '1', exp: nowMs / 1000 + 60 };
  const input = `${base64url({ alg: 'RS256', kid })}.${base64url(claims)}`;
  const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', pair.privateKey, Buffer.from(input));
  return `Bearer ${input}.${base64url(new Uint8Array(signature))}`;
}

/** A key server whose answer can be changed, and a Google Chat source that asks it. */
function arrange() {
  const server = { calls: 0, answer: (): Response => new Response(keySet('k1')) };
  const fetchLike: FetchLike = () => {
    server.calls += 1;
    return Promise.resolve(server.answer());
  };
  const verifier = createVerifier({ provider: 'google_chat', config: { audience: '1' }, fetch: fetchLike });
  const ask = async (kid: string, nowMs: number): Promise<string> => {
    const headers = { authorization: await bearer(kid, nowMs) };
    const result = await verifier.verify(
      { method: 'POST', url, headers, body: new Uint8Array() },
      new Date(nowMs),
    );
    return result.ok ? 'ok' : `${result.code} ${result.reason}`;
  };
  return { server, ask };
}

function keySet(...kids: string[]): string {
  return JSON.stringify({ keys: kids.map((kid) => ({ ...jwk, kid, use: 'sig' })) });
}

const unavailable = 'not_ready key_unavailable';

describe('a key server', () => {
  test('is asked once by requests that come together', async () => {
    const { server, ask } = arrange();
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => ask('k1', startMs)));
    expect(new Set(verdicts)).toEqual(new Set(['ok']));
    expect(server.calls).toBe(1);
  });

  test('is asked for an unknown key at most once a minute, however many there are', async () => {
    const { server, ask } = arrange();
    expect(await ask('k1', startMs)).toBe('ok');
    for (let second = 0; second < 120; second++) {
      expect(await ask(`forged-${second}`, startMs + second * 1000)).toBe('signature_mismatch unknown_key');
    }
    expect(server.calls).toBe(2);
    expect(await ask('k1', startMs + 120_000)).toBe('ok');
  });

  test('that publishes a new key is believed at the first use of it', async () => {
    const { server, ask } = arrange();
    expect(await ask('k1', startMs)).toBe('ok');
    server.answer = () => new Response(keySet('k2'));
    expect(await ask('k2', startMs + 61_000)).toBe('ok');
    expect(await ask('k1', startMs + 62_000)).toBe('signature_mismatch unknown_key');
  });

  test.each([
    ['fails', () => new Response('', { status: 500 })],
    ['answers a page', () => new Response('<html>maintenance</html>')],
    ['answers a set without keys', () => new Response('{"keys":[]}')],
    ['answers JSON of another kind', () => new Response('{"error":"quota"}')],
  ])('that %s does not push good keys out, for a day', async (_, answer) => {
    const { server, ask } = arrange();
    expect(await ask('k1', startMs)).toBe('ok');
    server.answer = answer;
    const hour = 3_600_000;
    for (let at = 1; at < 24; at++) expect(await ask('k1', startMs + at * hour)).toBe('ok');
    expect(await ask('k1', startMs + 24 * hour)).toBe(unavailable);
    server.answer = () => new Response(keySet('k1'));
    expect(await ask('k1', startMs + 24 * hour + 31_000)).toBe('ok');
  });

  test('that has never answered well is our trouble, asked again after half a minute', async () => {
    const { server, ask } = arrange();
    server.answer = () => new Response('no');
    for (let second = 0; second < 30; second++)
      expect(await ask('k1', startMs + second * 1000)).toBe(unavailable);
    expect(server.calls).toBe(1);
    server.answer = () => new Response(keySet('k1'));
    expect(await ask('k1', startMs + 30_000)).toBe('ok');
  });
});

const hanging: FetchLike = (_, { signal }) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')));
  });

describe('fetching a document', () => {
  test('stops reading an endless answer at the limit', async () => {
    let pulled = 0;
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 65_536;
        controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
      cancel() {
        cancelled = true;
      },
    });
    const fetchKey = createKeyFetch(() => Promise.resolve(new Response(body)));
    expect(await fetchKey('https://keys.example.com/jwks')).toBeUndefined();
    expect(cancelled).toBe(true);
    expect(pulled).toBeLessThan(524_288);
  });

  test('gives up on a server that does not answer', async () => {
    expect(await createKeyFetch(hanging, 1)('https://keys.example.com/jwks')).toBeUndefined();
  });

  test('follows no redirect and asks by https only', async () => {
    const seen: unknown[] = [];
    const fetchKey = createKeyFetch((address, { redirect }) => {
      seen.push([address, redirect]);
      return Promise.resolve(new Response('text'));
    });
    expect(await fetchKey('http://keys.example.com/jwks')).toBeUndefined();
    expect(await fetchKey('https://keys.example.com/jwks')).toBe('text');
    expect(seen).toEqual([['https://keys.example.com/jwks', 'error']]);
  });
});

const host = 'sns.us-east-1.amazonaws.com';

function arrangeTopic() {
  const fetched: string[] = [];
  const verifier = createVerifier({
    provider: 'sns',
    config: { topicArn: 'arn:aws:sns:us-east-1:1:t' },
    fetch: (address) => {
      fetched.push(address);
      return Promise.resolve(new Response('no certificate'));
    },
  });
  const ask = async (certificate: string, nowMs = startMs): Promise<string> => {
    const message = {
      Type: 'Notification',
      MessageId: 'm',
      TopicArn: 'arn:aws:sns:us-east-1:1:t',
      Message: 'x',
      Timestamp: '2026-11-21T12:00:00.000Z',
      SignatureVersion: '2',
      Signature: Buffer.alloc(256).toString('base64'),
      SigningCertURL: certificate,
    };
    const body = Buffer.from(JSON.stringify(message));
    const result = await verifier.verify({ method: 'POST', url, headers: {}, body }, new Date(nowMs));
    return result.ok ? 'ok' : result.reason;
  };
  return { fetched, ask };
}

describe('certificates that requests name', () => {
  test.each([
    `http://${host}/a.pem`,
    `https://${host}:8443/a.pem`,
    `https://user@${host}/a.pem`,
    `https://${host}@evil.example/a.pem`,
    `https://${host}.evil.example/a.pem`,
    `https://evil.example/${host}/a.pem`,
    `https://${host}/a.pem?x=1`,
    `https://${host}/a.pem#x`,
    `https://${host}/b/../a.pem`,
    `https://${host}/a.html`,
    `https://${host}/${'a'.repeat(600)}.pem`,
    'https://127.0.0.1/a.pem',
    'file:///etc/passwd.pem',
    '',
  ])('are not fetched from %s', async (address) => {
    const { fetched, ask } = arrangeTopic();
    expect(await ask(address)).toBe('untrusted_cert_url');
    expect(fetched).toEqual([]);
  });

  test('are fetched from so many new addresses a minute and no more', async () => {
    const { fetched, ask } = arrangeTopic();
    for (let index = 0; index < 500; index++) {
      expect(await ask(`https://${host}/${index}.pem`)).toBe('key_unavailable');
    }
    expect(fetched.length).toBe(12);
    expect(await ask(`https://${host}/later.pem`, startMs + 60_000)).toBe('key_unavailable');
    expect(fetched.length).toBe(13);
  });

  test('stay when they have proven a request, however many others are named', async () => {
    const file = readFileSync(new URL('vectors/sns.jsonl', import.meta.url), 'utf8');
    const good = JSON.parse(
      file.split('\n').find((line) => line.includes('"expect":"ok"')) ?? '',
    ) as GoodVector;
    const fetched: string[] = [];
    const verifier = createVerifier({
      provider: 'sns',
      config: good.config,
      fetch: (address) => {
        fetched.push(address);
        return Promise.resolve(new Response(good.fetches[address] ?? ''));
      },
    });
    const now = new Date(good.now * 1000);
    const body = Buffer.from(good.bodyBase64, 'base64');
    const request = { method: 'POST', url, headers: good.headers, body };
    expect(await verifier.verify(request, now)).toMatchObject({ ok: true });
    for (let index = 0; index < 60; index++) {
      const text = body
        .toString()
        .replace(/"SigningCertURL": ?"[^"]*"/, `"SigningCertURL":"https://${host}/${index}.pem"`);
      const later = new Date(now.getTime() + index * 10_000);
      const forged = await verifier.verify({ ...request, body: Buffer.from(text) }, later);
      expect(forged).toMatchObject({ reason: 'key_unavailable' });
    }
    const before = fetched.length;
    expect(await verifier.verify(request, new Date(now.getTime() + 600_000))).toMatchObject({ ok: true });
    expect(fetched.length).toBe(before);
  });
});

interface GoodVector {
  readonly now: number;
  readonly headers: [string, string][];
  readonly bodyBase64: string;
  readonly config: Record<string, string>;
  readonly fetches: Record<string, string>;
}
