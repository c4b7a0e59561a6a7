import { afterEach, describe, expect, test, vi } from 'vitest';
import { answered, bytes, OPERATOR, startedBench, type Bench } from '../../test/support/gateway-bench.ts';
import type { Attempt } from '../domain/delivery.ts';
import type { Subscription } from '../domain/settings.ts';
import { settled } from '../testing/fake-clock.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The only delivery of an event of `acme`, with its attempts. */
async function only(bench: Bench) {
  const [delivery, ...more] = (await bench.deliveries()).filter(({ eventType }) =>
    eventType.startsWith('acme'),
  );
  if (delivery === undefined || more.length > 0) throw new Error('there is not one delivery');
  return { ...delivery, tried: await bench.store.queries.attempts(delivery.id) };
}

async function delivered(bench: Bench, overrides: Partial<Subscription> = {}) {
  const destination = await bench.destination();
  await bench.subscription(destination, { types: ['acme.**'], ...overrides });
  await bench.publish();
  await settled();
  return only(bench);
}

async function failedOnce() {
  const bench = await startedBench();
  bench.sender.answer(404);
  const destination = await bench.destination();
  const subscription = await bench.subscription(destination, { types: ['acme.**'] });
  await bench.publish();
  await settled();
  return { bench, destination, subscription };
}

async function afterRetryTime(bench: Bench) {
  await bench.clock.advance(10_000);
  expect(bench.sender.requests).toHaveLength(1);
  return only(bench);
}

describe('an attempt', () => {
  test('is recorded as it went, with what the receiver said', async () => {
    const bench = await startedBench();
    bench.sender.answer(() => answered(201, { headers: ['X-Seen', '1'], body: 'thanks', durationMs: 12.5 }));
    const { tried, ...delivery } = await delivered(bench);
    expect(delivery).toMatchObject({ state: 'succeeded', attempts: 1, lastStatus: 201, lastError: null });
    expect(tried).toEqual<Attempt[]>([
      {
        number: 1,
        startedAt: bench.clock.now(),
        durationMs: 12.5,
        outcome: 'succeeded',
        status: 201,
        error: null,
        responseHeaders: ['X-Seen', '1'],
        responseBody: 'thanks',
        nextAttemptAt: null,
      },
    ]);
    expect(bench.counted).toEqual(expect.arrayContaining(['attempt:succeeded', 'delivery:succeeded']));
    expect(bench.log.of('delivery.attempted')).toMatchObject([
      { delivery_id: delivery.id, attempt: 1, outcome: 'succeeded', status: 201, state: 'succeeded' },
    ]);
  });

  test('that failed says when the next one is', async () => {
    const bench = await startedBench();
    bench.sender.answer(() => answered(503, { headers: ['Retry-After', '600'] }));
    const { tried, ...delivery } = await delivered(bench);
    const dueAt = bench.clock.now() + 600_000;
    expect(delivery).toMatchObject({ state: 'pending', dueAt, lastStatus: 503, lastError: 'http_503' });
    expect(tried).toMatchObject([{ outcome: 'retryable', error: 'http_503', nextAttemptAt: dueAt }]);
  });

  test('by the policy "dead" a client error is the end', async () => {
    const bench = await startedBench();
    bench.sender.answer(401);
    const delivery = await delivered(bench, { onClientError: 'dead' });
    expect(delivery).toMatchObject({ state: 'dead', reason: 'http_401', attempts: 1 });
  });

  test('answered with 410 disables the destination and ends all that it is owed', async () => {
    const bench = await startedBench();
    const destination = await bench.destination({ maxInFlight: 1 });
    await bench.subscription(destination, { types: ['acme.**'] });
    const release = bench.sender.hang();
    for (let made = 0; made < 8; made += 1) await bench.publish();
    release(410);
    await bench.clock.advance(10_000);
    expect(bench.gateway.directory.destination(destination.id)).toMatchObject({
      state: 'disabled',
      stateReason: 'destination_gone',
    });
    expect(bench.sender.requests).toHaveLength(1);
    expect(new Set(await bench.states())).toEqual(new Set(['dead']));
    expect(bench.log.of('destination.disabled').length).toBeGreaterThan(0);
    await bench.publish();
    expect((await bench.deliveries()).at(-1)).toMatchObject({
      state: 'dead',
      reason: 'destination_disabled',
    });
  });

  test('bug: one that threw ended the process, and would have at every start', async () => {
    const bench = await startedBench();
    bench.sender.answer(() => {
      throw new TypeError('a bug in the sender');
    });
    const { tried, ...delivery } = await delivered(bench);
    expect(delivery).toMatchObject({ state: 'pending', lastError: 'internal_error' });
    expect(tried).toMatchObject([{ outcome: 'retryable', error: 'internal_error', status: null }]);
    expect(bench.log.of('attempt.failed')).toMatchObject([{ delivery_id: delivery.id }]);
    bench.sender.answer(200);
    await bench.clock.advance(5_000);
    expect(await bench.states()).toEqual(['succeeded']);
  });

  test('bug: a secret that cannot be opened ended the process', async () => {
    const bench = await startedBench();
    const secrets = [{ sealed: 'sealed:dst_other:text', createdAt: 0, expiresAt: null }];
    const destination = await bench.destination({ secrets });
    await bench.subscription(destination, { types: ['acme.**'] });
    await bench.publish();
    await settled();
    expect(await only(bench)).toMatchObject({ state: 'pending', lastError: 'internal_error' });
    expect(bench.sender.requests).toEqual([]);
  });
});

describe('a delivery ends without an attempt', () => {
  test('when its destination was deleted', async () => {
    const { bench, destination } = await failedOnce();
    await bench.gateway.settings.remove('destination', destination.id, OPERATOR);
    expect(await afterRetryTime(bench)).toMatchObject({ state: 'cancelled', reason: 'destination_deleted' });
  });

  test('when its subscription was deleted', async () => {
    const { bench, subscription } = await failedOnce();
    await bench.gateway.settings.remove('subscription', subscription.id, OPERATOR);
    expect(await afterRetryTime(bench)).toMatchObject({ state: 'cancelled', reason: 'subscription_deleted' });
  });

  test('when its destination was disabled', async () => {
    const { bench, destination } = await failedOnce();
    await bench.gateway.settings.setDestinationState(destination.id, 'disabled', 'by_hand', OPERATOR);
    expect(await afterRetryTime(bench)).toMatchObject({ state: 'dead', reason: 'by_hand' });
  });

  test.each([
    ['destination', 'destination_deleted'],
    ['subscription', 'subscription_deleted'],
  ] as const)('also when the %s went while it waited for its turn', async (kind, reason) => {
    const bench = await startedBench();
    const destination = await bench.destination({ maxInFlight: 1 });
    const subscription = await bench.subscription(destination, { types: ['acme.**'] });
    const release = bench.sender.hang();
    await bench.publish();
    await bench.publish();
    const id = kind === 'destination' ? destination.id : subscription.id;
    await bench.gateway.settings.remove(kind, id, OPERATOR);
    release();
    await bench.clock.advance(100);
    expect(bench.sender.requests).toHaveLength(1);
    expect((await bench.deliveries()).map(({ state, reason: why }) => [state, why])).toEqual([
      ['succeeded', null],
      ['cancelled', reason],
    ]);
    expect(bench.gateway.dispatcher.load()).toMatchObject({ inFlight: 0, bytes: 0 });
  });

  test('when it is older than its subscription lets it get', async () => {
    const bench = await startedBench();
    bench.sender.answer(404);
    const destination = await bench.destination();
    await bench.subscription(destination, { types: ['acme.**'], deliveryExpiryMs: 3_000 });
    await bench.publish();
    await bench.clock.advance(10_000);
    expect(bench.sender.requests).toHaveLength(1);
    expect(await only(bench)).toMatchObject({ state: 'dead', reason: 'expired' });
  });
});

describe('a transform', () => {
  test('gives the body, and the signature is of it', async () => {
    const bench = await startedBench();
    await delivered(bench, { transform: '{"got": data.a, "type": event.type}' });
    const [request] = bench.sender.requests;
    expect(new TextDecoder().decode(request?.body)).toBe('{"got":1,"type":"acme.thing.happened"}');
    expect(bench.sender.sent('content-type')).toEqual(['application/json']);
    expect(bench.sender.sent('webhook-signature')[0]).toContain(`.${request?.body.byteLength}.`);
  });

  test.each([
    ['data.nothing', 'data.nothing is absent'],
    ['"text"', 'not a map'],
    ['[1]', 'not a map'],
  ])('that gives nothing usable (%s) ends the delivery, and says why', async (transform, why) => {
    const bench = await startedBench();
    const { tried, ...delivery } = await delivered(bench, { transform });
    expect(bench.sender.requests).toEqual([]);
    expect(delivery).toMatchObject({ state: 'dead', reason: 'transform_failed' });
    expect(tried).toMatchObject([{ outcome: 'permanent', error: 'transform_failed' }]);
    expect(tried[0]?.responseBody).toContain(why);
  });

  test('that no longer compiles ends the delivery, too', async () => {
    const bench = await startedBench();
    const { tried, ...delivery } = await delivered(bench, { transform: '{"a": ' });
    expect(delivery).toMatchObject({ state: 'dead', reason: 'transform_failed' });
    expect(tried[0]?.responseBody).toMatch(/^transform: /);
  });
});

test('an event without JSON is delivered as it came', async () => {
  const bench = await startedBench();
  const source = await bench.source();
  await bench.receiver();
  const body = bytes('not json \u0000 at all');
  await bench.receive(source, { 'Content-Type': 'text/x-odd; charset=utf-8' }, { body });
  await settled();
  expect(bench.sender.requests.map((request) => request.body)).toEqual([body]);
  expect(bench.sender.sent('content-type')).toEqual(['text/x-odd; charset=utf-8']);
});
