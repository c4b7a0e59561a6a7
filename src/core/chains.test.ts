import { describe, expect, test } from 'vitest';
import { type Bench, publishedEvent, startedBench } from '../../test/support/gateway-bench.ts';
import { settled } from '../testing/fake-clock.ts';
import { hopsIn } from './chains.ts';

/** Events of a type, oldest first. */
async function told(bench: Bench, type: string) {
  const { items } = await bench.store.queries.events({ type }, { limit: 100, before: null });
  return items.toReversed();
}

async function origin(bench: Bench, eventId: string) {
  return (await bench.store.queries.event(eventId))?.origin;
}

async function received(bench: Bench, hops: string): Promise<string> {
  const source = await bench.source();
  const answer = await bench.receive(source, { 'Ringback-Hops': hops });
  return answer.kind === 'accepted' ? answer.eventId : '';
}

describe('a chain of events', () => {
  test('is counted by the header, in and out', async () => {
    const bench = await startedBench();
    await bench.receiver();
    await bench.publish();
    const eventId = await received(bench, '6');
    await settled();
    expect(bench.sender.sent('ringback-hops')).toEqual(['1', '7']);
    expect((await origin(bench, eventId))?.hops).toBe(6);
  });

  test('is counted by the cause of what is published', async () => {
    const bench = await startedBench();
    await bench.receiver();
    const parent = await received(bench, '6');
    const child = await bench.publish({ causationId: parent });
    const both = await bench.publish({ causationId: parent }, { headers: ['ringback-hops', '9'] });
    const foreign = await bench.publish({ causationId: parent, tenant: 'other' });
    const unknown = await bench.publish({ causationId: 'evt_none' });
    const [batched] = await bench.gateway.publish.all(
      [publishedEvent({ causationId: parent })],
      bench.publishCall(),
    );
    const hops = await Promise.all(
      [child, both, foreign, unknown, batched].map(
        async (accepted) => (await origin(bench, accepted?.eventId ?? ''))?.hops,
      ),
    );
    expect(hops).toEqual([7, 9, undefined, undefined, 7]);
  });

  test('ends over the limit: the event is kept, owes nothing, and says why', async () => {
    const bench = await startedBench({ gateway: { maxHops: 3 } });
    await bench.receiver();
    const last = await received(bench, '3');
    const over = await received(bench, '4');
    await settled();
    const about = await bench.store.queries.event(over);
    if (about === null) throw new Error('it was not kept');
    expect(about.origin.stopped).toBe('max_hops');
    expect((await bench.store.queries.deliveries({ eventId: last }, PAGE)).items).toHaveLength(1);
    expect((await bench.store.queries.deliveries({ eventId: over }, PAGE)).items).toEqual([]);
    const { considered } = await bench.gateway.explain.event(about);
    expect(considered.map(({ verdict }) => verdict)).toEqual([
      {
        matched: false,
        reason: 'chain_stopped',
        detail: 'after 4 deliveries in a row its chain was ended',
      },
    ]);
  });

  test('is told of once an hour for each source, at the limit itself', async () => {
    const bench = await startedBench({ gateway: { maxHops: 3 } });
    await bench.receiver();
    const source = await bench.source();
    const again = () => bench.receive(source, { 'ringback-hops': '4' });
    await again();
    await again();
    await settled();
    const [first, ...more] = await told(bench, 'chain.stopped');
    expect(more).toEqual([]);
    expect(first).toMatchObject({ key: source.id, origin: { hops: 3 } });
    expect(JSON.parse(new TextDecoder().decode(first?.body)).data).toMatchObject({
      source_id: source.id,
      hops: 4,
      max_hops: 3,
    });
    // It reaches whoever is subscribed here, and goes no further where it loops to.
    expect(bench.sender.sent('ringback-hops')).toEqual(['4']);
    await received(bench, '9');
    await bench.publish({}, { headers: ['ringback-hops', '9'] });
    await settled();
    expect(await told(bench, 'chain.stopped')).toHaveLength(3);
    await bench.clock.advance(3_600_000);
    await again();
    await settled();
    expect(await told(bench, 'chain.stopped')).toHaveLength(4);
  });

  test('a repetition of an event that was stopped tells nobody', async () => {
    const bench = await startedBench({ gateway: { maxHops: 3 } });
    const source = await bench.source();
    await bench.receive(source, { 'x-id': 'one' });
    await bench.receive(source, { 'x-id': 'one', 'ringback-hops': '9' });
    await settled();
    expect(await told(bench, 'chain.stopped')).toEqual([]);
  });

  test('counts nothing that is not a number', () => {
    const values = ['-1', '1.5', 'many', '', '1e3', '12345678', '0x10'];
    expect(values.map((value) => hopsIn(['ringback-hops', value]))).toEqual(values.map(() => 0));
    expect(hopsIn(['RINGBACK-HOPS', '12'])).toBe(12);
    expect(hopsIn([])).toBe(0);
  });
});

const PAGE = { limit: 10, before: null };
