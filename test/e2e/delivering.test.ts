import type { ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  createDestination,
  createSource,
  deliveriesOf,
  type DeliveryView,
  type DestinationView,
  everyPage,
  ok,
  problem,
  publish,
  send,
  settled,
  subscribe,
} from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import * as hostile from './receivers/hostile-receivers.ts';
import { type Answer, type Receiver, startReceiver } from './receiving.ts';

let gateway: GatewayProcess;
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  gateway = await startGatewayProcess();
});

afterAll(async () => {
  await Promise.all(cleanups.map((cleanup) => cleanup()));
  expect(await gateway.stop()).toBe(0);
});

type Fields = Readonly<Record<string, unknown>>;

interface Flow {
  readonly type: string;
  readonly destination: DestinationView;
  readonly subscriptionId: string;
}

let flows = 0;

/** A destination that gets the events of a type of its own. */
async function flow(url: string, subscription: Fields = {}, destination: Fields = {}): Promise<Flow> {
  flows += 1;
  const type = `flow.n${flows}`;
  const made = await createDestination(gateway, { url, ...destination });
  const { id } = await subscribe(gateway, {
    destination_id: made.id,
    types: [type],
    retry: { schedule: ['50ms', '100ms'], jitter: 0 },
    ...subscription,
  });
  return { type, destination: made, subscriptionId: id };
}

async function receiving(answer?: Answer): Promise<Receiver> {
  const receiver = await startReceiver(answer);
  cleanups.push(() => receiver.close());
  return receiver;
}

/** Answers with these statuses, one after the other; the last one goes on. */
function statuses(...all: readonly (number | [number, Record<string, string>])[]): Answer {
  let next = 0;
  return (_request, response) => {
    const status = all[Math.min(next, all.length - 1)] ?? 200;
    next += 1;
    if (typeof status === 'number') response.writeHead(status).end();
    else response.writeHead(...status).end();
  };
}

function outcomes({ attempts }: DeliveryView): unknown[] {
  return attempts.map(({ outcome, status, error }) => [outcome, status, error]);
}

const ONCE_MORE = { retry: { schedule: ['20ms'], jitter: 0 } };
const MIB = 1024 * 1024;

describe('D1: hostile destinations', () => {
  const cases: readonly [string, () => Promise<hostile.HostileReceiver>, unknown[], string, string | null][] =
    [
      ['hangs', () => hostile.hangs(), ['retryable', null, 'timeout'], 'dead', 'attempts_exhausted'],
      [
        'resets',
        () => hostile.resetsAfterRequest(),
        ['retryable', null, 'connection_reset'],
        'dead',
        'attempts_exhausted',
      ],
      [
        'closes without an answer',
        () => hostile.closesAfterRequest(),
        ['retryable', null, 'connection_reset'],
        'dead',
        'attempts_exhausted',
      ],
      [
        'drips for ever',
        () => hostile.drips(20),
        ['retryable', null, 'timeout'],
        'dead',
        'attempts_exhausted',
      ],
      [
        'drips its headers',
        () => hostile.dripsHead(20),
        ['retryable', null, 'timeout'],
        'dead',
        'attempts_exhausted',
      ],
      [
        'sends headers without end',
        () => hostile.endlessHeaders(),
        ['retryable', null, 'invalid_response'],
        'dead',
        'attempts_exhausted',
      ],
      [
        'announces more than it sends',
        () => hostile.announcesTooMuch('close'),
        ['retryable', null, 'connection_reset'],
        'dead',
        'attempts_exhausted',
      ],
      [
        'talks no HTTP',
        () => hostile.sendsRaw('SSH-2.0-OpenSSH\r\n'),
        ['retryable', null, 'invalid_response'],
        'dead',
        'attempts_exhausted',
      ],
      ['answers 50 MB', () => hostile.floods(50 * MIB, false), ['succeeded', 200, null], 'succeeded', null],
      [
        'announces less than it sends',
        () => hostile.announcesTooLittle(),
        ['succeeded', 200, null],
        'succeeded',
        null,
      ],
    ];

  test.each(cases)(
    'D1 a destination that %s: the documented outcome',
    async (_name, start, attempt, state, reason) => {
      const receiver = await start();
      cleanups.push(() => receiver.close());
      const { type } = await flow(receiver.url, ONCE_MORE, { timeout: '400ms' });
      const { id } = await publish(gateway, { type });
      const delivery = await settled(gateway, id);
      expect(outcomes(delivery)).toEqual(state === 'dead' ? [attempt, attempt] : [attempt]);
      expect([delivery.state, delivery.reason]).toEqual([state, reason]);
      for (const { response_body: body } of delivery.attempts)
        expect(body.length).toBeLessThanOrEqual(16 * 1024);
    },
  );

  test('D1 a redirect is not followed', async () => {
    const goal = await receiving();
    const redirecting = await hostile.redirects(goal.url);
    cleanups.push(() => redirecting.close());
    const { type } = await flow(redirecting.url, ONCE_MORE);
    const delivery = await settled(gateway, (await publish(gateway, { type })).id);
    expect(outcomes(delivery)).toEqual([
      ['retryable', 302, 'http_302'],
      ['retryable', 302, 'http_302'],
    ]);
    expect(delivery.state).toBe('dead');
    expect(goal.received).toEqual([]);
  });

  test('D1 nobody listens: connection_refused', async () => {
    const gone = await startReceiver();
    await gone.close();
    const { type } = await flow(gone.url, ONCE_MORE);
    const delivery = await settled(gateway, (await publish(gateway, { type })).id);
    expect(outcomes(delivery)).toEqual([
      ['retryable', null, 'connection_refused'],
      ['retryable', null, 'connection_refused'],
    ]);
  });

  test('D1 a destination that hangs, with a long backlog, does not delay another', async () => {
    const hanging = await hostile.hangs();
    cleanups.push(() => hanging.close());
    const slow = await flow(hanging.url, {}, { timeout: '5m', max_in_flight: 50 });
    const events = Array.from({ length: 500 }, () => ({ type: slow.type, data: {} }));
    await ok(gateway.api('POST', '/v1/events/batch', { events }));
    await vi.waitFor(() => expect(hanging.requests()).toBe(50), { timeout: 5_000 });
    const healthy = await receiving();
    const { type } = await flow(healthy.url);
    const sentAt = new Map<string, number>();
    for (let n = 0; n < 30; n += 1) {
      const from = Date.now();
      sentAt.set((await publish(gateway, { type })).id, from);
    }
    const received = await healthy.count(30, 5_000);
    const delays = received.map(({ headers, at }) => at - (sentAt.get(String(headers['webhook-id'])) ?? 0));
    expect(Math.max(...delays)).toBeLessThan(1_000);
    expect(hanging.requests()).toBe(50);
    await ok(gateway.api('POST', `/v1/destinations/${slow.destination.id}/pause`));
  });
});

describe('D2: retries', () => {
  test('D2 by the schedule, with the same id, anew signed, until one succeeds', async () => {
    const receiver = await receiving(statuses(503, 500, 204));
    const { type, destination } = await flow(receiver.url, {
      retry: { schedule: ['150ms', '300ms'], jitter: 0 },
    });
    const { id } = await publish(gateway, { type, data: { n: 1 } });
    const delivery = await settled(gateway, id);
    expect(outcomes(delivery)).toEqual([
      ['retryable', 503, 'http_503'],
      ['retryable', 500, 'http_500'],
      ['succeeded', 204, null],
    ]);
    expect(delivery.attempts.map(({ number }) => number)).toEqual([1, 2, 3]);
    const [first, second, third] = receiver.received;
    if (first === undefined || second === undefined || third === undefined) throw new Error('too few');
    expect(second.at - first.at).toBeGreaterThanOrEqual(140);
    expect(third.at - second.at).toBeGreaterThanOrEqual(290);
    expect(third.at - first.at).toBeLessThan(3_000);
    expect(receiver.ids()).toEqual([id, id, id]);
    expect(receiver.received.map(({ headers }) => headers['ringback-attempt'])).toEqual(['1', '2', '3']);
    for (const { headers, body } of receiver.received) {
      new Webhook(destination.secret).verify(body.toString(), headers as Record<string, string>);
      expect(body.equals(first.body)).toBe(true);
    }
    expect(delivery.attempts.at(-1)?.next_attempt_at).toBeNull();
    for (const { started_at: startedAt, next_attempt_at: next } of delivery.attempts.slice(0, 2)) {
      expect(Date.parse(next ?? '')).toBeGreaterThan(Date.parse(startedAt));
    }
  });

  test.each([
    ['seconds', () => '1'],
    ['a date', () => new Date(Date.now() + 2_000).toUTCString()],
  ])('D2 Retry-After as %s lengthens the wait', async (_form, value) => {
    const receiver = await receiving((_request, response) => {
      if (receiver.received.length === 1) response.writeHead(429, { 'retry-after': value() }).end();
      else response.end();
    });
    const { type } = await flow(receiver.url);
    const delivery = await settled(gateway, (await publish(gateway, { type })).id);
    expect(outcomes(delivery)).toEqual([
      ['retryable', 429, 'http_429'],
      ['succeeded', 200, null],
    ]);
    const [first, second] = receiver.received;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(950);
  });

  test("D2 Retry-After cannot ask for more than the policy's maximum", async () => {
    const receiver = await receiving(statuses([503, { 'retry-after': '86400' }], 200));
    const retry = { schedule: ['10ms'], jitter: 0, max_delay: '300ms' };
    const { type } = await flow(receiver.url, { retry });
    const delivery = await settled(gateway, (await publish(gateway, { type })).id, undefined, 5_000);
    expect(delivery.state).toBe('succeeded');
    const [first, second] = receiver.received;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(290);
  });

  test('D2 attempts used up: dead; replayed once the receiver is mended: delivered', async () => {
    const receiver = await receiving(statuses(500));
    const { type, destination } = await flow(receiver.url);
    const ids = [];
    for (let n = 0; n < 3; n += 1) ids.push((await publish(gateway, { type, data: { n } })).id);
    for (const id of ids) {
      const delivery = await settled(gateway, id);
      expect([delivery.state, delivery.reason, delivery.attempt_count]).toEqual([
        'dead',
        'attempts_exhausted',
        3,
      ]);
    }
    receiver.answer = (_request, response) => response.end();
    const filter = { state: 'dead', destination: destination.id };
    const replay = await ok<{ id: string; matched: number }>(gateway.api('POST', '/v1/replays', { filter }));
    expect(replay.matched).toBe(3);
    await receiver.count(12);
    expect(new Set(receiver.ids().slice(9))).toEqual(new Set(ids));
    for (const id of ids) {
      const [newest, oldest] = await deliveriesOf(gateway, id);
      expect(oldest).toMatchObject({ state: 'dead', replay_of: null });
      expect(newest).toMatchObject({ replay_of: oldest?.id, replay_id: replay.id });
      await settled(gateway, id, ({ state }) => state === 'succeeded');
    }
  });

  test('D2 on_client_error "dead" ends at the first 4xx, but not at those that mean "later"', async () => {
    const receiver = await receiving(statuses(404));
    const { type } = await flow(receiver.url, { on_client_error: 'dead' });
    const delivery = await settled(gateway, (await publish(gateway, { type })).id);
    expect([delivery.state, delivery.reason]).toEqual(['dead', 'http_404']);
    expect(outcomes(delivery)).toEqual([['permanent', 404, 'http_404']]);
    const later = await receiving(statuses(408, 425, 200));
    const second = await flow(later.url, { on_client_error: 'dead' });
    const delivered = await settled(gateway, (await publish(gateway, { type: second.type })).id);
    expect(outcomes(delivered)).toEqual([
      ['retryable', 408, 'http_408'],
      ['retryable', 425, 'http_425'],
      ['succeeded', 200, null],
    ]);
  });

  test('D2 by default other 4xx are tried again: receivers answer 401 and 404 while they deploy', async () => {
    const receiver = await receiving(statuses(401, 404, 200));
    const { type } = await flow(receiver.url);
    expect((await settled(gateway, (await publish(gateway, { type })).id)).state).toBe('succeeded');
  });
});

describe('D3: 410', () => {
  test('D3 disables the destination and kills what it is owed, with a reason; enabled again it goes on', async () => {
    const held: ServerResponse[] = [];
    const receiver = await receiving((_request, response) => held.push(response));
    const { type, destination } = await flow(receiver.url, {}, { max_in_flight: 1 });
    const ids = [];
    for (let n = 0; n < 8; n += 1) ids.push((await publish(gateway, { type })).id);
    await receiver.count(1);
    held[0]?.writeHead(410).end();
    for (const id of ids) {
      const delivery = await settled(gateway, id);
      expect(delivery.state).toBe('dead');
      expect(delivery.reason).toMatch(/^destination_(gone|disabled)$/);
    }
    expect(outcomes(await settled(gateway, ids[0] ?? ''))).toEqual([['permanent', 410, 'http_410']]);
    expect(receiver.received).toHaveLength(1);
    const path = `/v1/destinations/${destination.id}`;
    expect(await ok(gateway.api('GET', path))).toMatchObject({
      state: 'disabled',
      state_reason: 'destination_gone',
    });
    const late = await settled(gateway, (await publish(gateway, { type })).id);
    expect([late.state, late.reason]).toEqual(['dead', 'destination_disabled']);
    receiver.answer = (_request, response) => response.end();
    await ok(gateway.api('POST', `${path}/enable`));
    await settled(gateway, (await publish(gateway, { type })).id, ({ state }) => state === 'succeeded');
  });
});

describe('D4: operations on deliveries and destinations', () => {
  test('D4 retry brings a pending delivery forward to now', async () => {
    const receiver = await receiving(statuses(500, 200));
    const { type } = await flow(receiver.url, { retry: { schedule: ['1h'], jitter: 0 } });
    const { id } = await publish(gateway, { type });
    const pending = await settled(
      gateway,
      id,
      ({ state, attempts }) => state === 'pending' && attempts.length === 1,
    );
    await ok(gateway.api('POST', `/v1/deliveries/${pending.id}/retry`));
    const done = await settled(gateway, id, undefined, 3_000);
    expect([done.state, done.attempt_count]).toEqual(['succeeded', 2]);
    await problem(gateway.api('POST', `/v1/deliveries/${pending.id}/retry`), 409, 'conflict');
    await problem(gateway.api('POST', `/v1/deliveries/${pending.id}/cancel`), 409, 'conflict');
  });

  test('D4 cancel ends a pending delivery for good', async () => {
    const receiver = await receiving(statuses(500));
    const { type } = await flow(receiver.url, { retry: { schedule: ['400ms'], jitter: 0 } });
    const { id } = await publish(gateway, { type });
    const pending = await settled(
      gateway,
      id,
      ({ state, attempts }) => state === 'pending' && attempts.length === 1,
    );
    await ok(gateway.api('POST', `/v1/deliveries/${pending.id}/cancel`, { reason: 'not needed' }));
    // Another one with the same schedule has had its second attempt: this one's time has passed too.
    const other = await publish(gateway, { type });
    await settled(gateway, other.id);
    const cancelled = await settled(gateway, id);
    expect([cancelled.state, cancelled.reason, cancelled.attempts.length]).toEqual([
      'cancelled',
      'not needed',
      1,
    ]);
    expect(receiver.ids().filter((one) => one === id)).toHaveLength(1);
  });

  test('D4 pause holds everything and resume drains it in order; nothing is dropped', async () => {
    const held: ServerResponse[] = [];
    const receiver = await receiving((_request, response) => held.push(response));
    const { type, destination } = await flow(receiver.url, {}, { max_in_flight: 1 });
    const ids = [];
    for (let n = 0; n < 12; n += 1) ids.push((await publish(gateway, { type })).id);
    await receiver.count(1);
    const path = `/v1/destinations/${destination.id}`;
    expect(await ok(gateway.api('POST', `${path}/pause`))).toMatchObject({ state: 'paused' });
    held[0]?.end();
    receiver.answer = (_request, response) => response.end();
    const first = ids[0] ?? '';
    await settled(gateway, first, ({ state }) => state === 'succeeded');
    for (let n = 0; n < 5; n += 1) ids.push((await publish(gateway, { type })).id);
    await vi.waitFor(async () => {
      const waiting = await everyPage<DeliveryView>(
        gateway,
        `/v1/deliveries?destination=${destination.id}&state=pending`,
      );
      expect(waiting).toHaveLength(16);
      expect(waiting.map(({ attempt_count: count }) => count)).toEqual(waiting.map(() => 0));
    });
    expect(receiver.received).toHaveLength(1);
    await ok(gateway.api('POST', `${path}/resume`));
    await receiver.count(17);
    expect(receiver.ids()).toEqual(ids);
  });

  test('D4 a rate limit is kept, and a retry does not use up what it does not send', async () => {
    const receiver = await receiving(statuses(500, 200));
    const { type } = await flow(receiver.url, {}, { rate_limit: { limit: 6, period: '1h' } });
    const { id } = await publish(gateway, { type });
    await settled(gateway, id, ({ state }) => state === 'succeeded');
    // Two of six are used; four more may go at once, the seventh has to wait.
    const more = [];
    for (let n = 0; n < 5; n += 1) more.push((await publish(gateway, { type })).id);
    await receiver.count(6, 3_000);
    const last = await settled(gateway, more.at(-1) ?? '', ({ state }) => state === 'pending');
    expect(last.attempt_count).toBe(0);
    expect(receiver.received).toHaveLength(6);
  });

  test('D4 disabling kills what is owed; deleting a subscription cancels it', async () => {
    const receiver = await receiving(statuses(500));
    const one = await flow(receiver.url, { retry: { schedule: ['1h'], jitter: 0 } });
    const two = await flow(receiver.url, { retry: { schedule: ['1h'], jitter: 0 } });
    const toDie = (await publish(gateway, { type: one.type })).id;
    const toCancel = (await publish(gateway, { type: two.type })).id;
    for (const id of [toDie, toCancel]) await settled(gateway, id, ({ state }) => state === 'pending');
    await receiver.count(2);
    for (const id of [toDie, toCancel]) {
      await settled(gateway, id, ({ state, attempts }) => state === 'pending' && attempts.length === 1);
    }
    await ok(gateway.api('POST', `/v1/destinations/${one.destination.id}/disable`, { reason: 'moved away' }));
    const dead = await settled(gateway, toDie);
    expect([dead.state, dead.reason]).toEqual(['dead', 'moved away']);
    await problem(gateway.api('DELETE', `/v1/destinations/${two.destination.id}`), 409, 'conflict');
    await ok(gateway.api('DELETE', `/v1/subscriptions/${two.subscriptionId}`));
    const cancelled = await settled(gateway, toCancel);
    expect([cancelled.state, cancelled.reason]).toEqual(['cancelled', 'subscription_deleted']);
    await ok(gateway.api('DELETE', `/v1/destinations/${two.destination.id}`));
    expect((await publish(gateway, { type: two.type })).deliveries).toBe(0);
    expect(receiver.received).toHaveLength(2);
  });

  test('D4 deleting a subscription cancels also what waits in memory for its turn', async () => {
    const held: ServerResponse[] = [];
    const receiver = await receiving((_request, response) => held.push(response));
    const { type, subscriptionId } = await flow(receiver.url, {}, { max_in_flight: 1 });
    const ids = [];
    for (let n = 0; n < 4; n += 1) ids.push((await publish(gateway, { type })).id);
    await receiver.count(1);
    await ok(gateway.api('DELETE', `/v1/subscriptions/${subscriptionId}`));
    held[0]?.end();
    for (const id of ids.slice(1)) {
      const delivery = await settled(gateway, id);
      expect([delivery.state, delivery.reason, delivery.attempts]).toEqual([
        'cancelled',
        'subscription_deleted',
        [],
      ]);
    }
    expect(receiver.received).toHaveLength(1);
  });

  test('D4 a test request is signed and shows what came back', async () => {
    const receiver = await receiving((_request, response) => response.writeHead(202).end('thanks'));
    const { destination } = await flow(receiver.url);
    const result = await ok(gateway.api('POST', `/v1/destinations/${destination.id}/test`));
    expect(result).toMatchObject({ outcome: 'succeeded', status: 202, response_body: 'thanks', error: null });
    const [one] = receiver.received;
    if (one === undefined) throw new Error('nothing came');
    new Webhook(destination.secret).verify(one.body.toString(), one.headers as Record<string, string>);
    expect(one.headers['ringback-event-type']).toBe('ringback.test');
  });
});

describe('D5: what goes where, and why', () => {
  test('D5 types, sources, filter and transform decide, and the trace says why not', async () => {
    const receiver = await receiving();
    const { id: to } = await createDestination(gateway, { url: receiver.url });
    const source = await createSource(gateway, { provider: 'none', name: 'd5-in' });
    const elsewhere = await createSource(gateway, { provider: 'none', name: 'd5-elsewhere' });
    const make = (name: string, fields: Fields): Promise<{ readonly id: string }> =>
      subscribe(gateway, { name, destination_id: to, sources: [source.id], ...fields });
    await make('d5-matched', { filter: 'data.amount > 10 && headers["x-kind"] == "big"' });
    await make('d5-by-name', {
      sources: ['d5-in'],
      transform: '{"id": event.id, "twice": data.amount * 2.0}',
    });
    await make('d5-filter-false', { filter: 'data.amount > 1000' });
    await make('d5-filter-failed', { filter: 'data.nothing.here == 1' });
    await make('d5-type', { types: ['invoice.*'] });
    await make('d5-source', { sources: [elsewhere.id] });
    await make('d5-disabled', { enabled: false });
    await make('d5-expired', { expires_at: '2020-01-01T00:00:00Z' });

    const headers = { 'content-type': 'application/json', 'x-kind': 'big' };
    const { id } = (await send(source.url, '{"amount": 42}', headers)).body as { id: string };
    await receiver.count(2);
    const bodies = receiver.received.map(({ body }) => body.toString()).toSorted();
    expect(bodies).toEqual([`{"amount": 42}`, JSON.stringify({ id, twice: 84 })].toSorted());
    const trace = await ok<{
      subscriptions: readonly { name: string; matched: boolean; reason: string; detail: string | null }[];
      deliveries: readonly DeliveryView[];
      verification: { provider: string };
    }>(gateway.api('GET', `/v1/events/${id}/trace`));
    const reasons = Object.fromEntries(
      trace.subscriptions
        .filter(({ name }) => name.startsWith('d5-'))
        .map(({ name, reason }) => [name, reason]),
    );
    expect(reasons).toEqual({
      'd5-matched': 'matched',
      'd5-by-name': 'matched',
      'd5-filter-false': 'filter_false',
      'd5-filter-failed': 'filter_failed',
      'd5-type': 'type_differs',
      'd5-source': 'source_differs',
      'd5-disabled': 'disabled',
      'd5-expired': 'expired',
    });
    expect(trace.subscriptions.find(({ name }) => name === 'd5-filter-failed')?.detail).toMatch(/nothing/);
    expect(trace.deliveries).toHaveLength(2);
    expect(trace.verification.provider).toBe('none');
  });

  test('D5 an event that nobody wants is kept and explained', async () => {
    const { id, deliveries } = await publish(gateway, { type: 'd5.nobody', correlation_id: 'd5-lonely' });
    expect(deliveries).toBe(0);
    const { data } = await ok<{ data: { id: string }[] }>(
      gateway.api('GET', '/v1/events?correlation_id=d5-lonely'),
    );
    expect(data.map((event) => event.id)).toEqual([id]);
    const trace = await ok<{ subscriptions: { matched: boolean; reason: string }[]; deliveries: unknown[] }>(
      gateway.api('GET', `/v1/events/${id}/trace`),
    );
    expect(trace.deliveries).toEqual([]);
    expect(trace.subscriptions.length).toBeGreaterThan(0);
    expect(trace.subscriptions.every(({ matched, reason }) => !matched && reason !== 'matched')).toBe(true);
  });

  test('D5 the trace tells the rules as they were when the event came', async () => {
    const receiver = await receiving();
    const { type, subscriptionId } = await flow(receiver.url);
    const { id } = await publish(gateway, { type });
    await receiver.count(1);
    await ok(gateway.api('PATCH', `/v1/subscriptions/${subscriptionId}`, { types: ['something.else'] }));
    const trace = await ok<{ subscriptions: { subscription_id: string; reason: string }[] }>(
      gateway.api('GET', `/v1/events/${id}/trace`),
    );
    const told = trace.subscriptions.find((one) => one.subscription_id === subscriptionId);
    expect(told?.reason).toBe('matched');
  });

  test.each([
    ['invoice.*', ['invoice.paid', 'invoice.payment.failed'], ['invoice', 'invoices.paid']],
    ['*.paid', ['invoice.paid'], ['invoice.line.paid', 'paid']],
    ['**.paid', ['paid', 'invoice.line.paid'], ['invoice.paid.late']],
    ['a.*.c', ['a.b.c'], ['a.c', 'a.b.b.c']],
  ])('D5 the type pattern %s', async (pattern, yes, no) => {
    const receiver = await receiving();
    const { id } = await createDestination(gateway, { url: receiver.url });
    const subscription = await subscribe(gateway, { destination_id: id, types: [pattern] });
    const owed = async (type: string): Promise<[string, number]> => [
      type,
      (await publish(gateway, { type })).deliveries,
    ];
    for (const type of yes) expect(await owed(type)).toEqual([type, 1]);
    for (const type of no) expect(await owed(type)).toEqual([type, 0]);
    await ok(gateway.api('DELETE', `/v1/subscriptions/${subscription.id}`));
  });

  test('D5 a transform that fails ends the delivery with its reason, and sends nothing', async () => {
    const receiver = await receiving();
    const { type } = await flow(receiver.url, { transform: '{"x": data.missing.field}' });
    const delivery = await settled(gateway, (await publish(gateway, { type })).id);
    expect([delivery.state, delivery.reason]).toEqual(['dead', 'transform_failed']);
    expect(delivery.attempts[0]?.response_body).toMatch(/missing/);
    expect(receiver.received).toEqual([]);
  });
});
