import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sign } from '@octokit/webhooks-methods';
import { Webhook } from 'standardwebhooks';
import { Stripe } from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createDestination,
  createSource,
  freshName,
  type EventView,
  type ListView,
  ok,
  problem,
  type ProblemView,
  publish,
  type RejectionView,
  send,
  subscribe,
} from './arrange.ts';
import { type ApiAnswer, type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { openRaw, type RawConnection } from './raw-requests.ts';

const BODY_LIMIT = 64 * 1024;
const KEPT_REJECTIONS = 25;

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess({
    args: ['--default-body-size=64KiB', '--request-timeout=1s', `--rejections-per-source=${KEPT_REJECTIONS}`],
  });
});

afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
});

function rejection(requestId: string): Promise<RejectionView & { readonly body: string }> {
  return ok(gateway.api('GET', `/v1/rejections/${requestId}`));
}

/** The refusal as the sender sees it and as the operator finds it: the same code, with a finer reason. */
async function refused(
  answer: Promise<ApiAnswer>,
  status: number,
  code: string,
  reason: string,
): Promise<ProblemView> {
  const body = await problem(answer, status, code);
  expect(body).toMatchObject({ status, retryable: status === 429 || status === 408 });
  expect(await rejection(body.request_id)).toMatchObject({ code, reason, request_id: body.request_id });
  return body;
}

function nowS(offset = 0): number {
  return Math.floor(Date.now() / 1000) + offset;
}

function flipBit(body: string, bit: number): Buffer {
  const bytes = Buffer.from(body);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return bytes;
}

/** The answer to bytes that no HTTP library would send. */
async function answerTo(connection: RawConnection): Promise<ApiAnswer> {
  const text = await connection.until((all) => {
    const length = /content-length: (\d+)/i.exec(all)?.[1];
    return length !== undefined && all.length >= all.indexOf('\r\n\r\n') + 4 + Number(length);
  });
  connection.destroy();
  const head = text.slice(0, text.indexOf('\r\n\r\n'));
  const headers = new Headers(
    head
      .split('\r\n')
      .slice(1)
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  return {
    status: Number(head.split(' ')[1]),
    headers,
    body: JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as unknown,
  };
}

describe('C1: proofs that are not', () => {
  const secret = 'github-secret';
  const body = '{"action":"opened"}';
  let url: string;
  let good: string;

  beforeAll(async () => {
    ({ url } = await createSource(gateway, { provider: 'github', secrets: [secret] }));
    good = await sign(secret, body);
  });

  test.each([
    ['is missing', async () => ({}), 'signature_missing', 'missing_header'],
    ['is empty', async () => ({ 'x-hub-signature-256': '' }), 'signature_missing', 'missing_header'],
    [
      'is of another secret',
      async () => ({ 'x-hub-signature-256': await sign('other', body) }),
      'signature_mismatch',
      'bad_signature',
    ],
    [
      'is truncated',
      async () => ({ 'x-hub-signature-256': good.slice(0, -1) }),
      'signature_mismatch',
      'malformed_signature',
    ],
    [
      'is doubled in one value',
      async () => ({ 'x-hub-signature-256': `${good},${good}` }),
      'signature_mismatch',
      'malformed_signature',
    ],
    [
      'has no prefix',
      async () => ({ 'x-hub-signature-256': good.slice('sha256='.length) }),
      'signature_mismatch',
      'malformed_signature',
    ],
    [
      'is only SHA-1',
      async () => ({ 'x-hub-signature': `sha1=${createHmac('sha1', secret).update(body).digest('hex')}` }),
      'signature_missing',
      'missing_header',
    ],
  ] as const)('C1 a signature that %s is 401', async (_what, headers, code, reason) => {
    await refused(send(url, body, await headers()), 401, code, reason);
  });

  test('C1 a signature header that comes twice is 401, even when one of them is right', async () => {
    const connection = await openRaw(url);
    const lines = [`POST ${new URL(url).pathname} HTTP/1.1`, 'host: x', `content-length: ${body.length}`];
    lines.push(`x-hub-signature-256: ${good}`, `x-hub-signature-256: ${good.replace(/.$/, '0')}`);
    connection.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
    await refused(answerTo(connection), 401, 'signature_mismatch', 'ambiguous_header');
  });

  test('C1 a body with one bit changed is 401, whichever bit', async () => {
    for (const bit of [0, 7, 77, body.length * 8 - 1]) {
      const headers = { 'x-hub-signature-256': good };
      await refused(send(url, flipBit(body, bit), headers), 401, 'signature_mismatch', 'bad_signature');
    }
    expect((await send(url, body, { 'x-hub-signature-256': good })).status).toBe(202);
  });

  test('C1 Stripe: stale and future times are 401, several signatures are tried', async () => {
    const stripe = await createSource(gateway, { provider: 'stripe', secrets: ['whsec_s'] });
    const payload = JSON.stringify({ id: 'evt_c1', type: 'x.y' });
    const signed = (timestamp: number): string =>
      Stripe.webhooks.generateTestHeaderString({ payload, secret: 'whsec_s', timestamp });
    const post = (header: string): Promise<ApiAnswer> =>
      send(stripe.url, payload, { 'stripe-signature': header });
    await refused(post(signed(nowS(-330))), 401, 'timestamp_out_of_tolerance', 'timestamp_too_old');
    await refused(post(signed(nowS(330))), 401, 'timestamp_out_of_tolerance', 'timestamp_too_new');
    await refused(post(signed(nowS()).replace('t=', 't=9')), 401, 'signature_mismatch', 'bad_signature');
    await refused(post(signed(nowS()).replace(/t=\d+,/, '')), 401, 'signature_missing', 'missing_timestamp');
    await refused(
      post(signed(nowS()).replace('v1=', 'v0=')),
      401,
      'signature_mismatch',
      'malformed_signature',
    );
    const wrong = `v1=${'0'.repeat(64)}`;
    expect((await post(signed(nowS()).replace(',', `,${wrong},`))).status).toBe(202);
  });

  test('C1 Standard Webhooks: the id and the time are signed too', async () => {
    const key = `whsec_${Buffer.from('k'.repeat(32)).toString('base64')}`;
    const source = await createSource(gateway, { provider: 'standard-webhooks', secrets: [key] });
    const post = (id: string, atS: number, signature: string): Promise<ApiAnswer> =>
      send(source.url, body, {
        'webhook-id': id,
        'webhook-timestamp': String(atS),
        'webhook-signature': signature,
      });
    const signed = (id: string, atS: number): string => new Webhook(key).sign(id, new Date(atS * 1000), body);
    const at = nowS();
    await refused(post('msg_2', at, signed('msg_1', at)), 401, 'signature_mismatch', 'bad_signature');
    await refused(post('msg_1', at + 1, signed('msg_1', at)), 401, 'signature_mismatch', 'bad_signature');
    const stale = signed('msg_1', at - 330);
    await refused(post('msg_1', at - 330, stale), 401, 'timestamp_out_of_tolerance', 'timestamp_too_old');
    const several = `v1a,aGVsbG8= v1,${Buffer.alloc(32).toString('base64')} ${signed('msg_1', at)}`;
    expect((await post('msg_1', at, several)).status).toBe(202);
  });
});

function sendChunks(url: string, count: number): Promise<Response> {
  const chunks = ReadableStream.from(Array.from({ length: count }, () => Buffer.alloc(1024)));
  return fetch(url, { method: 'POST', body: chunks, duplex: 'half' });
}

describe('C2: bodies', () => {
  let url: string;
  let path: string;

  beforeAll(async () => {
    ({ url } = await createSource(gateway, { provider: 'none' }));
    path = new URL(url).pathname;
  });

  test('C2 exactly the limit is taken, one byte more is 413', async () => {
    expect((await send(url, Buffer.alloc(BODY_LIMIT))).status).toBe(202);
    await refused(send(url, Buffer.alloc(BODY_LIMIT + 1)), 413, 'event_too_large', 'max_body_bytes');
  });

  test('C2 10 MB are 413, and the sender gets to read that', async () => {
    await refused(send(url, Buffer.alloc(10_000_000, 'x')), 413, 'event_too_large', 'max_body_bytes');
  });

  test('C2 a chunked body is held to the same limit, and may end exactly at it', async () => {
    expect((await sendChunks(url, BODY_LIMIT / 1024)).status).toBe(202);
    const over = await sendChunks(url, BODY_LIMIT / 1024 + 1);
    const answer = { status: over.status, headers: over.headers, body: await over.json() };
    await refused(Promise.resolve(answer), 413, 'event_too_large', 'max_body_bytes');
  });

  test('C2 a body that drips in is 408 once its time is up, and costs nobody else anything', async () => {
    const drip = await openRaw(url);
    drip.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n`);
    const timer = setInterval(() => drip.write('.'), 50);
    const from = Date.now();
    expect((await send(url, '{}')).status).toBe(202);
    expect(Date.now() - from).toBeLessThan(1_000);
    const { body, status } = await answerTo(drip);
    clearInterval(timer);
    expect([status, (body as ProblemView).code]).toEqual([408, 'request_timeout']);
    expect(Date.now() - from).toBeLessThan(5_000);
    // Node answers the sender first and only then closes the request, which is when it is noted.
    await expect
      .poll(async () => {
        const late = '/v1/rejections?code=request_timeout';
        return (await ok<ListView<RejectionView>>(gateway.api('GET', late))).data;
      })
      .toMatchObject([{ reason: 'body_incomplete' }]);
  });

  test('C2 an empty body is an event', async () => {
    const { id } = (await send(url, '')).body as { id: string };
    expect(await ok(gateway.api('GET', `/v1/events/${id}`))).toMatchObject({ body: '', body_bytes: 0 });
  });

  test('C2 bytes that are no UTF-8, and text that is no JSON, are kept as they are when they are proven', async () => {
    const source = await createSource(gateway, { provider: 'github', secrets: ['s'] });
    for (const body of [Buffer.from([0xff, 0xfe, 0x00, 0xc3]), Buffer.from('{"a": nope')]) {
      const mac = createHmac('sha256', 's').update(body).digest('hex');
      const headers = { 'x-hub-signature-256': `sha256=${mac}`, 'x-github-event': 'ping' };
      const answer = await send(source.url, body, headers);
      expect(answer.status).toBe(202);
      const event = await ok<EventView>(
        gateway.api('GET', `/v1/events/${(answer.body as { id: string }).id}`),
      );
      const encoding = event.body_encoding === 'base64' ? 'base64' : 'utf8';
      expect(Buffer.from(event.body, encoding).equals(body)).toBe(true);
    }
  });

  test('C2 what is no HTTP is 400 in the same shape', async () => {
    const connection = await openRaw(url);
    connection.write('GARBAGE\r\n\r\n');
    expect(await answerTo(connection)).toMatchObject({ status: 400, body: { code: 'body_malformed' } });
    const badLength = await openRaw(url);
    badLength.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 5x\r\n\r\nhello`);
    expect(await answerTo(badLength)).toMatchObject({ status: 400, body: { code: 'body_malformed' } });
    const both = await openRaw(url);
    both.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    );
    expect(await answerTo(both)).toMatchObject({ status: 400, body: { code: 'body_malformed' } });
  });
});

describe('C3: rules of the source', () => {
  test('C3 an unknown key is 404, whatever it looks like', async () => {
    await refused(send(`${gateway.url}/in/nobody-knows-this`, '{}'), 404, 'source_unknown', 'unknown_key');
    await refused(send(`${gateway.url}/in/nobody/a/b?c=d`, '{}'), 404, 'source_unknown', 'unknown_key');
    await problem(gateway.api('POST', '/in/%E0%A4%A', '{}'), 400, 'body_malformed');
    await problem(gateway.api('POST', `/in/${'x'.repeat(300)}`, '{}'), 404, 'route_unknown');
  });

  test('C3 a key with escapes and other methods than POST mean the same source', async () => {
    const { url } = await createSource(gateway, { provider: 'none' });
    const key = new URL(url).pathname.slice('/in/'.length);
    const escaped = `${gateway.url}/in/%${key.codePointAt(0)?.toString(16)}${key.slice(1)}`;
    expect((await send(escaped, '{"n":1}')).status).toBe(202);
    expect((await send(`${url}?a=/b`, '{"n":2}')).status).toBe(202);
    expect((await send(`${url}/more?a=b`, '{"n":3}')).status).toBe(202);
    expect((await fetch(url, { method: 'PUT', body: '{"n":4}' })).status).toBe(202);
    const unknown = await openRaw(gateway.url);
    unknown.write(`MKCOL /in/${key} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect(await answerTo(unknown)).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } });
  });

  test('C3 a disabled source is 410 until it is enabled again', async () => {
    const { id, url } = await createSource(gateway, { provider: 'none' });
    await ok(gateway.api('PATCH', `/v1/sources/${id}`, { enabled: false }));
    await refused(send(url, '{}'), 410, 'source_disabled', 'disabled');
    await ok(gateway.api('PATCH', `/v1/sources/${id}`, { enabled: true }));
    expect((await send(url, '{}')).status).toBe(202);
    await ok(gateway.api('DELETE', `/v1/sources/${id}`));
    await refused(send(url, '{}'), 404, 'source_unknown', 'unknown_key');
  });

  test('C3 a sender that is not allowed is 403, and cannot pretend', async () => {
    const outside = await createSource(gateway, { provider: 'none', allowed_ips: ['192.0.2.0/24', '::1'] });
    await refused(send(outside.url, '{}'), 403, 'sender_not_allowed', 'allowed_ips');
    const headers = { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1' };
    await refused(send(outside.url, '{}', headers), 403, 'sender_not_allowed', 'allowed_ips');
    const inside = await createSource(gateway, { provider: 'none', allowed_ips: ['127.0.0.0/8'] });
    expect((await send(inside.url, '{}')).status).toBe(202);
  });

  test('C3 beyond the rate limit it is 429 with Retry-After, and other sources do not notice', async () => {
    const rate = { limit: 3, period: '1h' };
    const { url } = await createSource(gateway, { provider: 'none', rate_limit: rate });
    for (let n = 0; n < 3; n += 1) expect((await send(url, '{}')).status).toBe(202);
    const over = send(url, '{}');
    await refused(over, 429, 'rate_limited', 'source_rate');
    expect(Number((await over).headers.get('retry-after'))).toBeGreaterThan(3_500);
    expect(Number((await over).headers.get('retry-after'))).toBeLessThanOrEqual(3_600);
    const other = await createSource(gateway, { provider: 'none' });
    expect((await send(other.url, '{}')).status).toBe(202);
  });

  test('C3 content type and schema: 415 and 422, or kept and marked', async () => {
    const schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };
    const fields = { provider: 'none', schema, content_types: ['application/json'] };
    const strict = await createSource(gateway, fields);
    const json = { 'content-type': 'application/json; charset=utf-8' };
    await refused(send(strict.url, '{"n":1}'), 415, 'content_type_unsupported', 'content_types');
    await refused(send(strict.url, '{"n":"1"}', json), 422, 'schema_mismatch', 'schema');
    await refused(send(strict.url, 'no json', json), 422, 'schema_mismatch', 'schema');
    expect((await send(strict.url, '{"n":1}', json)).status).toBe(202);
    const lax = await createSource(gateway, { provider: 'none', schema, on_invalid: 'mark' });
    const { id } = (await send(lax.url, '{}')).body as { id: string };
    const event = await ok<{ invalid: string | null }>(gateway.api('GET', `/v1/events/${id}`));
    expect(event.invalid).toContain('n');
  });

  test('C3 rejections are bounded: the newest are kept, each with the start of its body', async () => {
    const { id, url } = await createSource(gateway, { provider: 'token', secrets: ['right'] });
    const before = (await ok<ListView<RejectionView>>(gateway.api('GET', '/v1/rejections?limit=500'))).data;
    const requests: string[] = [];
    for (let n = 0; n < KEPT_REJECTIONS + 10; n += 1) {
      const answer = await send(url, `${n}:${'x'.repeat(10_000)}`, { authorization: 'Bearer nearly-right' });
      requests.push((answer.body as ProblemView).request_id);
    }
    const { data } = await ok<ListView<RejectionView>>(
      gateway.api('GET', `/v1/rejections?source=${id}&limit=500`),
    );
    expect(data.map(({ request_id: requestId }) => requestId)).toEqual(
      requests.slice(-KEPT_REJECTIONS).toReversed(),
    );
    expect(new Set(data.map(({ code }) => code))).toEqual(new Set(['credentials_invalid']));
    const last = await rejection(requests.at(-1) ?? '');
    expect(last.body.length).toBe(2_048);
    expect(last.body_bytes).toBeGreaterThan(10_000);
    expect(JSON.stringify(last)).not.toContain('nearly-right');
    const after = await ok<ListView<RejectionView>>(gateway.api('GET', '/v1/rejections?limit=500'));
    expect(after.data.length - before.length).toBe(KEPT_REJECTIONS);
  });
});

function pointers({ errors }: ProblemView): string[] {
  return errors.map(({ pointer }) => pointer).toSorted();
}

function refusedSource(fields: object): Promise<ProblemView> {
  const body = { name: 'c4-cannot', ...fields };
  return problem(gateway.api('POST', '/v1/sources', body), 422, 'validation_failed');
}

describe('C4: requests to the API', () => {
  test('C4 unknown fields are 422, with a pointer to each', async () => {
    const body = {
      name: 'c4',
      url: 'http://127.0.0.1:1/',
      colour: 'red',
      'a/b~c': 1,
      signing: { sceme: 'x' },
    };
    const answer = await problem(gateway.api('POST', '/v1/destinations', body), 422, 'validation_failed');
    expect(pointers(answer)).toEqual(['/a~1b~0c', '/colour', '/signing/sceme']);
    const query = await problem(
      gateway.api('GET', '/v1/events?colour=red&sort=asc'),
      422,
      'validation_failed',
    );
    expect(pointers(query)).toEqual(['/query/colour', '/query/sort']);
  });

  test('C4 wrong types are 422, all of them at once', async () => {
    const body = {
      name: 7,
      provider: null,
      secrets: 'one',
      dedupe: { window: '5 minutes' },
      allowed_ips: [1],
      max_body_bytes: -1,
      rate_limit: { limit: 'many' },
      enabled: 'yes',
    };
    const answer = await problem(gateway.api('POST', '/v1/sources', body), 422, 'validation_failed');
    expect([...new Set(pointers(answer))]).toEqual([
      '/allowed_ips/0',
      '/dedupe/window',
      '/enabled',
      '/max_body_bytes',
      '/name',
      '/provider',
      '/rate_limit/limit',
      '/rate_limit/period',
      '/secrets',
    ]);
  });

  test('C4 settings that cannot work are told when they are made, not at the first event', async () => {
    expect(pointers(await refusedSource({ provider: 'nobody' }))).toEqual(['/provider']);
    expect(pointers(await refusedSource({ provider: 'github' }))).toEqual(['/secrets']);
    expect(pointers(await refusedSource({ provider: 'hmac', secrets: ['s'] }))).toEqual(['/verification']);
    const verification = { alg: 'hmac-sha3', sig: { header: 'x', enc: 'rot13' }, content: '{ts}{nope}' };
    expect(pointers(await refusedSource({ provider: 'hmac', secrets: ['s'], verification }))).toEqual([
      '/verification/alg',
      '/verification/content',
      '/verification/sig/enc',
      '/verification/ts',
    ]);
    expect(
      pointers(await refusedSource({ provider: 'none', allowed_ips: ['10.0.0.0/8', '10.0.0.0/33'] })),
    ).toEqual(['/allowed_ips/1']);
    expect(pointers(await refusedSource({ provider: 'none', schema: { type: 'nothing' } }))).toEqual([
      '/schema/type',
    ]);
    for (const url of ['ftp://example.com/', 'http://10.0.0.1/', 'http://169.254.169.254/', 'nonsense']) {
      const answer = await problem(
        gateway.api('POST', '/v1/destinations', { name: 'c4-url', url }),
        422,
        'validation_failed',
      );
      expect([url, pointers(answer)]).toEqual([url, ['/url']]);
    }
  });

  test('C4 a bad expression is 422, with its field, line and column', async () => {
    const { id } = await createDestination(gateway, { url: 'http://127.0.0.1:1/' });
    for (const field of ['filter', 'transform', 'session_key']) {
      const body = { name: 'c4-cel', destination_id: id, [field]: 'true\n  && event.tpye == "x"' };
      const answer = await problem(gateway.api('POST', '/v1/subscriptions', body), 422, 'filter_invalid');
      expect(pointers(answer)).toEqual([`/${field}`]);
      expect(answer.errors[0]?.message).toMatch(/line 2, column 12: .*tpye/);
    }
    const misspelt = { name: 'c4-cel', destination_id: id, filter: 'event.tpye == "x"' };
    const answer = await problem(gateway.api('POST', '/v1/subscriptions', misspelt), 422, 'filter_invalid');
    expect(answer.detail).toMatch(/tpye/);
    const dedupe = { name: 'c4-dedupe', provider: 'none', dedupe: { key: 'data.' } };
    expect(
      pointers(await problem(gateway.api('POST', '/v1/sources', dedupe), 422, 'filter_invalid')),
    ).toEqual(['/dedupe/key']);
    const tried = await ok<{ valid: boolean; error: { line: number; column: number; offset: number } }>(
      gateway.api('POST', '/v1/filters/test', { filter: 'data.a ==', sample: { data: { a: 1 } } }),
    );
    expect(tried).toMatchObject({ valid: false, error: { line: 1, column: 10, offset: 9 } });
  });

  test.each(['/v1/events', '/v1/deliveries', '/v1/rejections', '/v1/replays', '/v1/sources', '/v1/stream'])(
    'C4 a cursor that was not given out is 422 at %s',
    async (path) => {
      for (const cursor of [
        'nonsense',
        '%00',
        btoa('1:'),
        btoa('2:5'),
        btoa('1:abc'),
        btoa('1:1.5'),
        btoa('1:-'),
      ]) {
        const answer = await problem(
          gateway.api('GET', `${path}?cursor=${cursor}`),
          422,
          'validation_failed',
        );
        expect(pointers(answer)).toEqual(['/query/cursor']);
      }
    },
  );

  test('C4 a Last-Event-ID that was not given out is 422', async () => {
    for (const lastEventId of ['nonsense', btoa('1:abc')]) {
      const headers = { 'last-event-id': lastEventId };
      await problem(gateway.api('GET', '/v1/stream', undefined, headers), 422, 'validation_failed');
    }
  });

  test('C4 a limit out of bounds is 422', async () => {
    for (const limit of ['0', '501', 'ten', '1.5', '']) {
      const answer = await problem(gateway.api('GET', `/v1/events?limit=${limit}`), 422, 'validation_failed');
      expect(pointers(answer)).toEqual(['/query/limit']);
    }
  });

  test('C4 what is not JSON in UTF-8 is 400, what is not an object 422', async () => {
    for (const body of ['{"name":', 'nope', '{} {}']) {
      await problem(gateway.api('POST', '/v1/sources', body), 400, 'body_malformed');
    }
    const bytes = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
    await problem(gateway.api('POST', '/v1/sources', bytes), 400, 'body_malformed');
    for (const body of ['[]', '"text"', '7', 'true']) {
      expect(
        pointers(await problem(gateway.api('POST', '/v1/sources', body), 422, 'validation_failed')),
      ).toEqual(['']);
    }
    const missing = await problem(gateway.api('POST', '/v1/sources', ''), 422, 'validation_failed');
    expect(pointers(missing)).toEqual(['/name', '/provider']);
  });

  test.each([
    ['GET', '/v1/sources/src_none'],
    ['PATCH', '/v1/sources/src_none'],
    ['DELETE', '/v1/sources/src_none'],
    ['DELETE', '/v1/sources/src_none/secrets/0'],
    ['GET', '/v1/destinations/dst_none'],
    ['PATCH', '/v1/destinations/dst_none'],
    ['DELETE', '/v1/destinations/dst_none'],
    ['POST', '/v1/destinations/dst_none/pause'],
    ['POST', '/v1/destinations/dst_none/test'],
    ['POST', '/v1/destinations/dst_none/rotate-secret'],
    ['GET', '/v1/subscriptions/sub_none'],
    ['PATCH', '/v1/subscriptions/sub_none'],
    ['DELETE', '/v1/subscriptions/sub_none'],
    ['GET', '/v1/events/evt_none'],
    ['GET', '/v1/events/evt_none/raw'],
    ['GET', '/v1/events/evt_none/trace'],
    ['GET', '/v1/events/evt_none/deliveries'],
    ['GET', '/v1/deliveries/dlv_none'],
    ['POST', '/v1/deliveries/dlv_none/retry'],
    ['POST', '/v1/deliveries/dlv_none/cancel'],
    ['GET', '/v1/replays/rpl_none'],
    ['POST', '/v1/replays/rpl_none/cancel'],
    ['GET', '/v1/rejections/rej_none'],
    ['DELETE', '/v1/keys/key_none'],
  ])('C4 an id of nothing is 404: %s %s', async (method, path) => {
    await problem(gateway.api(method, path), 404, 'not_found');
  });

  test('C4 a path that is not there is 404, a method that is not there 405 with what there is', async () => {
    await problem(gateway.api('GET', '/v2/events'), 404, 'route_unknown');
    const cases = [
      ['PUT', '/v1/sources/src_x', 'DELETE, GET, HEAD, PATCH'],
      ['DELETE', '/v1/events', 'GET, HEAD, POST'],
      ['POST', '/v1/events/evt_x', 'GET, HEAD'],
      ['POST', '/healthz', 'GET, HEAD'],
      ['PATCH', '/v1/replays/rpl_x/cancel', 'POST'],
    ] as const;
    for (const [method, path, allowed] of cases) {
      const answer = gateway.api(method, path, {});
      await problem(answer, 405, 'method_not_allowed');
      expect((await answer).headers.get('allow')).toBe(allowed);
    }
  });
});

async function createKey(fields: object): Promise<{ readonly id: string; readonly key: string }> {
  return ok(gateway.api('POST', '/v1/keys', { name: freshName('key'), ...fields }));
}

function as(bearer: string, method: string, path: string, body?: unknown): Promise<ApiAnswer> {
  return gateway.api(method, path, body, { authorization: `Bearer ${bearer}` });
}

describe('C5: keys', () => {
  test('C5 no key, a wrong key, a deleted key and an expired key are 401', async () => {
    const headers = { authorization: '' };
    const missing = await fetch(`${gateway.url}/v1/sources`);
    expect([missing.status, missing.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(await missing.json()).toMatchObject({ code: 'credentials_missing' });
    await problem(gateway.api('GET', '/v1/sources', undefined, headers), 401, 'credentials_invalid');
    for (const wrong of [`${gateway.adminKey}x`, gateway.adminKey.slice(0, -1), 'x']) {
      await problem(as(wrong, 'GET', '/v1/sources'), 401, 'credentials_invalid');
    }
    const basic = { authorization: `Basic ${btoa(`admin:${gateway.adminKey}`)}` };
    await problem(gateway.api('GET', '/v1/sources', undefined, basic), 401, 'credentials_invalid');
    const deleted = await createKey({ scopes: ['read'] });
    expect((await as(deleted.key, 'GET', '/v1/sources')).status).toBe(200);
    await ok(gateway.api('DELETE', `/v1/keys/${deleted.id}`));
    await problem(as(deleted.key, 'GET', '/v1/sources'), 401, 'credentials_invalid');
    const expired = await createKey({ scopes: ['read'], expires_at: '2020-01-01T00:00:00Z' });
    await problem(as(expired.key, 'GET', '/v1/sources'), 401, 'credentials_invalid');
  });

  test('C5 a missing scope is 403, on every kind of call', async () => {
    const read = (await createKey({ scopes: ['read'] })).key;
    const writer = (await createKey({ scopes: ['publish'] })).key;
    const manage = (await createKey({ scopes: ['manage'] })).key;
    const event = { type: 'c5.scope', data: {} };
    expect((await as(writer, 'POST', '/v1/events', event)).status).toBe(202);
    for (const [bearer, method, path, body] of [
      [read, 'POST', '/v1/events', event],
      [read, 'POST', '/v1/sources', { name: 'c5', provider: 'none' }],
      [read, 'POST', '/v1/replays', { filter: { state: 'dead' } }],
      [read, 'GET', '/v1/keys', undefined],
      [writer, 'GET', '/v1/events', undefined],
      [writer, 'GET', '/v1/stream', undefined],
      [writer, 'GET', '/v1/events/evt_x/raw', undefined],
      [manage, 'POST', '/v1/keys', { name: 'c5', scopes: ['admin'] }],
    ] as const) {
      await problem(as(bearer, method, path, body), 403, 'scope_missing');
    }
    // The scope is asked before the body is looked at: who may not, learns nothing.
    await problem(as(read, 'POST', '/v1/sources', '{'), 403, 'scope_missing');
  });

  test('C5 a key that is bound to a tenant sees nothing of another', async () => {
    const { key: bound, id: boundId } = await createKey({ scopes: ['admin'], tenant: 'a' });
    const { id: foreignKey } = await createKey({ scopes: ['admin'], tenant: 'b' });
    const source = await createSource(gateway, { provider: 'none', tenant: 'b' });
    const destination = await createDestination(gateway, { url: 'http://127.0.0.1:1/', tenant: 'b' });
    const subscription = await subscribe(gateway, { destination_id: destination.id, tenant: 'b' });
    const { id: eventId } = await publish(gateway, { type: 'c5.tenant', tenant: 'b' });
    const { data: deliveries } = await ok<ListView<{ id: string }>>(
      gateway.api('GET', '/v1/deliveries?tenant=b'),
    );
    const deliveryId = deliveries[0]?.id ?? '';
    const replay = await ok<{ id: string }>(
      gateway.api('POST', '/v1/replays', { filter: { event_ids: [eventId] }, tenant: 'b' }),
    );
    await ok(gateway.api('PATCH', `/v1/sources/${source.id}`, { enabled: false }));
    const { request_id: requestId } = (await send(source.url, '{}')).body as ProblemView;

    for (const [method, path] of [
      ['GET', `/v1/sources/${source.id}`],
      ['PATCH', `/v1/sources/${source.id}`],
      ['DELETE', `/v1/sources/${source.id}`],
      ['GET', `/v1/destinations/${destination.id}`],
      ['POST', `/v1/destinations/${destination.id}/disable`],
      ['POST', `/v1/destinations/${destination.id}/rotate-secret`],
      ['POST', `/v1/destinations/${destination.id}/test`],
      ['DELETE', `/v1/destinations/${destination.id}`],
      ['GET', `/v1/subscriptions/${subscription.id}`],
      ['DELETE', `/v1/subscriptions/${subscription.id}`],
      ['GET', `/v1/events/${eventId}`],
      ['GET', `/v1/events/${eventId}/raw`],
      ['GET', `/v1/events/${eventId}/trace`],
      ['GET', `/v1/events/${eventId}/deliveries`],
      ['GET', `/v1/deliveries/${deliveryId}`],
      ['POST', `/v1/deliveries/${deliveryId}/retry`],
      ['POST', `/v1/deliveries/${deliveryId}/cancel`],
      ['GET', `/v1/replays/${replay.id}`],
      ['POST', `/v1/replays/${replay.id}/cancel`],
      ['GET', `/v1/rejections/${requestId}`],
      ['DELETE', `/v1/keys/${foreignKey}`],
    ] as const) {
      await problem(as(bound, method, path), 404, 'not_found');
    }
    await problem(
      as(bound, 'POST', '/v1/filters/test', { filter: 'true', event: eventId }),
      404,
      'not_found',
    );
    const lists = [
      'sources',
      'destinations',
      'subscriptions',
      'events',
      'deliveries',
      'replays',
      'rejections',
    ];
    for (const list of lists) {
      expect([list, await ok(as(bound, 'GET', `/v1/${list}`))]).toEqual([
        list,
        { data: [], next_cursor: null },
      ]);
      if (list === 'replays') continue;
      // Asking for the other one by name does not help.
      expect([list, await ok(as(bound, 'GET', `/v1/${list}?tenant=b`))]).toEqual([
        list,
        { data: [], next_cursor: null },
      ]);
    }
    const keys = await ok<ListView<{ id: string }>>(as(bound, 'GET', '/v1/keys'));
    expect(keys.data.map(({ id }) => id)).toEqual([boundId]);
    const filter = { event_ids: [eventId] };
    expect(await ok(as(bound, 'POST', '/v1/replays', { filter, dry_run: true }))).toMatchObject({
      matched: 0,
    });
  });

  test('C5 a key that is bound to a tenant cannot reach into another', async () => {
    const { key: bound } = await createKey({ scopes: ['admin'], tenant: 'c' });
    const foreign = await createDestination(gateway, { url: 'http://127.0.0.1:1/', tenant: 'd' });
    const event = { type: 'c5.x', data: {}, tenant: 'd' };
    await problem(as(bound, 'POST', '/v1/events', event), 403, 'scope_missing');
    await problem(as(bound, 'POST', '/v1/events/batch', { events: [event] }), 403, 'scope_missing');
    const source = { name: 'c5-s', provider: 'none', tenant: 'd' };
    await problem(as(bound, 'POST', '/v1/sources', source), 403, 'scope_missing');
    const subscription = { name: 'c5-sub', destination_id: foreign.id };
    await problem(as(bound, 'POST', '/v1/subscriptions', subscription), 422, 'validation_failed');
    // An administrator of one tenant is not one of all: no key for another tenant, none for every tenant.
    const other = { name: 'c5-key', scopes: ['read'], tenant: 'd' };
    await problem(as(bound, 'POST', '/v1/keys', other), 403, 'scope_missing');
    const own = await ok<{ tenant: string }>(
      as(bound, 'POST', '/v1/keys', { name: 'c5-own', scopes: ['read'] }),
    );
    expect(own.tenant).toBe('c');
  });

  test('C5 an administrator of the default tenant does not see or delete keys of every tenant', async () => {
    const global = await createKey({ scopes: ['read'] });
    const { key: bound, id } = await createKey({ scopes: ['admin'], tenant: 'default' });
    await problem(as(bound, 'DELETE', `/v1/keys/${global.id}`), 404, 'not_found');
    const keys = await ok<ListView<{ id: string }>>(as(bound, 'GET', '/v1/keys'));
    expect(keys.data.map((one) => one.id)).toEqual([id]);
  });
});

describe('C6: configuration', () => {
  test('C6 five mistakes in a configuration file are told together, each with its key and its fix', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringback-e2e-'));
    const file = join(folder, 'mistakes.yaml');
    const lines = [
      'log_level: loud',
      'retention: 3 weeks',
      'max_body_size: huge',
      'allow_private: [10.0.0.0/99]',
      'prot: 8420',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const why = await startGatewayProcess({ args: ['--config', file] }).then(
      () => 'it started',
      (error: unknown) => String(error),
    );
    rmSync(folder, { recursive: true });
    expect(why).toContain('ended with 1 before it was ready');
    expect(why).toMatch(/5 mistakes/);
    for (const name of [/log_?level/i, /retention/, /max_?body_?size/i, /allow_?private/i, /prot/]) {
      expect(why).toMatch(name);
    }
    for (let line = 1; line <= lines.length; line += 1)
      expect(why).toMatch(new RegExp(`mistakes\\.yaml.*${line}`));
    expect(why).not.toMatch(/^\s+at /m);
  });
});
