import { describe, expect, test } from 'vitest';

import { closeAfterEach } from '../../test/e2e/receivers/close-after-each.ts';
import * as hostile from '../../test/e2e/receivers/hostile-receivers.ts';
import type { HostileReceiver } from '../../test/e2e/receivers/hostile-receivers.ts';
import { RESPONSE_BODY_LIMIT } from '../domain/delivery.ts';
import type { SendResult } from '../domain/outcome.ts';
import { AddressGuard } from './address-guard.ts';
import { HttpSender } from './http-sender.ts';
import type { HttpSenderOptions } from './http-sender.ts';

const TIMEOUT_MS = 300;
/** For what ends by itself, so that a busy machine does not turn it into a time-out. */
const PATIENT_MS = 5_000;
const MIB = 1024 * 1024;
const loopback = new AddressGuard({ allowPrivate: ['127.0.0.0/8'] });
const { use, useNow } = closeAfterEach();

function makeSender(options: Partial<HttpSenderOptions> = {}): HttpSender {
  return useNow(new HttpSender({ addressGuard: loopback, ...options }));
}

async function sendTo(
  receiver: Promise<HostileReceiver>,
  timeoutMs: number = PATIENT_MS,
): Promise<{ result: SendResult; receiver: HostileReceiver }> {
  const started = await use(receiver);
  const result = await makeSender().send({
    url: started.url,
    headers: [],
    body: Buffer.from('{}'),
    timeoutMs,
  });
  return { result, receiver: started };
}

/** The exact result but for its duration, which must lie within the bounds. */
function expectResult(
  result: SendResult,
  expected: Omit<SendResult, 'durationMs'>,
  [fromMs, toMs]: readonly [number, number],
): void {
  const { durationMs, ...rest } = result;
  expect(rest).toEqual(expected);
  expect(durationMs).toBeGreaterThanOrEqual(fromMs);
  expect(durationMs).toBeLessThanOrEqual(toMs);
}

const NOTHING = { status: null, headers: [], body: '' } as const;
const POLL = { timeout: 5_000 } as const;
const AT_ONCE = [0, 2_000] as const;
/** Timers fire late on a busy machine, never early by more than their rounding. */
const AT_LIMIT = [TIMEOUT_MS - 2, TIMEOUT_MS + 2_000] as const;

describe('no answer', () => {
  test('accepts and hangs: timeout, and the connection is closed', async () => {
    const { result, receiver } = await sendTo(hostile.hangs(), TIMEOUT_MS);
    expectResult(result, { ...NOTHING, error: 'timeout' }, AT_LIMIT);
    await expect.poll(() => receiver.open(), POLL).toBe(0);
  });

  test('resets after the request', async () => {
    const { result, receiver } = await sendTo(hostile.resetsAfterRequest());
    expectResult(result, { ...NOTHING, error: 'connection_reset' }, AT_ONCE);
    expect(receiver.requests()).toBe(1);
  });

  test('closes in order after the request', async () => {
    const { result, receiver } = await sendTo(hostile.closesAfterRequest());
    expectResult(result, { ...NOTHING, error: 'connection_reset' }, AT_ONCE);
    expect(receiver.requests()).toBe(1);
  });

  test('accepts, but looks only after a while', async () => {
    const { result } = await sendTo(hostile.acceptsSlowly(100));
    expectResult(result, { status: 200, error: null, headers: ['content-length', '4'], body: 'late' }, [
      95,
      TIMEOUT_MS,
    ]);
    const late = await sendTo(hostile.acceptsSlowly(5_000), TIMEOUT_MS);
    expectResult(late.result, { ...NOTHING, error: 'timeout' }, AT_LIMIT);
  });

  test('a name server that never answers: timeout, nothing connects later', async () => {
    const receiver = await use(hostile.hangs());
    const lookup = Promise.withResolvers<{ address: string; family: number }[]>();
    const addressGuard = new AddressGuard({
      allowPrivate: ['127.0.0.0/8'],
      resolve: () => lookup.promise,
    });
    const url = `http://slow.example:${receiver.port}/`;
    const result = await makeSender({ addressGuard }).send({
      url,
      headers: [],
      body: Buffer.from('{}'),
      timeoutMs: TIMEOUT_MS,
    });
    expectResult(result, { ...NOTHING, error: 'timeout' }, AT_LIMIT);
    lookup.resolve([{ address: '127.0.0.1', family: 4 }]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(receiver.connections()).toBe(0);
  });
});

describe('half an answer', () => {
  test('resets in the middle: what had come is kept, the status is not', async () => {
    const { result } = await sendTo(hostile.resetsMidAnswer());
    expect(result.body === '' || result.body === '0123456789').toBe(true);
    expectResult({ ...result, headers: [], body: '' }, { ...NOTHING, error: 'connection_reset' }, AT_ONCE);
  });

  test('drips a byte per 100 ms: the limit covers the whole body', async () => {
    const { result, receiver } = await sendTo(hostile.drips(100), TIMEOUT_MS);
    expect(result.body).toMatch(/^\.{1,3}$/);
    expectResult({ ...result, headers: [], body: '' }, { ...NOTHING, error: 'timeout' }, AT_LIMIT);
    await expect.poll(() => receiver.open(), POLL).toBe(0);
  });

  test('drips its headers', async () => {
    const { result, receiver } = await sendTo(hostile.dripsHead(20), TIMEOUT_MS);
    expectResult(result, { ...NOTHING, error: 'timeout' }, AT_LIMIT);
    await expect.poll(() => receiver.open(), POLL).toBe(0);
  });

  test('interim answers for ever', async () => {
    const { result } = await sendTo(hostile.endlessInterim(10), TIMEOUT_MS);
    expectResult(result, { ...NOTHING, error: 'timeout' }, AT_LIMIT);
  });

  test.each(['keep-alive', 'close'] as const)(
    'announces more than it sends (connection: %s)',
    async (connection) => {
      const { result } = await sendTo(hostile.announcesTooMuch(connection));
      expectResult(
        result,
        {
          status: null,
          error: 'connection_reset',
          headers: ['connection', connection, 'content-length', '100'],
          body: 'short',
        },
        AT_ONCE,
      );
    },
  );

  test.each(['keep-alive', 'close'])('ends within a chunk (connection: %s)', async (connection) => {
    const { result } = await sendTo(
      hostile.sendsRaw(
        `HTTP/1.1 200 OK\r\nconnection: ${connection}\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc`,
      ),
    );
    expectResult(
      result,
      {
        status: null,
        error: 'connection_reset',
        headers: ['connection', connection, 'transfer-encoding', 'chunked'],
        body: 'abc',
      },
      AT_ONCE,
    );
  });
});

describe('too much', () => {
  test.each([true, false])(
    '50 MB (announced: %s): 16 KiB are kept, the rest is not read',
    async (announced) => {
      const before = process.memoryUsage();
      const { result, receiver } = await sendTo(hostile.floods(50 * MIB, announced));
      expect(result.body).toBe('x'.repeat(RESPONSE_BODY_LIMIT));
      expect(result).toMatchObject({ status: 200, error: null });
      expect(result.durationMs).toBeLessThan(1_000);
      await expect.poll(() => receiver.open(), POLL).toBe(0);
      // What the kernel buffers on both ends, not what the receiver wants to send.
      expect(receiver.bytesWritten()).toBeLessThan(20 * MIB);
      expect(process.memoryUsage().rss - before.rss).toBeLessThan(60 * MIB);
    },
  );

  test('endless headers: invalid_response, and they are not collected', async () => {
    const before = process.memoryUsage();
    const { result, receiver } = await sendTo(hostile.endlessHeaders());
    expectResult(result, { ...NOTHING, error: 'invalid_response' }, AT_ONCE);
    await expect.poll(() => receiver.open(), POLL).toBe(0);
    expect(process.memoryUsage().rss - before.rss).toBeLessThan(60 * MIB);
  });

  test('a drip after the limit cannot hold the outcome back', async () => {
    const { result, receiver } = await sendTo(
      hostile.onHttp((_request, response) => {
        response.write('y'.repeat(RESPONSE_BODY_LIMIT));
        const timer = setInterval(() => response.write('.'), 20);
        response.on('close', () => clearInterval(timer));
      }),
      1_000,
    );
    expect(result).toMatchObject({ status: 200, error: null, body: 'y'.repeat(RESPONSE_BODY_LIMIT) });
    expect(result.durationMs).toBeLessThan(1_000);
    // But the connection is not kept busy beyond the limit either.
    await expect.poll(() => receiver.open(), POLL).toBe(0);
  });
});

describe('not what was asked for', () => {
  test('redirects are not followed', async () => {
    const goal = await use(hostile.onHttp((_request, response) => response.end('you followed')));
    const { result } = await sendTo(hostile.redirects(goal.url));
    expect(result).toMatchObject({ status: 302, error: null, body: 'moved' });
    expect(result.headers.slice(0, 2)).toEqual(['location', goal.url]);
    expect(goal.requests()).toBe(0);
  });

  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['bytes without meaning', Buffer.from([0x16, 0x03, 0x01, 0x00, 0xff, 0x00])],
    ['a status that is none', 'HTTP/1.1 2OO OK\r\n\r\n'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n'],
    ['two content-lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    [
      'a length and chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a chunk size that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'],
    ['100 although nobody expects it', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('%s: invalid_response', async (_name, bytes) => {
    const { result } = await sendTo(hostile.sendsRaw(bytes));
    expectResult({ ...result, headers: [], body: '' }, { ...NOTHING, error: 'invalid_response' }, AT_ONCE);
  });

  test('an answer smuggled behind another is not taken for the next one', async () => {
    const receiver = await use(hostile.announcesTooLittle());
    const sender = makeSender();
    const request = { url: receiver.url, headers: [], body: Buffer.from('{}'), timeoutMs: PATIENT_MS };
    for (let index = 0; index < 3; index += 1) {
      const result = await sender.send(request);
      expectResult(
        result,
        { status: 200, error: null, headers: ['content-length', '2'], body: 'ok' },
        AT_ONCE,
      );
    }
    expect(receiver.connections()).toBe(3);
  });
});

describe('keep-alive', () => {
  test('a connection that the receiver closed while idle is not used again', async () => {
    const receiver = await use(hostile.closesIdle());
    const sender = makeSender();
    const request = { url: receiver.url, headers: [], body: Buffer.from('{}'), timeoutMs: PATIENT_MS };
    for (let index = 0; index < 3; index += 1) {
      expect(await sender.send(request)).toMatchObject({ status: 200, error: null, body: 'ok' });
      await expect.poll(() => receiver.open(), POLL).toBe(0);
    }
    expect(receiver.connections()).toBe(3);
    expect(receiver.requests()).toBe(3);
  });

  test('a reset on a used connection is reported, and the request is not repeated', async () => {
    const receiver = await use(hostile.resetsOnReuse());
    const sender = makeSender();
    const request = { url: receiver.url, headers: [], body: Buffer.from('{}'), timeoutMs: PATIENT_MS };
    expect(await sender.send(request)).toMatchObject({ status: 200, body: 'ok' });
    expectResult(await sender.send(request), { ...NOTHING, error: 'connection_reset' }, AT_ONCE);
    expect(receiver.requests()).toBe(2);
    expect(receiver.connections()).toBe(1);
    expect(await sender.send(request)).toMatchObject({ status: 200, body: 'ok' });
    expect(receiver.connections()).toBe(2);
  });

  test('many sends at once to a mix of bad receivers leave no connection and no timer', async () => {
    const receivers = await Promise.all([
      use(hostile.hangs()),
      use(hostile.resetsAfterRequest()),
      use(hostile.resetsMidAnswer()),
      use(hostile.drips(50)),
      use(hostile.endlessHeaders()),
      use(hostile.sendsRaw('garbage\r\n\r\n')),
      use(hostile.floods(2 * MIB, false)),
      use(hostile.resetsOnReuse()),
    ]);
    const sender = makeSender();
    const sends = Array.from({ length: 160 }, (_, index) => {
      const url = receivers[index % receivers.length]?.url ?? '';
      // Long enough for a busy machine: all these receivers live in this process.
      return sender.send({ url, headers: [], body: Buffer.from('{}'), timeoutMs: 2_500 });
    });
    const results = await Promise.all(sends);
    const errors = Map.groupBy(results, (result) => result.error ?? 'none');
    expect([...errors.keys()].toSorted()).toEqual([
      'connection_reset',
      'invalid_response',
      'none',
      'timeout',
    ]);
    await sender.close();
    await expect
      .poll(() => receivers.map((receiver) => receiver.open()), POLL)
      .toEqual(receivers.map(() => 0));
    await expect
      .poll(() => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap'))
      .toEqual([]);
  });
});
