import * as fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { bytes, publishedEvent, rejection, startedBench } from '../../test/support/gateway-bench.ts';
import { settled } from '../testing/fake-clock.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const idempotency = (key: string, fingerprint = 'same') => ({ idempotency: { key, fingerprint } });

describe('publishing', () => {
  test('keeps the event as it is stated, and never the API key', async () => {
    const bench = await startedBench();
    const headers = [
      'Authorization',
      'Bearer rb_secret',
      'Content-Type',
      'application/json',
      'Ce-Id',
      '1',
      'X-Other',
      'x',
    ];
    const { eventId } = await bench.publish(
      { tenant: 'acme', key: 'k', correlationId: 'c', occurredAt: 5 },
      { headers },
    );
    const event = await bench.store.queries.event(eventId);
    expect(event).toMatchObject({
      tenant: 'acme',
      sourceId: null,
      source: 'api',
      key: 'k',
      correlationId: 'c',
      occurredAt: 5,
      receivedAt: bench.clock.now(),
      headers: ['content-type', 'application/json', 'ce-id', '1'],
    });
    expect(event?.origin.verification).toEqual({
      provider: 'api',
      covers: 'body',
      secretIndex: null,
      principal: 'key_operator',
    });
    expect(JSON.stringify(event)).not.toContain('rb_secret');
  });

  test('the same id from the same source again is a duplicate, elsewhere it is not', async () => {
    const bench = await startedBench();
    const first = await bench.publish({ externalId: 'one' });
    expect(await bench.publish({ externalId: 'one' })).toEqual({
      eventId: first.eventId,
      duplicate: true,
      deliveries: 0,
    });
    expect(await bench.publish({ externalId: 'one', source: 'other' })).toMatchObject({ duplicate: false });
    expect(await bench.publish({ externalId: 'one', tenant: 'acme' })).toMatchObject({ duplicate: false });
    await bench.clock.advance(86_400_000);
    expect(await bench.publish({ externalId: 'one' })).toMatchObject({ duplicate: false });
  });

  test('an idempotency key answers the same request as before, and refuses another one', async () => {
    const bench = await startedBench();
    await bench.receiver();
    const first = await bench.publish({}, idempotency('k'));
    expect(await bench.publish({}, idempotency('k'))).toMatchObject({
      eventId: first.eventId,
      duplicate: true,
    });
    const problem = await rejection(bench.publish({}, idempotency('k', 'another')));
    expect(problem).toMatchObject({ code: 'idempotency_conflict', status: 409 });
    expect(await bench.publish({ tenant: 'acme' }, idempotency('k', 'another'))).toMatchObject({
      duplicate: false,
    });
    await settled();
    expect(bench.sender.requests).toHaveLength(1);
    expect(bench.gateway.dispatcher.load()).toMatchObject({ inFlight: 0, bytes: 0 });
  });

  test('a batch is kept as a whole, with its duplicates told one by one', async () => {
    const bench = await startedBench();
    await bench.receiver();
    const known = await bench.publish({ externalId: 'known' });
    const batch = ['known', 'new', 'new', null].map((externalId) => publishedEvent({ externalId }));
    const accepted = await bench.gateway.publish.all(batch, bench.publishCall());
    expect(accepted.map(({ duplicate, deliveries }) => [duplicate, deliveries])).toEqual([
      [true, 0],
      [false, 1],
      [true, 0],
      [false, 1],
    ]);
    expect(accepted[0]?.eventId).toBe(known.eventId);
    expect(accepted[2]?.eventId).toBe(accepted[1]?.eventId);
    await settled();
    expect(bench.sender.requests).toHaveLength(3);
  });

  test('a batch that cannot be kept is not kept at all', async () => {
    const bench = await startedBench();
    await bench.receiver();
    vi.spyOn(bench.store.log, 'appendAll').mockRejectedValueOnce(new Error('disk full'));
    const batch = [publishedEvent(), publishedEvent()];
    expect(await rejection(bench.gateway.publish.all(batch, bench.publishCall()))).toMatchObject({
      code: 'store_unavailable',
    });
    expect(await bench.deliveries()).toEqual([]);
    expect(bench.gateway.dispatcher.load().bytes).toBe(0);
  });

  test('a batch takes no idempotency key', async () => {
    const bench = await startedBench();
    const call = bench.publishCall(idempotency('k'));
    expect(() => bench.gateway.publish.all([publishedEvent()], call)).toThrow(
      expect.objectContaining({ code: 'validation_failed' }),
    );
  });

  test('tells its listeners of each commit and of nothing else, until they stop', async () => {
    const bench = await startedBench();
    const listener = vi.fn();
    const stop = bench.gateway.acceptance.onAppended(listener);
    await bench.publish({ externalId: 'one' });
    await bench.publish({ externalId: 'one' });
    expect(listener).toHaveBeenCalledTimes(1);
    stop();
    await bench.publish();
    expect(listener).toHaveBeenCalledTimes(1);
  });
});

test('nothing is held for what was not written, whatever comes: fresh, duplicates, failures, conflicts', async () => {
  const step = fc.record({
    kind: fc.constantFrom('fresh', 'repeated', 'conflicting', 'failing', 'batch', 'failing batch'),
    size: fc.integer({ min: 0, max: 400 }),
    status: fc.constantFrom(200, 404),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.boolean(), async (steps, together) => {
      const bench = await startedBench({ gateway: { dispatch: { maxInFlight: 3, maxBytes: 1_000 } } });
      for (const maxInFlight of [1, 2]) {
        const destination = await bench.destination({ maxInFlight });
        await bench.subscription(destination, { types: ['acme.**'] });
      }
      const { log } = bench.store;
      const append = vi.spyOn(log, 'append');
      const appendAll = vi.spyOn(log, 'appendAll');
      const pending: Promise<unknown>[] = [];
      for (const [index, { kind, size, status }] of steps.entries()) {
        bench.sender.answer(status);
        const event = { body: bytes('x'.repeat(size)), externalId: kind === 'fresh' ? null : 'same' };
        if (kind === 'failing') append.mockRejectedValueOnce(new Error('disk full'));
        if (kind === 'failing batch') appendAll.mockRejectedValueOnce(new Error('disk full'));
        const call = kind === 'conflicting' ? idempotency('k', String(index)) : {};
        const made = kind.endsWith('batch')
          ? bench.gateway.publish.all([publishedEvent(event), publishedEvent(event)], bench.publishCall())
          : bench.publish(event, call);
        pending.push(made.catch(() => undefined));
        if (!together) await made.catch(() => undefined);
        expect(bench.gateway.dispatcher.load().bytes).toBeLessThanOrEqual(1_000);
      }
      await Promise.all(pending);
      bench.sender.answer(200);
      await bench.clock.advance(60_000);
      expect(bench.gateway.dispatcher.load()).toMatchObject({ inFlight: 0, bytes: 0 });
      expect(new Set(await bench.states())).not.toContain('leased');
      // Lanes that leaked a place would never again have as many free.
      const release = bench.sender.hang();
      for (let made = 0; made < 3; made += 1) await bench.publish({ body: bytes('') });
      await bench.clock.advance(0);
      expect([...bench.sender.open.values()].toSorted((one, other) => one - other)).toEqual([1, 2]);
      release();
      await bench.clock.advance(1_000);
    }),
    { numRuns: 30 },
  );
});
