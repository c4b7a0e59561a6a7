import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { describe, expect, test } from 'vitest';

import { closeAfterEach } from '../../test/e2e/receivers/close-after-each.ts';
import { onHttp, onRequest } from '../../test/e2e/receivers/hostile-receivers.ts';
import type { SendResult } from '../domain/outcome.ts';
import type { OutboundRequest } from '../ports/sender.ts';
import { AddressGuard } from './address-guard.ts';
import { HttpSender } from './http-sender.ts';
import { ThreadedSender, type ThreadedSenderOptions } from './threaded-sender.ts';

const LOOPBACK = { allowPrivate: ['127.0.0.0/8'] };
const { use, useNow } = closeAfterEach();

function makeSender(options: Partial<ThreadedSenderOptions> = {}): ThreadedSender {
  return useNow(new ThreadedSender({ guard: LOOPBACK, threadFrom: 1, ...options }));
}

/** One that sends from its thread. */
async function inThread(options: Partial<ThreadedSenderOptions> = {}): Promise<ThreadedSender> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const sender = makeSender({ ...options, onThreadReady: resolve });
  await sender.send(post('ftp://127.0.0.1/'));
  await promise;
  return sender;
}

function post(url: string, more: Partial<OutboundRequest> = {}): OutboundRequest {
  return { url, headers: [], body: Buffer.from('{}'), timeoutMs: 2_000, ...more };
}

/** Without what differs from one sending to the next. */
function comparable({ durationMs, headers, ...rest }: SendResult): unknown {
  expect(durationMs).toBeGreaterThanOrEqual(0);
  return { ...rest, headers: headers.filter((_, place) => headers[place - (place % 2)] !== 'Date') };
}

describe('a sender in a thread', () => {
  test('gives what a sender without one gives', async () => {
    const receivers = await Promise.all([
      use(onHttp((_request, response) => response.writeHead(503, { 'Retry-After': '7' }).end('später'))),
      use(onRequest((socket) => socket.destroy())),
      use(onRequest((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'))),
      use(onRequest((socket) => socket.write('SSH-2.0-nothing\r\n\r\n'))),
      use(onHttp((_request, response) => response.end('x'.repeat(100_000)))),
    ]);
    const urls = [
      ...receivers.map(({ url }) => url),
      'http://10.0.0.1/',
      'ftp://127.0.0.1/',
      'https://127.0.0.1:1/',
    ];
    const plain = useNow(new HttpSender({ addressGuard: new AddressGuard(LOOPBACK) }));
    const threaded = await inThread();
    for (const url of urls) {
      const request = post(url, { timeoutMs: 300 });
      const [expected, given] = await Promise.all([plain.send(request), threaded.send(request)]);
      expect(comparable(given)).toEqual(comparable(expected));
    }
  });

  test('keeps bodies apart, the empty and the large ones, and leaves its caller theirs', async () => {
    const seen = new Map<string, Buffer>();
    const receiver = await use(
      onRequest((socket, head, body) => {
        const name = /x-name: (\d)/.exec(head)?.[1] ?? '';
        seen.set(name, body);
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n${name}`);
      }),
    );
    const sender = await inThread();
    const sizes = [0, 1, 3_000_000, 7, 0, 1_048_576, 65_537];
    const bodies = sizes.map((size, index) => new Uint8Array(size).fill(index + 1));
    const results = await Promise.all(
      bodies.map((body, index) => sender.send(post(receiver.url, { headers: ['x-name', `${index}`], body }))),
    );
    expect(results.map(({ body }) => body)).toEqual(bodies.map((_, index) => `${index}`));
    for (const [index, body] of bodies.entries()) {
      expect(body.byteLength).toBe(sizes[index]);
      expect(seen.get(`${index}`)?.equals(body)).toBe(true);
    }
  });

  test('answers what waits when its thread is lost, tells it, and goes on without', async () => {
    const lost: Error[] = [];
    const receiver = await use(onHttp((_request, response) => response.end('here')));
    const program = `import { parentPort } from 'node:worker_threads';
      parentPort.postMessage('ready');
      parentPort.on('message', () => { throw new Error('a bug'); });`;
    const entry = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    const sender = await inThread({ entry, onThreadLost: (error) => lost.push(error) });
    const results = await Promise.all([sender.send(post(receiver.url)), sender.send(post(receiver.url))]);
    const none = { status: null, error: 'network_error', headers: [], body: '', durationMs: 0 };
    expect(results).toEqual([none, none]);
    expect(lost.map(({ message }) => message)).toEqual(['a bug']);
    expect(await sender.send(post(receiver.url))).toMatchObject({ status: 200, body: 'here' });
    expect(lost).toHaveLength(1);
  });

  test('does without a thread while little is sent at a time', async () => {
    const entry = new URL(`data:text/javascript,${encodeURIComponent('throw new Error("started")')}`);
    const lost: Error[] = [];
    const receiver = await use(onHttp((_request, response) => response.end('here')));
    const sender = makeSender({ entry, threadFrom: 3, onThreadLost: (error) => lost.push(error) });
    const send = () => sender.send(post(receiver.url));
    await Promise.all([send(), send()]);
    await Promise.all([send(), send()]);
    expect(lost).toEqual([]);
    const results = await Promise.all([send(), send(), send()]);
    expect(results.every(({ body }) => body === 'here')).toBe(true);
    await expect.poll(() => lost.map(({ message }) => message)).toEqual(['started']);
  });

  test('a send under way ends well when the sender closes, and the thread with it', async () => {
    const lost: Error[] = [];
    const receiver = await use(onHttp((_request, response) => setTimeout(() => response.end('done'), 50)));
    const sender = await inThread({ onThreadLost: (error) => lost.push(error) });
    const sending = sender.send(post(receiver.url));
    await expect.poll(() => receiver.requests()).toBe(1);
    await sender.close();
    expect(await sending).toMatchObject({ status: 200, body: 'done' });
    await expect.poll(() => receiver.open()).toBe(0);
    expect(lost).toEqual([]);
  });

  test('keeps a process alive for as long as an answer is waited for, and no longer', async () => {
    const receiver = await use(onHttp((_request, response) => setTimeout(() => response.end('done'), 300)));
    const module = JSON.stringify(new URL('threaded-sender.ts', import.meta.url).href);
    const request = { url: receiver.url, headers: [], body: [], timeoutMs: 2_000 };
    const program = `import(${module}).then(({ ThreadedSender }) => {
      const onThreadReady = () => void send().then(({ body }) => process.stdout.write(body));
      const sender = new ThreadedSender({ guard: ${JSON.stringify(LOOPBACK)}, threadFrom: 1, onThreadReady });
      const send = () => sender.send({ ...${JSON.stringify(request)}, body: new Uint8Array(3) });
      void send();
    })`;
    const args = ['--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 10_000 });
    expect(stdout).toBe('done');
  });
});
