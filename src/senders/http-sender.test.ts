import { once } from 'node:events';
import { connect } from 'node:net';

import { describe, expect, test } from 'vitest';

import { closeAfterEach } from '../../test/e2e/receivers/close-after-each.ts';
import { onHttp, onRequest } from '../../test/e2e/receivers/hostile-receivers.ts';
import { RESPONSE_BODY_LIMIT } from '../domain/delivery.ts';
import type { SendResult } from '../domain/outcome.ts';
import type { OutboundRequest } from '../ports/sender.ts';
import { AddressGuard } from './address-guard.ts';
import { HttpSender } from './http-sender.ts';
import type { HttpSenderOptions } from './http-sender.ts';

const loopback = new AddressGuard({ allowPrivate: ['127.0.0.0/8'] });
const { use, useNow } = closeAfterEach();

function makeSender(options: Partial<HttpSenderOptions> = {}): HttpSender {
  return useNow(new HttpSender({ addressGuard: loopback, ...options }));
}

function post(url: string, more: Partial<OutboundRequest> = {}): OutboundRequest {
  return { url, headers: [], body: Buffer.from('{}'), timeoutMs: 2_000, ...more };
}

async function answer(raw: string | Uint8Array): Promise<SendResult> {
  const receiver = await use(onRequest((socket) => socket.write(raw)));
  return makeSender().send(post(receiver.url));
}

function withBody(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`), body]);
}

describe('the request', () => {
  test('goes out as the bytes and headers that were given, with content-length', async () => {
    let head = '';
    const receiver = await use(
      onHttp((request, response) => {
        head = `${request.method} ${request.url} ${request.httpVersion} ${request.rawHeaders.join('|')}`;
        response.end();
      }),
    );
    const server = await use(onRequest((socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n')));
    const body = Uint8Array.from([0xff, 0x00, 0x0a, 0xc3]);
    const headers = ['content-type', 'application/x-thing', 'X-Twice', 'a', 'X-Twice', 'b'];
    const result = await makeSender().send(post(`${receiver.url}?a=1&b=%20#part`, { headers, body }));
    expect(result).toMatchObject({ status: 200, error: null });
    expect(head).toBe(
      `POST /hook?a=1&b=%20 1.1 host|127.0.0.1:${receiver.port}|connection|keep-alive|` +
        'content-type|application/x-thing|X-Twice|a|X-Twice|b|content-length|4',
    );
    expect(await makeSender().send(post(server.url))).toMatchObject({ status: 204, body: '', headers: [] });
  });

  test('the body arrives byte for byte, also an empty one', async () => {
    const received: Buffer[] = [];
    const receiver = await use(
      onRequest((socket, _head, body) => {
        received.push(body);
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
      }),
    );
    const sender = makeSender();
    const bodies = [Buffer.from([0xff, 0x00, 0x80]), Buffer.alloc(0), Buffer.alloc(300_000, 0xe9)];
    for (const body of bodies) {
      expect(await sender.send(post(receiver.url, { body }))).toMatchObject({ status: 200 });
    }
    expect(received.map((body) => body.toString('hex'))).toEqual(bodies.map((body) => body.toString('hex')));
    expect(receiver.connections()).toBe(1);
  });

  test.each([
    ['host', ['host', 'other.example']],
    ['Host', ['x', 'y', 'Host', 'other.example']],
    ['transfer-encoding', ['transfer-encoding', 'chunked']],
    ["a content-length that is not the body's", ['content-length', '5']],
    ['a line break in a value', ['x', 'a\r\nevil: 1']],
    ['a character that no header can hold', ['x', 'Ω']],
    ['a name that is none', ['x y', 'a']],
    ['a name without a value', ['x']],
  ])('%s is refused as invalid_request', async (_name, headers) => {
    const receiver = await use(onHttp((_request, response) => response.end()));
    const result = await makeSender().send(post(receiver.url, { headers }));
    expect(result).toEqual({
      status: null,
      error: 'invalid_request',
      headers: [],
      body: '',
      durationMs: expect.any(Number),
    });
    expect(receiver.requests()).toBe(0);
  });

  test.each([
    ['ftp://example.com/', 'invalid_request'],
    ['not a url', 'invalid_request'],
    ['http://user:pass@127.0.0.1/', 'address_forbidden'],
    ['http://10.0.0.1/', 'address_forbidden'],
    ['http://[::1]:1/', 'address_forbidden'],
  ])('%s gives %s', async (url, error) => {
    expect(await makeSender().send(post(url))).toEqual({
      status: null,
      error,
      headers: [],
      body: '',
      durationMs: 0,
    });
  });
});

describe('plain http', () => {
  test('is not sent when the guard wants https', async () => {
    const receiver = await use(onRequest((socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n')));
    const addressGuard = new AddressGuard({ allowPrivate: ['127.0.0.0/8'], allowHttp: false });
    expect(await makeSender({ addressGuard }).send(post(receiver.url))).toMatchObject({
      status: null,
      error: 'https_required',
    });
    expect(addressGuard.checkUrl(receiver.url)).toContain('must be an https URL');
    expect(addressGuard.checkUrl('https://127.0.0.1/')).toBeNull();
  });
});

describe('the answer', () => {
  test('headers come as a flat list, repeated ones too', async () => {
    const result = await answer(
      'HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=\xe9\r\nContent-Length: 4\r\n\r\nlate',
    );
    expect(result).toEqual({
      status: 503,
      error: null,
      headers: ['Retry-After', '5', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=Ã©', 'Content-Length', '4'],
      body: 'late',
      durationMs: expect.any(Number),
    });
  });

  test('at most 64 headers and 8 KiB of them are kept, Retry-After always', async () => {
    const many = Array.from({ length: 100 }, (_, index) => `x-${index}: 1\r\n`).join('');
    const first = await answer(`HTTP/1.1 503 Busy\r\n${many}Retry-After: 7\r\ncontent-length: 0\r\n\r\n`);
    expect(first.headers.length).toBe(2 * 65);
    expect(first.headers.slice(-2)).toEqual(['Retry-After', '7']);
    const big = `x-big: ${'v'.repeat(8_100)}\r\n`;
    const second = await answer(
      `HTTP/1.1 503 Busy\r\n${big}${big.slice(0, 5_000)}\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n`,
    );
    expect(second.headers.filter((_, index) => index % 2 === 0)).toEqual([
      'x-big',
      'Retry-After',
      'content-length',
    ]);
  });

  test('interim answers are passed over', async () => {
    const result = await answer(
      'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok',
    );
    expect(result).toMatchObject({ status: 201, headers: ['content-length', '2'], body: 'ok' });
  });

  test.each([
    ['bytes that are not UTF-8', Buffer.from([0x61, 0xff, 0x62]), 'a\uFFFDb'],
    ['NUL', Buffer.from('a\0b'), 'a\uFFFDb'],
    ['two-byte characters', Buffer.from('é'), 'é'],
  ])('%s', async (_name, body, text) => {
    expect((await answer(withBody(body))).body).toBe(text);
  });

  test('a body is cut at the limit, between characters', async () => {
    const exact = await answer(withBody(Buffer.alloc(RESPONSE_BODY_LIMIT, 'a')));
    expect(exact.body).toBe('a'.repeat(RESPONSE_BODY_LIMIT));
    const longer = await answer(withBody(Buffer.from(`${'a'.repeat(RESPONSE_BODY_LIMIT - 1)}é!`)));
    expect(longer).toMatchObject({ status: 200, error: null, body: 'a'.repeat(RESPONSE_BODY_LIMIT - 1) });
  });

  test.each(['1.0', '1.1'])('a body that only the end of the connection ends (HTTP/%s)', async (version) => {
    const receiver = await use(
      onRequest((socket) => socket.end(`HTTP/${version} 200 OK\r\nconnection: close\r\n\r\nuntil the end`)),
    );
    const sender = makeSender();
    for (let index = 0; index < 3; index += 1) {
      const result = await sender.send(post(receiver.url));
      expect(result).toMatchObject({ status: 200, error: null, body: 'until the end' });
    }
    expect(receiver.requests()).toBe(3);
  });

  test('a body in many pieces is put together', async () => {
    const receiver = await use(
      onHttp((_request, response) => {
        for (let index = 0; index < 1_000; index += 1) response.write(`${index},`);
        response.end();
      }),
    );
    const expected = Array.from({ length: 1_000 }, (_, index) => `${index},`).join('');
    expect((await makeSender().send(post(receiver.url))).body).toBe(expected);
  });
});

describe('connections', () => {
  test('are kept alive and used again, also after an answer somewhat over the limit', async () => {
    const receiver = await use(
      onHttp((_request, response) => response.end(Buffer.alloc(RESPONSE_BODY_LIMIT + 20_000, 'x'))),
    );
    const sender = makeSender();
    for (let index = 0; index < 5; index += 1) {
      expect(await sender.send(post(receiver.url))).toMatchObject({ status: 200, error: null });
      // The outcome is known before the rest has been drained; give the connection time to come back.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(receiver.connections()).toBe(1);
  });

  test('answers that come at once do not mix, though all are read into one buffer', async () => {
    const receiver = await use(
      onHttp((request, response) => {
        const text = String(request.url).slice(1);
        response.write(text.repeat(2_000));
        setTimeout(() => response.end(text.repeat(3)), 5);
      }),
    );
    const sender = makeSender();
    const texts = Array.from({ length: 30 }, (_, index) => `n${index}.`);
    const results = await Promise.all(
      texts.map((text) => sender.send(post(new URL(`/${text}`, receiver.url).href))),
    );
    for (const [index, text] of texts.entries()) {
      expect(results[index]?.body).toBe(text.repeat(2_003).slice(0, RESPONSE_BODY_LIMIT));
    }
  });

  test('the time limit of one exchange does not end the next on its connection', async () => {
    const waits = [0, 150, 0, 150];
    const receiver = await use(
      onHttp((_request, response) => setTimeout(() => response.end(), waits.shift() ?? 0)),
    );
    const sender = makeSender();
    for (const timeoutMs of [100, 250, 250]) {
      expect(await sender.send(post(receiver.url, { timeoutMs }))).toMatchObject({ status: 200 });
    }
    expect(receiver.connections()).toBe(1);
    expect(await sender.send(post(receiver.url, { timeoutMs: 60 }))).toMatchObject({ error: 'timeout' });
    expect(await sender.send(post(receiver.url, { timeoutMs: 60 }))).toMatchObject({ status: 200 });
    expect(receiver.connections()).toBe(2);
  });

  test('idle ones are bounded by origin, the least recently used go', async () => {
    const receivers = await Promise.all(
      [1, 2, 3].map(() => use(onHttp((_request, response) => response.end()))),
    );
    const sender = makeSender({ maxIdleOrigins: 2 });
    for (const receiver of receivers) await sender.send(post(receiver.url));
    await expect.poll(() => receivers.map((receiver) => receiver.open())).toEqual([0, 1, 1]);
  });

  test('as many as there are sends at once, and all close with the sender', async () => {
    const receiver = await use(onHttp((_request, response) => setTimeout(() => response.end(), 50)));
    const sender = makeSender();
    const results = await Promise.all(Array.from({ length: 20 }, () => sender.send(post(receiver.url))));
    expect(results.every((result) => result.status === 200)).toBe(true);
    expect(receiver.connections()).toBe(20);
    await sender.close();
    await expect.poll(() => receiver.open()).toBe(0);
  });

  test('a send under way ends well when the sender closes', async () => {
    const receiver = await use(onHttp((_request, response) => setTimeout(() => response.end('done'), 50)));
    const sender = makeSender();
    const sending = sender.send(post(receiver.url));
    await expect.poll(() => receiver.requests()).toBe(1);
    await sender.close();
    expect(await sending).toMatchObject({ status: 200, body: 'done' });
    await expect.poll(() => receiver.open()).toBe(0);
  });

  test('a port where nobody listens is connection_refused', async () => {
    const receiver = await onHttp((_request, response) => response.end());
    await receiver.close();
    const probe = connect(receiver.port, '127.0.0.1');
    await once(probe, 'error');
    expect(await makeSender().send(post(receiver.url))).toEqual({
      status: null,
      error: 'connection_refused',
      headers: [],
      body: '',
      durationMs: expect.any(Number),
    });
  });
});
