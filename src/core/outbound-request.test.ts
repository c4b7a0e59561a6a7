import { describe, expect, test } from 'vitest';
import { OPERATOR, publishedEvent, startedBench } from '../../test/support/gateway-bench.ts';
import { settled } from '../testing/fake-clock.ts';
import { buildDestination } from '../testing/setting-builders.ts';
import { RESERVED_HEADERS, usableTraceparent } from './outbound-request.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

function secret(text: string, expiresAt: number | null = null) {
  return { sealed: text, createdAt: 0, expiresAt };
}

describe('what a destination receives', () => {
  test('is exactly this', async () => {
    const bench = await startedBench();
    await bench.receiver({ secrets: [secret('s1')] });
    const source = await bench.source({ name: 'gît hub' });
    const headers = {
      'Content-Type': 'application/x-thing',
      'X-Private': 'no',
      'x-type': 'push',
      traceparent: TRACEPARENT,
    };
    const accepted = await bench.receive(source, headers);
    await settled();
    const [delivery] = await bench.deliveries();
    const [request] = bench.sender.requests;
    const eventId = accepted.kind === 'accepted' ? accepted.eventId : '';
    const timestamp = String(Math.floor(bench.clock.now() / 1000));
    const parentId = bench.sender.sent('traceparent')[0]?.split('-')[2];
    const expected = [
      ['content-type', 'application/x-thing'],
      ['user-agent', 'Ringback/1.2.3'],
      ['webhook-id', eventId],
      ['webhook-timestamp', timestamp],
      ['webhook-signature', `v1,${eventId}.${timestamp}.7.s1`],
      ['ringback-event-type', 'push'],
      ['ringback-source', 'g?t hub'],
      ['ringback-delivery', delivery?.id],
      ['ringback-attempt', '1'],
      ['ringback-hops', '1'],
      ['traceparent', `00-${TRACE}-${parentId}-01`],
    ];
    expect(request?.headers).toEqual(expected.flat());
    expect(parentId).toMatch(/^[\da-f]{16}$/);
    expect(parentId).not.toBe('00f067aa0ba902b7');
    expect(request).toMatchObject({ timeoutMs: 15_000, body: new TextEncoder().encode('{"a":1}') });
  });

  test('has the same id and a signature of its own at each attempt', async () => {
    const bench = await startedBench();
    await bench.receiver({ secrets: [secret('s1')] });
    bench.sender.answer(404);
    const { eventId } = await bench.publish();
    await bench.clock.advance(5_000);
    const [first, second] = bench.sender.sent('webhook-timestamp');
    expect(Number(second)).toBeGreaterThan(Number(first));
    expect(bench.sender.sent('webhook-id')).toEqual([eventId, eventId]);
    expect(bench.sender.sent('webhook-signature')).toEqual([
      expect.stringContaining(`${eventId}.${first}.`),
      expect.stringContaining(`${eventId}.${second}.`),
    ]);
    expect(bench.sender.sent('ringback-attempt')).toEqual(['1', '2']);
  });

  test('is signed with both secrets during the grace time, and with the new one after it', async () => {
    const bench = await startedBench();
    const graceEnds = bench.clock.now() + 60_000;
    await bench.receiver({ secrets: [secret('new'), secret('old', graceEnds), secret('older', 1)] });
    await bench.publish();
    await bench.clock.advance(59_999);
    await bench.publish();
    await bench.clock.advance(1);
    await bench.publish();
    await settled();
    const signedWith = bench.sender
      .sent('webhook-signature')
      .map((signature) => signature?.split(' ').map((one) => one.split('.').at(-1)));
    expect(signedWith).toEqual([['new', 'old'], ['new', 'old'], ['new']]);
  });

  test('is not signed when it is not wanted', async () => {
    const bench = await startedBench();
    await bench.receiver({ signing: 'none', secrets: [] });
    await bench.publish();
    await settled();
    expect(bench.sender.sent('webhook-signature')).toEqual([undefined]);
  });

  test('carries the headers and the credentials of the destination, opened where they belong', async () => {
    const bench = await startedBench();
    const built = buildDestination();
    const sealed = (text: string) => secret(`sealed:${built.id}:${text}`);
    await bench.receiver({
      ...built,
      headers: { 'X-Own': 'yes' },
      auth: { kind: 'bearer', token: sealed('t0ken') },
    });
    const auth = { kind: 'basic', username: 'jürgen', password: sealed('a:b') } as const;
    const basic = await bench.destination({ secrets: built.secrets, url: 'https://basic.example/' });
    await bench.gateway.settings.save(
      'destination',
      { ...basic, auth: { ...auth, password: secret('a:b') } },
      OPERATOR,
    );
    await bench.subscription(basic);
    await bench.clock.advance(0);
    await bench.publish();
    await settled();
    expect(bench.sender.sent('x-own')).toEqual(['yes', undefined]);
    expect(bench.sender.sent('authorization')).toEqual([
      'Bearer t0ken',
      `Basic ${Buffer.from('jürgen:a:b').toString('base64')}`,
    ]);
  });

  test('bug: a header of the destination was sent besides ours of that name, not instead of it', async () => {
    const bench = await startedBench();
    await bench.receiver({
      headers: { 'Content-Type': 'application/vnd.mine', Authorization: 'Basic old', 'Webhook-Id': 'forged' },
      auth: { kind: 'bearer', token: secret('t') },
    });
    const { eventId } = await bench.publish();
    await settled();
    const names = bench.sender.requests[0]?.headers.filter((_, index) => index % 2 === 0) ?? [];
    const lower = names.map((name) => name.toLowerCase());
    expect(lower.length).toBe(new Set(lower).size);
    expect(bench.sender.sent('content-type')).toEqual(['application/vnd.mine']);
    expect(bench.sender.sent('authorization')).toEqual(['Bearer t']);
    expect(bench.sender.sent('webhook-id')).toEqual([eventId]);
  });

  test('of a published CloudEvent in binary mode has its attributes as headers', async () => {
    const bench = await startedBench();
    await bench.receiver();
    const headers = [
      'CE-Id',
      '1',
      'ce-type',
      'a.b',
      'ce-odd',
      'x%20y',
      'Authorization',
      'Bearer mine',
      'Content-Type',
      'text/plain',
    ];
    await bench.publish({ cloudEvent: 'binary', contentType: 'text/plain' }, { headers });
    await bench.publish({ cloudEvent: 'structured' }, { headers });
    await settled();
    expect(bench.sender.sent('ce-id')).toEqual(['1', undefined]);
    expect(bench.sender.sent('ce-odd')).toEqual(['x%20y', undefined]);
    expect(bench.sender.sent('authorization')).toEqual([undefined, undefined]);
  });

  test('as a test request has the same shape and belongs to no event', async () => {
    const bench = await startedBench();
    const destination = await bench.destination({ headers: { 'X-Own': 'yes' }, secrets: [secret('s1')] });
    const { body } = publishedEvent();
    const { webhookId } = await bench.gateway.sendTest(destination, body);
    expect(bench.sender.sent('webhook-id')).toEqual([webhookId]);
    expect(bench.sender.sent('webhook-signature')[0]).toContain(`v1,${webhookId}.`);
    expect(bench.sender.sent('ringback-event-type')).toEqual(['ringback.test']);
    expect(bench.sender.sent('x-own')).toEqual(['yes']);
    expect(await bench.deliveries()).toEqual([]);
  });
});

describe('headers that are ours alone', () => {
  test.each([
    'webhook-id',
    'webhook-anything',
    'ringback-event-type',
    'host',
    'content-length',
    'connection',
    'transfer-encoding',
    'traceparent',
    'user-agent',
  ])('%s', (name) => {
    expect(RESERVED_HEADERS.test(name)).toBe(true);
  });

  test.each(['x-webhook-id', 'authorization', 'content-type', 'x-host'])('not %s', (name) => {
    expect(RESERVED_HEADERS.test(name)).toBe(false);
  });
});

describe('a traceparent', () => {
  test.each([
    [TRACEPARENT, TRACEPARENT],
    [`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, null],
    [`00-${TRACE}-${'0'.repeat(16)}-01`, null],
    [TRACEPARENT.toUpperCase(), null],
    [`ff-${TRACE}-00f067aa0ba902b7-01`, null],
    [`${TRACEPARENT}-more`, null],
    ['', null],
  ])('%s', (value, usable) => {
    expect(usableTraceparent(['TraceParent', value])).toBe(usable);
  });

  test('is optional', () => {
    expect(usableTraceparent(['x', TRACEPARENT])).toBeNull();
  });

  test('of a later version goes on as the version that we write', async () => {
    const bench = await startedBench();
    await bench.receiver();
    await bench.publish({}, { headers: ['traceparent', `cc-${TRACE}-00f067aa0ba902b7-03`] });
    await settled();
    expect(bench.sender.sent('traceparent')[0]).toMatch(new RegExp(`^00-${TRACE}-[\\da-f]{16}-03$`));
  });
});
