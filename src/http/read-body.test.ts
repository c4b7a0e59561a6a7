import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rejection } from '../../test/support/gateway-bench.ts';
import { settled } from '../testing/fake-clock.ts';
import { BodyBudget, drain, markLate, readBody } from './read-body.ts';

/** A request whose body a test sends piece by piece. */
function incoming(headers: Readonly<Record<string, string>> = {}): PassThrough & IncomingMessage {
  const stream = new PassThrough({ highWaterMark: 1 << 20 });
  return Object.assign(stream, { headers, socket: {} }) as unknown as PassThrough & IncomingMessage;
}

const BUDGET = 1_000;

describe('a body', () => {
  test('is read to the byte, in whatever pieces it comes, and holds the budget only meanwhile', async () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(300), async (chunks, limit) => {
        const budget = new BodyBudget(BUDGET);
        const request = incoming();
        const reading = readBody(request, limit, budget);
        for (const chunk of chunks) {
          request.write(chunk);
          await settled();
        }
        request.end();
        const { body, tooLarge } = await reading;
        const all = Buffer.concat(chunks);
        expect(tooLarge).toBe(all.byteLength > limit);
        if (!tooLarge) expect(Buffer.compare(body, all)).toBe(0);
        expect(body.byteLength).toBeLessThanOrEqual(limit);
        // A view of a pooled buffer would keep all of the pool alive.
        expect(body.buffer.byteLength).toBe(body.byteLength);
        expect(budget.usedBytes).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  test('that announces too much is not read at all', async () => {
    const request = incoming({ 'content-length': '11' });
    expect(await readBody(request, 10, new BodyBudget(BUDGET))).toMatchObject({ tooLarge: true });
    expect(request.listenerCount('data')).toBe(0);
  });

  test.each(['nonsense', '-1', '5'])(
    'whose announced length is %s is held to the limit all the same',
    async (length) => {
      const request = incoming({ 'content-length': length });
      const reading = readBody(request, 10, new BodyBudget(BUDGET));
      request.end(Buffer.alloc(11));
      expect(await reading).toMatchObject({ tooLarge: true });
    },
  );

  test('that ends early is malformed, or late when its time was up', async () => {
    for (const code of ['body_malformed', 'request_timeout'] as const) {
      const budget = new BodyBudget(BUDGET);
      const request = incoming();
      const reading = rejection(readBody(request, 10, budget));
      request.write('abc');
      await settled();
      expect(budget.usedBytes).toBe(3);
      if (code === 'request_timeout') markLate(request.socket);
      request.destroy(new Error('aborted'));
      expect(await reading).toMatchObject({ code });
      expect(budget.usedBytes).toBe(0);
    }
  });
});

describe('the budget of all bodies', () => {
  test('refuses what does not fit beside the others, and has room again when they are done', async () => {
    const budget = new BodyBudget(10);
    const first = incoming();
    const reading = readBody(first, 100, budget);
    first.write('12345678');
    await settled();
    const second = incoming();
    const refused = rejection(readBody(second, 100, budget));
    second.write('123');
    expect(await refused).toMatchObject({ code: 'overloaded', status: 503, retryAfterS: 1 });
    expect(budget.usedBytes).toBe(8);
    first.end();
    await reading;
    expect(budget.usedBytes).toBe(0);
  });
});

test('what is drained is thrown away, but not for ever', async () => {
  const request = incoming();
  drain(request);
  for (let sent = 0; sent < 17; sent += 1) {
    request.write(Buffer.alloc(1 << 20));
    await settled();
  }
  expect(request.destroyed).toBe(true);
  const short = incoming();
  drain(short);
  short.end('abc');
  await settled();
  expect(short.readableLength).toBe(0);
});
