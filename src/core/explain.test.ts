import { describe, expect, test } from 'vitest';
import { OPERATOR, startedBench, type Bench } from '../../test/support/gateway-bench.ts';
import { settled } from '../testing/fake-clock.ts';

async function explain(bench: Bench, eventId: string) {
  const event = await bench.store.queries.event(eventId);
  if (event === null) throw new Error('there is no such event');
  return bench.gateway.explain.event(event);
}

describe('the explanation of an event', () => {
  test('says what every subscription of that time said to it, and why', async () => {
    const bench = await startedBench();
    const destination = await bench.destination();
    const source = await bench.source();
    const said: [object, string][] = [
      [{}, 'matched'],
      [{ enabled: false }, 'disabled'],
      [{ expiresAt: bench.clock.now() }, 'expired'],
      [{ sources: ['src_other'] }, 'source_differs'],
      [{ types: ['other.*'] }, 'type_differs'],
      [{ filter: 'data.a == 2' }, 'filter_false'],
      [{ filter: 'data.b == 2' }, 'filter_failed'],
      [{ filter: '"yes"' }, 'filter_failed'],
    ];
    for (const [overrides] of said) await bench.subscription(destination, overrides);
    await bench.subscription(destination, { tenant: 'other' });
    const answer = await bench.receive(source);
    await settled();
    const eventId = answer.kind === 'accepted' ? answer.eventId : '';
    const { considered, deliveries } = await explain(bench, eventId);
    expect(considered.map(({ verdict }) => verdict.reason)).toEqual(said.map(([, reason]) => reason));
    expect(considered[6]?.verdict.detail).toBe('data.b is absent');
    expect(deliveries).toMatchObject([{ delivery: { state: 'succeeded' }, attempts: [{ status: 200 }] }]);
  });

  test('is by the settings as they were, whatever has become of them', async () => {
    const bench = await startedBench();
    const destination = await bench.destination();
    const kept = await bench.subscription(destination, { types: ['acme.*'] });
    const gone = await bench.subscription(destination, { types: ['other.*'] });
    const { eventId } = await bench.publish();
    await bench.gateway.settings.save('subscription', { ...kept, types: ['changed.*'] }, OPERATOR);
    await bench.gateway.settings.remove('subscription', gone.id, OPERATOR);
    await bench.subscription(destination);
    const { considered } = await explain(bench, eventId);
    expect(considered.map(({ subscription, verdict }) => [subscription.id, verdict.reason])).toEqual([
      [kept.id, 'matched'],
      [gone.id, 'type_differs'],
    ]);
  });

  test('names the events that it caused', async () => {
    const bench = await startedBench();
    const { eventId } = await bench.publish();
    const child = await bench.publish({ causationId: eventId, correlationId: eventId });
    await bench.publish({ correlationId: eventId });
    const { children } = await explain(bench, eventId);
    expect(children.map(({ id }) => id)).toEqual([child.eventId]);
  });

  test('bug: showed events of other tenants that said they were caused by it', async () => {
    const bench = await startedBench();
    const { eventId } = await bench.publish();
    await bench.publish({ tenant: 'other', causationId: eventId, correlationId: eventId });
    expect((await explain(bench, eventId)).children).toEqual([]);
  });

  test('names children that name nothing but their cause', async () => {
    const bench = await startedBench();
    const { eventId } = await bench.publish({ correlationId: 'order-7' });
    const child = await bench.publish({ causationId: eventId });
    expect((await explain(bench, eventId)).children.map(({ id }) => id)).toEqual([child.eventId]);
  });

  test('says when the destination was paused, by whom and why, from the audit log', async () => {
    const bench = await startedBench();
    const destination = await bench.receiver();
    const { settings } = bench.gateway;
    await settings.setDestinationState(destination.id, 'paused', 'long ago', OPERATOR);
    await settings.setDestinationState(destination.id, 'enabled', null, OPERATOR);
    await bench.clock.advance(1_000);
    await settings.setDestinationState(destination.id, 'paused', 'release night', OPERATOR);
    const pausedAt = bench.clock.now();
    await bench.clock.advance(1_000);
    const { eventId } = await bench.publish();
    const [waiting] = (await explain(bench, eventId)).deliveries;
    expect(waiting?.held).toEqual([
      { what: 'paused', from: pausedAt, until: null, reason: 'release night', by: 'key_operator' },
    ]);
    await bench.clock.advance(1_000);
    await settings.setDestinationState(destination.id, 'enabled', null, OPERATOR);
    const until = bench.clock.now();
    await bench.clock.advance(1_000);
    await settings.setDestinationState(destination.id, 'paused', 'after it was over', OPERATOR);
    const [done] = (await explain(bench, eventId)).deliveries;
    expect(done?.delivery.state).toBe('succeeded');
    expect(done?.held).toMatchObject([{ from: pausedAt, until }]);
  });

  test('says when the breaker was open, also when the process has started anew since', async () => {
    const bench = await startedBench();
    await bench.receiver();
    bench.sender.answer(503);
    const { eventId } = await bench.publish();
    for (let more = 0; more < 9; more += 1) await bench.publish();
    const openedAt = bench.clock.now();
    await bench.clock.advance(1_000);
    const held = async (of: Bench) => (await explain(of, eventId)).deliveries.map((one) => one.held);
    expect(await held(bench)).toMatchObject([
      [{ what: 'breaker_open', from: openedAt, until: null, reason: 'http_503', by: 'gateway' }],
    ]);
    const next = await startedBench({ store: bench.store, clock: bench.clock });
    const until = bench.clock.now();
    expect(await held(next)).toMatchObject([[{ from: openedAt, until }]]);
  });

  test('tells breakers of one destination only, and ends them when the destination is enabled', async () => {
    const bench = await startedBench();
    const bad = await bench.receiver();
    await bench.receiver();
    bench.sender.answer(503, bad.url);
    const { eventId } = await bench.publish();
    for (let more = 0; more < 9; more += 1) await bench.publish();
    await bench.clock.advance(1_000);
    await bench.gateway.settings.setDestinationState(bad.id, 'disabled', 'broken', OPERATOR);
    await bench.clock.advance(1_000);
    bench.gateway.health.forget(bad.id);
    await bench.gateway.settings.setDestinationState(bad.id, 'enabled', null, OPERATOR);
    const until = bench.clock.now();
    const { deliveries } = await explain(bench, eventId);
    const [ofBad, ofGood] = [true, false].map((isBad) =>
      deliveries.find(({ delivery }) => (delivery.destinationId === bad.id) === isBad),
    );
    expect(ofBad?.held.map(({ what }) => what)).toEqual(['breaker_open', 'disabled']);
    expect(ofBad?.held[0]).toMatchObject({ until });
    expect(ofGood?.held).toEqual([]);
  });

  test('names the replays that delivered it again', async () => {
    const bench = await startedBench();
    await bench.receiver();
    const { eventId } = await bench.publish();
    await settled();
    const request = { filter: { eventIds: [eventId] }, tenant: 'default', destinationId: null };
    const replay = await bench.gateway.replays.start({ ...request, ratePerSecond: null }, OPERATOR);
    await settled();
    const { replays, deliveries } = await explain(bench, eventId);
    expect(replays).toMatchObject([{ id: replay.id, principal: 'key_operator', state: 'completed' }]);
    expect(deliveries.map(({ delivery }) => delivery.replayId)).toEqual([null, replay.id]);
  });

  test('says by what a repetition is recognised, and for how long', async () => {
    const bench = await startedBench();
    const own = await bench.source();
    const byExpression = await bench.source({ dedupe: { key: 'data.a', windowMs: 60_000 } });
    const received = [await bench.receive(own, { 'x-id': 'id-1' }), await bench.receive(byExpression)];
    const ids = received.map((answer) => (answer.kind === 'accepted' ? answer.eventId : ''));
    const published = await bench.publish({ externalId: 'mine', source: 'billing' });
    const idempotent = await bench.publish({}, { idempotency: { key: 'once', fingerprint: 'f' } });
    const unnamed = await bench.publish();
    const all = [...ids, published.eventId, idempotent.eventId, unnamed.eventId];
    const told = await Promise.all(all.map(async (id) => (await explain(bench, id)).dedupe));
    expect(told).toEqual([
      { key: 'id-1', by: 'provider_event_id', held: true },
      { key: '1', by: 'expression', held: true },
      { key: 'mine', by: 'publisher_event_id', held: true },
      { key: 'once', by: 'idempotency_key', held: true },
      null,
    ]);
    await bench.clock.advance(120_000);
    await bench.receive(byExpression);
    expect((await explain(bench, ids[1] ?? '')).dedupe).toMatchObject({ held: false });
  });
});
