import { describe, expect, test } from 'vitest';
import { answered, type Bench, OPERATOR, startedBench } from '../../test/support/gateway-bench.ts';
import { settled } from '../testing/fake-clock.ts';
import type { Subscription } from '../domain/settings.ts';

const RETRY = { maxAttempts: 1, scheduleMs: [], jitter: 0, maxDelayMs: 0 };
const MINUTE = 60_000;

async function told(bench: Bench) {
  const { items } = await bench.store.queries.events(
    { type: 'subscription.suspended' },
    { limit: 9, before: null },
  );
  return items;
}

/** A subscription whose receiver says no: up, so that no breaker opens, and failing all the same. */
async function refused(overrides: Partial<Subscription> = {}) {
  const bench = await startedBench();
  const destination = await bench.destination();
  const types = ['acme.**'];
  const subscription = await bench.subscription(destination, { types, retry: RETRY, ...overrides });
  bench.sender.answer((request) => answered(request.url === destination.url ? 404 : 200));
  return { bench, destination, subscription };
}

/** Two attempts a minute for a time. */
async function keepFailing(bench: Bench, minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 1) {
    await bench.publish();
    await bench.publish();
    await bench.clock.advance(MINUTE);
  }
}

function suspended(bench: Bench, { id }: Subscription): Subscription['suspended'] {
  return bench.gateway.directory.get('subscription', id)?.suspended;
}

describe('a subscription whose deliveries only fail', () => {
  test('is suspended after an hour and a hundred attempts, told once, with the figures', async () => {
    const { bench, subscription, destination } = await refused();
    await keepFailing(bench, 60);
    expect(suspended(bench, subscription)).toBeUndefined();
    await keepFailing(bench, 1);
    await settled();
    expect(suspended(bench, subscription)).toMatchObject({ reason: 'failing_for_an_hour' });
    const [event, ...more] = await told(bench);
    expect(more).toEqual([]);
    expect(JSON.parse(new TextDecoder().decode(event?.body)).data).toMatchObject({
      subscription_id: subscription.id,
      destination_id: destination.id,
      error: 'http_404',
      failed: expect.any(Number) as number,
    });
    const { items } = await bench.store.settings.changes(
      { settingId: subscription.id },
      { limit: 1, before: null },
    );
    expect(items).toMatchObject([{ action: 'updated', principal: 'gateway' }]);
  });

  test('is left alone while enough of it succeeds, and when there is little of it', async () => {
    const { bench, subscription } = await refused();
    let sent = 0;
    bench.sender.answer(() => answered((sent += 1) % 10 === 0 ? 200 : 404));
    await keepFailing(bench, 90);
    expect(suspended(bench, subscription)).toBeUndefined();
    const few = await refused();
    for (let n = 0; n < 99; n += 1) {
      await few.bench.publish();
      await few.bench.clock.advance(MINUTE);
    }
    expect(suspended(few.bench, few.subscription)).toBeUndefined();
  });

  test('is suspended too when its transform never works: then nothing is even sent', async () => {
    const { bench, subscription } = await refused({ transform: '{"gone": data.gone.away}' });
    await keepFailing(bench, 62);
    expect(bench.sender.requests).toEqual([]);
    expect(suspended(bench, subscription)).toMatchObject({ reason: 'failing_for_an_hour' });
  });
});

async function holding() {
  const { bench, subscription, destination } = await refused();
  bench.sender.answer(200);
  await bench.publish();
  await settled();
  const hold = { at: bench.clock.now(), reason: 'by hand' };
  await bench.gateway.settings.setSuspended(subscription.id, hold, OPERATOR);
  return { bench, subscription, destination };
}

describe('a suspended subscription', () => {
  test('holds what it is owed: nothing is sent, no attempt is used up, nothing is dropped', async () => {
    const { bench } = await holding();
    await bench.publish();
    await bench.clock.advance(60 * MINUTE);
    expect(bench.sender.requests).toHaveLength(1);
    const [, held] = await bench.deliveries();
    expect(held).toMatchObject({
      state: 'pending',
      attempts: 0,
      dueAt: null,
      reason: 'subscription_suspended',
    });
  });

  test('holds what was waiting for its retry, or had been claimed, when its time comes', async () => {
    const retry = { maxAttempts: 5, scheduleMs: [MINUTE], jitter: 0, maxDelayMs: MINUTE };
    const { bench, subscription } = await refused({ retry });
    await bench.publish();
    await settled();
    const hold = { at: bench.clock.now(), reason: 'by hand' };
    await bench.gateway.settings.setSuspended(subscription.id, hold, OPERATOR);
    await bench.clock.advance(10 * MINUTE);
    expect(await bench.deliveries()).toMatchObject([
      { state: 'pending', attempts: 1, dueAt: null, reason: 'subscription_suspended' },
    ]);
    expect(bench.sender.requests).toHaveLength(1);
  });

  test('lets all of it go when it is resumed, in the order in which it came', async () => {
    const { bench, subscription } = await holding();
    for (let n = 0; n < 30; n += 1) {
      await bench.publish();
      await bench.clock.advance(10);
    }
    await bench.gateway.settings.setSuspended(subscription.id, null, OPERATOR);
    expect(await bench.gateway.suspensions.release(subscription.id)).toBe(30);
    const later = await bench.publish();
    await bench.clock.advance(1_000);
    const order = bench.sender.sent('webhook-id');
    expect(order).toEqual((await bench.deliveries()).map(({ eventId }) => eventId));
    expect(order.at(-1)).toBe(later.eventId);
    expect(new Set(await bench.states())).toEqual(new Set(['succeeded']));
  });

  test('goes on after a restart although the process ended between resuming and letting go', async () => {
    const { bench, subscription } = await holding();
    await bench.publish();
    await bench.gateway.settings.setSuspended(subscription.id, null, OPERATOR);
    await bench.gateway.stop();
    const next = await startedBench({ store: bench.store, clock: bench.clock });
    await next.clock.advance(MINUTE);
    expect(new Set(await next.states())).toEqual(new Set(['succeeded']));
  });

  test('stays suspended after a restart', async () => {
    const { bench } = await holding();
    await bench.gateway.stop();
    const next = await startedBench({ store: bench.store, clock: bench.clock });
    await next.clock.advance(1);
    await next.publish();
    await next.clock.advance(10 * MINUTE);
    expect((await next.states()).at(-1)).toBe('pending');
  });

  test('is in the trace of what it held', async () => {
    const { bench, subscription } = await holding();
    const { eventId } = await bench.publish();
    await bench.clock.advance(1_000);
    await bench.gateway.settings.setSuspended(subscription.id, null, OPERATOR);
    await bench.gateway.suspensions.release(subscription.id);
    await bench.clock.advance(1_000);
    const event = await bench.store.queries.event(eventId);
    if (event === null) throw new Error('it was not kept');
    const { deliveries } = await bench.gateway.explain.event(event);
    expect(deliveries.map(({ held }) => held)).toMatchObject([
      [{ what: 'suspended', reason: 'by hand', by: 'key_operator', until: expect.any(Number) as number }],
    ]);
  });
});
