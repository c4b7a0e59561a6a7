import { afterEach, describe, expect, test, vi } from 'vitest';
import { bytes, rejection, startedBench, type Bench } from '../../test/support/gateway-bench.ts';
import type { LoggedEvent } from '../domain/event.ts';
import { settled } from '../testing/fake-clock.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

async function events(bench: Bench): Promise<readonly LoggedEvent[]> {
  return (await bench.store.queries.events({}, { limit: 500, before: null })).items.toReversed();
}

async function firstEvent(bench: Bench): Promise<LoggedEvent> {
  const [event] = await events(bench);
  if (event === undefined) throw new Error('there is no event');
  return event;
}

async function rejections(bench: Bench) {
  await bench.gateway.rejections.flush();
  return (await bench.store.queries.rejections({}, { limit: 500, before: null })).items;
}

describe('a request to a source', () => {
  test('is kept byte for byte, with how it was proven', async () => {
    const bench = await startedBench();
    const source = await bench.source({ name: 'shop', tenant: 'acme' });
    const body = Uint8Array.from([0, 255, 10, 13, 128]);
    const headers = {
      'Content-Type': 'application/x-odd',
      'x-id': 'evt-1',
      'x-type': 'order.paid',
      'x-key': 'cus_1',
    };
    const answer = await bench.receive(source, headers, { body, path: '/more?x=1', requestId: 'req_x' });
    const event = await firstEvent(bench);
    expect(answer).toEqual({
      kind: 'accepted',
      eventId: event.id,
      duplicate: false,
      deliveries: 0,
      answer: null,
    });
    expect(event).toMatchObject({
      tenant: 'acme',
      sourceId: source.id,
      source: 'shop',
      type: 'order.paid',
      key: 'cus_1',
      externalId: 'evt-1',
      occurredAt: bench.clock.now(),
      receivedAt: bench.clock.now(),
      contentType: 'application/x-odd',
      headers: Object.entries({ 'x-secret': 'right', ...headers }).flat(),
      body,
      origin: {
        requestId: 'req_x',
        method: 'POST',
        path: '/more?x=1',
        remoteAddress: '192.0.2.1',
        verification: { provider: 'hmac', covers: 'body', secretIndex: 0 },
        dedupeKey: 'evt-1',
      },
    });
    expect(event.origin.invalid).toBeUndefined();
  });

  test.each([
    ['', 'webhook.received'],
    ['not a type', 'webhook.received'],
    ['a.b', 'a.b'],
  ])('whose type is %j is of type %s', async (type, kept) => {
    const bench = await startedBench();
    await bench.receive(await bench.source(), { 'x-type': type });
    expect((await firstEvent(bench)).type).toBe(kept);
  });

  test('of which the provider says the time happened then', async () => {
    const bench = await startedBench();
    await bench.receive(await bench.source(), { 'x-time': '1000' });
    expect((await firstEvent(bench)).occurredAt).toBe(1_000);
  });

  test.each(['nonsense', 'Infinity', '1e300', '-8.64e15'])(
    'bug: a time that no calendar has (%s) made every list that held it fail',
    async (time) => {
      const bench = await startedBench();
      await bench.receive(await bench.source(), { 'x-time': time });
      expect(() => firstEvent(bench)).not.toThrow();
      expect((await firstEvent(bench)).occurredAt).toBe(bench.clock.now());
    },
  );

  test('that is a handshake is answered and not kept', async () => {
    const bench = await startedBench();
    const source = await bench.source();
    const answer = await bench.receive(source, {}, { method: 'GET' });
    expect(answer).toMatchObject({ kind: 'handshake', answer: { status: 200, body: 'challenge' } });
    expect(await events(bench)).toEqual([]);
  });
});

test('a provider sees the answers that it wants', async () => {
  const bench = await startedBench();
  const pleased = await bench.receive(await bench.source({ provider: 'answers' }));
  expect(pleased).toMatchObject({ kind: 'accepted', answer: { status: 200, body: 'ok' } });
  const source = await bench.source({ provider: 'no-ids', contentTypes: ['text/plain'] });
  const unproven = await rejection(bench.receive(source, { 'x-secret': 'wrong' }));
  expect(unproven).toMatchObject({ code: 'signature_mismatch', status: 403 });
  expect(await rejection(bench.receive(source))).toMatchObject({ status: 415 });
});

describe('what is refused', () => {
  const wrong = { 'x-secret': 'wrong', 'content-type': 'text/plain' };

  test('is refused for the first of its faults: source, address, size, proof, type, schema', async () => {
    const bench = await startedBench();
    const limited = {
      maxBodyBytes: 10,
      contentTypes: ['application/json'],
      schema: { type: 'object', required: ['id'] },
      allowedIps: ['192.0.2.1'],
    };
    const source = await bench.source(limited);
    const off = await bench.source({ ...limited, enabled: false });
    const elsewhere = { remoteAddress: '192.0.2.66', body: bytes('x'.repeat(11)) };
    const json = { 'content-type': 'application/json; charset=utf-8' };
    const refused = [
      bench.receive({ ...source, ingestKey: 'nobody' }, wrong, elsewhere),
      bench.receive(off, wrong, elsewhere),
      bench.receive(source, wrong, elsewhere),
      bench.receive(source, wrong, { body: bytes('x'.repeat(11)) }),
      bench.receive(source, wrong),
      bench.receive(source, { 'content-type': 'text/plain' }),
      bench.receive(source, json),
    ];
    const problems = await Promise.all(refused.map((one) => rejection(one)));
    const codes = [
      'source_unknown',
      'source_disabled',
      'sender_not_allowed',
      'event_too_large',
      'signature_mismatch',
      'content_type_unsupported',
      'schema_mismatch',
    ];
    expect(problems).toMatchObject(codes.map((code) => ({ code })));
    expect((await rejections(bench)).map(({ code }) => code).toSorted()).toEqual(codes.toSorted());
    expect(bench.counted).toEqual(codes.map((code) => `rejected:${code}`));
    expect(await events(bench)).toEqual([]);
    await bench.receive(source, json, { body: bytes('{"id":1}') });
    expect(await events(bench)).toHaveLength(1);
  });

  test('by the rate limit is told when to come back, and the limit holds over time', async () => {
    const bench = await startedBench();
    const source = await bench.source({ rateLimit: { limit: 2, periodMs: 10_000 } });
    await bench.receive(source);
    await bench.receive(source);
    expect(await rejection(bench.receive(source))).toMatchObject({ code: 'rate_limited', retryAfterS: 10 });
    await bench.clock.advance(10_000);
    await bench.receive(source);
    await bench.receive(source);
    expect(await rejection(bench.receive(source))).toMatchObject({ code: 'rate_limited' });
  });

  test('is kept in short, without credentials', async () => {
    const bench = await startedBench();
    const source = await bench.source({ tenant: 'acme' });
    const headers = {
      ...wrong,
      Authorization: 'Bearer nearly',
      Cookie: 'a=b',
      'X-Gitlab-Token': 'nearly',
      'X-Api-Key': 'nearly',
      'X-Long': 'y'.repeat(5_000),
    };
    const body = bytes('z'.repeat(10_000));
    await rejection(bench.receive(source, headers, { body, path: `/${'p'.repeat(5_000)}` }));
    const [kept] = await rejections(bench);
    expect(kept).toMatchObject({
      tenant: 'acme',
      sourceId: source.id,
      code: 'signature_mismatch',
      reason: 'no_secret_fits',
      bodyBytes: 10_000,
    });
    expect(kept?.body.byteLength).toBe(2_048);
    expect(kept?.path.length).toBe(1_024);
    const text = JSON.stringify(kept?.headers);
    expect(text.length).toBeLessThan(1_500);
    expect(text).not.toContain('nearly');
    expect(text).not.toContain('a=b');
  });

  test('in a flood is answered each time but recorded only so often, in bounded number', async () => {
    const bench = await startedBench({ gateway: { rejections: { maxPerSource: 50, maxBytes: 1 << 20 } } });
    const source = await bench.source();
    const record = vi.spyOn(bench.store.upkeep, 'recordRejections');
    for (let made = 0; made < 1_000; made += 1) {
      expect(await rejection(bench.receive(source, wrong))).toMatchObject({ code: 'signature_mismatch' });
    }
    await bench.clock.advance(1_000);
    const recorded = record.mock.calls.reduce((sum, [some]) => sum + some.length, 0);
    expect(recorded).toBe(200);
    expect(await rejections(bench)).toHaveLength(50);
    expect(bench.log.of('rejections.dropped')).toEqual([{ count: 800 }]);
    expect(bench.counted).toHaveLength(1_000);
  });

  test('is answered all the same when it cannot be recorded', async () => {
    const bench = await startedBench();
    const source = await bench.source();
    vi.spyOn(bench.store.upkeep, 'recordRejections').mockRejectedValue(new Error('disk full'));
    expect(await rejection(bench.receive(source, wrong))).toMatchObject({ code: 'signature_mismatch' });
    await bench.clock.advance(100);
    expect(bench.log.of('rejections.lost')).toEqual([{ count: 1 }]);
  });
});

describe('content types and schemas', () => {
  test.each([
    ['application/json', true],
    ['Application/JSON; charset=utf-8', true],
    ['text/plain', false],
    ['', false],
  ])('%j passes a source of JSON: %s', async (type, passes) => {
    const bench = await startedBench();
    const source = await bench.source({ contentTypes: ['application/json', 'text/xml'] });
    const outcome = await bench.receive(source, { 'content-type': type }).catch((error: unknown) => error);
    expect(outcome).toMatchObject(passes ? { kind: 'accepted' } : { code: 'content_type_unsupported' });
  });

  const schema = { type: 'object', required: ['id'] };

  test('a source that marks keeps what does not fit, and says why', async () => {
    const bench = await startedBench();
    const source = await bench.source({ schema, onInvalid: 'mark' });
    await bench.receive(source);
    await bench.receive(source, {}, { body: bytes('{"id":1}') });
    const [bad, good] = await events(bench);
    expect(bad?.origin.invalid).toContain('id');
    expect(good?.origin.invalid).toBeUndefined();
  });

  test('bug: a body that is no JSON at all passed a schema that does not say "object"', async () => {
    const bench = await startedBench();
    const source = await bench.source({ schema: { required: ['id'] } });
    const outcome = await rejection(bench.receive(source, {}, { body: bytes('{"id":1') }));
    expect(outcome).toMatchObject({ code: 'schema_mismatch' });
    await bench.receive(source, {}, { body: bytes('null') });
  });
});

describe('the same event again', () => {
  test('is answered with the first id, and owes nothing', async () => {
    const bench = await startedBench();
    const source = await bench.source();
    await bench.receiver();
    const first = await bench.receive(source, { 'x-id': 'one' });
    const again = await bench.receive(source, { 'x-id': 'one' });
    expect(again).toMatchObject({ ...first, duplicate: true, deliveries: 0 });
    await settled();
    expect(bench.sender.requests).toHaveLength(1);
    expect(bench.counted).toContain('duplicate:hmac');
  });

  test('is another event at another source, and after its window', async () => {
    const bench = await startedBench();
    const source = await bench.source({ dedupe: { key: null, windowMs: 60_000 } });
    const other = await bench.source();
    const first = await bench.receive(source, { 'x-id': 'one' });
    expect(await bench.receive(other, { 'x-id': 'one' })).toMatchObject({ duplicate: false });
    await bench.clock.advance(59_999);
    expect(await bench.receive(source, { 'x-id': 'one' })).toMatchObject({ ...first, duplicate: true });
    await bench.clock.advance(1);
    expect(await bench.receive(source, { 'x-id': 'one' })).toMatchObject({ duplicate: false });
  });

  test('is told by the key expression of the source, which the event shows as its key', async () => {
    const bench = await startedBench();
    const source = await bench.source({
      dedupe: { key: 'headers["x-order"] + "/" + string(data.a)', windowMs: 60_000 },
    });
    const order = { 'x-order': '7' };
    await bench.receive(source, { ...order, 'x-id': 'one' });
    expect(await bench.receive(source, { ...order, 'x-id': 'two' })).toMatchObject({ duplicate: true });
    expect(await bench.receive(source, { 'x-order': '8', 'x-id': 'one' })).toMatchObject({
      duplicate: false,
    });
    const [event] = await events(bench);
    // It showed the id of the provider, which had nothing to do with it.
    expect(event?.origin.dedupeKey).toBe('7/1');
    expect(event?.externalId).toBe('one');
  });

  test.each(['headers["absent"]', 'null', '""'])('has no key by %s: both are kept', async (key) => {
    const bench = await startedBench();
    const source = await bench.source({ dedupe: { key, windowMs: 60_000 } });
    await bench.receive(source, { 'x-id': 'one' });
    expect(await bench.receive(source, { 'x-id': 'one' })).toMatchObject({ duplicate: false });
    expect((await firstEvent(bench)).origin.dedupeKey).toBeNull();
  });

  test('of a provider without ids is told by its body, for ten minutes', async () => {
    const bench = await startedBench();
    const source = await bench.source({ provider: 'no-ids' });
    const first = await bench.receive(source);
    await bench.clock.advance(599_000);
    expect(await bench.receive(source)).toMatchObject({ ...first, duplicate: true });
    expect(await bench.receive(source, {}, { body: bytes('other') })).toMatchObject({ duplicate: false });
    expect(await bench.receive(source, { 'x-id': 'one' })).toMatchObject({ duplicate: false });
    await bench.clock.advance(1_000);
    expect(await bench.receive(source)).toMatchObject({ duplicate: false });
  });

  test.each([
    ['id of the provider', null],
    ['key expression', 'headers["x-id"]'],
  ])('bug: a long %s was cut, so that two events with one beginning were one', async (_, key) => {
    const bench = await startedBench();
    const source = await bench.source({ dedupe: { key, windowMs: 60_000 } });
    const start = 'k'.repeat(600);
    await bench.receive(source, { 'x-id': `${start}1` });
    expect(await bench.receive(source, { 'x-id': `${start}2` })).toMatchObject({ duplicate: false });
    expect(await bench.receive(source, { 'x-id': `${start}1` })).toMatchObject({ duplicate: true });
    expect((await firstEvent(bench)).origin.dedupeKey?.length).toBeLessThanOrEqual(512);
  });
});

describe('a store that fails', () => {
  test('is our own fault: 503, come back, and nothing is held for it', async () => {
    const bench = await startedBench();
    const source = await bench.source();
    await bench.receiver();
    vi.spyOn(bench.store.log, 'append').mockRejectedValueOnce(new Error('disk full'));
    const problem = await rejection(bench.receive(source));
    expect(problem).toMatchObject({
      code: 'store_unavailable',
      status: 503,
      retryable: true,
      retryAfterS: 5,
    });
    expect(bench.gateway.dispatcher.load().bytes).toBe(0);
    await bench.receive(source);
    await settled();
    expect(bench.sender.requests).toHaveLength(1);
  });

  test('and a source that cannot be compiled', async () => {
    const bench = await startedBench();
    const source = await bench.source({ dedupe: { key: 'data.', windowMs: 60_000 } });
    expect(await rejection(bench.receive(source))).toMatchObject({ code: 'store_unavailable', status: 503 });
    expect(bench.log.of('source.unusable')).toMatchObject([{ source_id: source.id }]);
  });

  test('bug: a subscription that no longer compiles refused its tenant every event with a 4xx', async () => {
    const bench = await startedBench();
    const source = await bench.source();
    const destination = await bench.receiver();
    await bench.subscription(destination, { filter: 'data.' });
    expect(await bench.receive(source)).toMatchObject({ kind: 'accepted', deliveries: 1 });
    const explained = await bench.gateway.explain.event(await firstEvent(bench));
    expect(explained.considered.map(({ verdict }) => verdict.reason)).toEqual(['matched', 'filter_failed']);
  });
});
