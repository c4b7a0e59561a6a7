import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

import { afterEach, describe, expect, test } from 'vitest';

import * as hostile from '../../test/e2e/receivers/hostile-receivers.ts';
import { TEST_CERTIFICATE, TEST_PRIVATE_KEY } from '../../test/e2e/receivers/tls-fixture.ts';
import type { SendResult } from '../domain/outcome.ts';
import { AddressGuard } from './address-guard.ts';
import { HttpSender } from './http-sender.ts';
import type { HttpSenderOptions } from './http-sender.ts';

const TIMEOUT_MS = 1_000;
const cleanups: (() => Promise<void>)[] = [];
/** Every name is this machine. */
const guard = new AddressGuard({
  allowPrivate: ['127.0.0.1'],
  resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function listen(server: Server): Promise<number> {
  const { port, close } = await hostile.start(() => server);
  cleanups.push(close);
  return port;
}

function httpsReceiver(): Promise<number> {
  const options = { cert: TEST_CERTIFICATE, key: TEST_PRIVATE_KEY };
  return listen(
    createHttpsServer(options, (request, response) => {
      request.resume();
      request.on('end', () => response.end(`secure ${request.headers.host?.split(':')[0]}`));
    }),
  );
}

function makeSender(options: Partial<HttpSenderOptions>): HttpSender {
  const sender = new HttpSender({ addressGuard: guard, ca: TEST_CERTIFICATE, ...options });
  cleanups.push(() => sender.close());
  return sender;
}

function sendTo(url: string, options: Partial<HttpSenderOptions> = {}): Promise<SendResult> {
  return makeSender(options).send({ url, headers: [], body: Buffer.from('{}'), timeoutMs: TIMEOUT_MS });
}

const NOTHING = { status: null, headers: [], body: '', durationMs: expect.any(Number) } as const;

describe('TLS', () => {
  test('the name is verified although the address is pinned', async () => {
    const port = await httpsReceiver();
    expect(await sendTo(`https://hook.example:${port}/`)).toMatchObject({
      status: 200,
      error: null,
      body: 'secure hook.example',
    });
    expect(await sendTo(`https://other.example:${port}/`)).toEqual({ ...NOTHING, error: 'tls_error' });
    expect(await sendTo(`https://127.0.0.1:${port}/`)).toEqual({ ...NOTHING, error: 'tls_error' });
  });

  test('a certificate that nobody vouches for is refused, whatever the environment says', async () => {
    const port = await httpsReceiver();
    const sender = new HttpSender({ addressGuard: guard });
    cleanups.push(() => sender.close());
    const request = {
      url: `https://hook.example:${port}/`,
      headers: [],
      body: Buffer.from('{}'),
      timeoutMs: TIMEOUT_MS,
    };
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      expect(await sender.send(request)).toEqual({ ...NOTHING, error: 'tls_error' });
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  test('a receiver that does not speak TLS', async () => {
    const port = await listen(createHttpServer((_request, response) => response.end()));
    expect(await sendTo(`https://hook.example:${port}/`)).toEqual({ ...NOTHING, error: 'tls_error' });
  });

  test('a handshake that never ends is cut off by the limit', async () => {
    const silent = await hostile.hangs();
    cleanups.push(() => silent.close());
    const result = await sendTo(`https://hook.example:${silent.port}/`);
    expect(result).toEqual({ ...NOTHING, error: 'timeout' });
    expect(result.durationMs).toBeLessThan(TIMEOUT_MS + 500);
    await expect.poll(() => silent.open()).toBe(0);
  });

  test('connectTimeoutMs is shorter than the request may take', async () => {
    const silent = await hostile.hangs();
    cleanups.push(() => silent.close());
    const sender = makeSender({ connectTimeoutMs: 100 });
    const url = `https://hook.example:${silent.port}/`;
    const result = await sender.send({ url, headers: [], body: Buffer.from('{}'), timeoutMs: 10_000 });
    expect(result).toEqual({ ...NOTHING, error: 'timeout' });
    expect(result.durationMs).toBeLessThan(3_000);
    await expect.poll(() => silent.open()).toBe(0);
  });

  test('a reset in the handshake', async () => {
    const port = await listen(
      createServer((socket) => {
        socket.once('data', () => socket.resetAndDestroy());
      }),
    );
    expect(await sendTo(`https://hook.example:${port}/`)).toEqual({ ...NOTHING, error: 'connection_reset' });
  });
});

interface Proxy {
  readonly url: string;
  readonly asked: { readonly authority: string; readonly authorization: string | undefined }[];
}

async function proxy(answer: 'connects' | 'refuses' | 'hangs' | 'resets' = 'connects'): Promise<Proxy> {
  const asked: { authority: string; authorization: string | undefined }[] = [];
  const server = createHttpServer();
  server.on('connect', (request, socket: Socket) => {
    asked.push({ authority: request.url ?? '', authorization: request.headers['proxy-authorization'] });
    socket.on('error', () => undefined);
    if (answer === 'refuses') socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    if (answer === 'resets') socket.resetAndDestroy();
    if (answer !== 'connects') return;
    const upstream = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  });
  const port = await listen(server);
  return { url: `http://user:p%40ss@127.0.0.1:${port}`, asked };
}

describe('through a proxy', () => {
  test('https and http are tunnelled, with credentials for the proxy alone', async () => {
    const { url: proxyUrl, asked } = await proxy();
    const secure = await httpsReceiver();
    let headers: readonly string[] = [];
    const plain = await hostile.onHttp((request, response) => {
      headers = request.rawHeaders;
      response.end('plain');
    });
    cleanups.push(() => plain.close());
    const sender = makeSender({ proxyUrl });
    const request = {
      headers: ['x-twice', 'a', 'x-twice', 'b'],
      body: Buffer.from('{}'),
      timeoutMs: TIMEOUT_MS,
    };
    for (let index = 0; index < 2; index += 1) {
      const first = await sender.send({ ...request, url: `https://hook.example:${secure}/` });
      expect(first).toMatchObject({ status: 200, error: null, body: 'secure hook.example' });
      const second = await sender.send({ ...request, url: `http://plain.example:${plain.port}/` });
      expect(second).toMatchObject({ status: 200, error: null, body: 'plain' });
    }
    const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
    expect(asked).toEqual([
      { authority: `hook.example:${secure}`, authorization },
      { authority: `plain.example:${plain.port}`, authorization },
    ]);
    expect(headers.join('|')).toBe(
      `host|plain.example:${plain.port}|connection|keep-alive|x-twice|a|x-twice|b|content-length|2`,
    );
  });

  test('the guard is asked before the proxy is', async () => {
    const { url: proxyUrl, asked } = await proxy();
    const addressGuard = new AddressGuard({
      resolve: () => Promise.resolve([{ address: '10.0.0.1', family: 4 }]),
    });
    for (const url of ['http://inside.example/', 'http://10.0.0.1/', 'https://metadata.google.internal/']) {
      expect(await sendTo(url, { proxyUrl, addressGuard })).toMatchObject({ error: 'address_forbidden' });
    }
    expect(asked).toEqual([]);
  });

  test('TLS is verified end to end', async () => {
    const { url: proxyUrl } = await proxy();
    const port = await httpsReceiver();
    expect(await sendTo(`https://other.example:${port}/`, { proxyUrl })).toEqual({
      ...NOTHING,
      error: 'tls_error',
    });
  });

  test.each([
    ['refuses', 'network_error'],
    ['resets', 'network_error'],
    ['hangs', 'timeout'],
  ] as const)('a proxy that %s gives %s', async (answer, error) => {
    const { url: proxyUrl, asked } = await proxy(answer);
    const result = await sendTo('https://hook.example/', { proxyUrl });
    expect(result).toEqual({ ...NOTHING, error });
    expect(result.durationMs).toBeLessThan(TIMEOUT_MS + 500);
    expect(asked.length).toBe(1);
  });

  test('a proxy that is not there gives network_error', async () => {
    const gone = await hostile.hangs();
    await gone.close();
    const proxyUrl = `http://127.0.0.1:${gone.port}`;
    expect(await sendTo('https://hook.example/', { proxyUrl })).toEqual({
      ...NOTHING,
      error: 'network_error',
    });
  });

  test.each(['socks5://127.0.0.1:1080', '127.0.0.1:3128', ''])('%s is no proxy', (proxyUrl) => {
    expect(() => new HttpSender({ addressGuard: guard, proxyUrl })).toThrow(
      'the proxy must be an http or https URL',
    );
  });
});
