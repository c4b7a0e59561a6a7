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
});
