import { describe, expect, test } from 'vitest';
import { type Bench, OPERATOR, rejection, startedBench } from '../../test/support/gateway-bench.ts';
import type { Source } from '../domain/settings.ts';
import { settled } from '../testing/fake-clock.ts';

const HOUR = 3_600_000;

async function told(bench: Bench): Promise<string[]> {
  const { items } = await bench.store.queries.events({ type: 'source.*' }, { limit: 99, before: null });
  return items.toReversed().map(({ type }) => type);
}

async function expecting(overrides: Partial<Source> = {}) {
  const bench = await startedBench();
  const source = await bench.source({
    expectEveryMs: HOUR,
    expectedSince: bench.clock.now(),
    createdAt: bench.clock.now(),
    ...overrides,
  });
  return { bench, source };
}

describe('a source that says how often it brings something', () => {
  test('is told of once when it is silent, and once when it comes back', async () => {
    const { bench, source } = await expecting();
    await bench.receive(source);
    const lastAt = bench.clock.now();
    await bench.clock.advance(HOUR);
    expect(await told(bench)).toEqual([]);
    await bench.clock.advance(60_000);
    expect(await told(bench)).toEqual(['source.silent']);
    expect(bench.gateway.silence.silentSince(source)).toBe(lastAt);
    await bench.clock.advance(20 * HOUR);
    expect(await told(bench)).toEqual(['source.silent']);
    await bench.receive(source);
    await settled();
    expect(await told(bench)).toEqual(['source.silent', 'source.recovered']);
    await bench.receive(source);
    await bench.clock.advance(HOUR / 2);
    expect(await told(bench)).toHaveLength(2);
    await bench.clock.advance(HOUR);
    expect(await told(bench)).toHaveLength(3);
  });

  test('is told of too when it never spoke, or only of what is not proven', async () => {
    const { bench, source } = await expecting();
    await rejection(bench.receive(source, { 'x-secret': 'wrong' }));
    await bench.clock.advance(HOUR + 60_000);
    const { items } = await bench.store.queries.events({ type: 'source.silent' }, { limit: 1, before: null });
    expect(JSON.parse(new TextDecoder().decode(items[0]?.body)).data).toEqual({
      source_id: source.id,
      name: source.name,
      last_event_at: null,
      silent_s: expect.any(Number) as number,
      expect_every_s: 3_600,
    });
  });

  test('speaks also with events that are repetitions', async () => {
    const { bench, source } = await expecting();
    for (let round = 0; round < 4; round += 1) {
      await bench.receive(source, { 'x-id': 'same' });
      await bench.clock.advance(HOUR * 0.9);
    }
    expect(await told(bench)).toEqual([]);
  });

  test.each([
    ['it is disabled', { enabled: false }],
    ['it expects nothing', { expectEveryMs: null }],
    ['it has only just been asked to', { expectedSince: 1_750_000_000_000 + 10 * HOUR }],
  ])('is not told of when %s', async (_, overrides) => {
    const { bench } = await expecting(overrides);
    await bench.clock.advance(10 * HOUR);
    expect(await told(bench)).toEqual([]);
  });

  test('is remembered over a restart: when it last spoke, and what was told', async () => {
    const { bench, source } = await expecting();
    await bench.receive(source);
    await bench.clock.advance(HOUR / 2);
    await bench.gateway.stop();
    const second = await startedBench({ store: bench.store, clock: bench.clock });
    await second.clock.advance(HOUR / 2 + 60_000);
    expect(await told(second)).toEqual(['source.silent']);
    await second.gateway.stop();
    const third = await startedBench({ store: bench.store, clock: bench.clock });
    await third.clock.advance(HOUR);
    expect(await told(third)).toEqual(['source.silent']);
    await third.receive(source);
    await settled();
    expect(await told(third)).toEqual(['source.silent', 'source.recovered']);
  });

  test('has a while after a start to send what it could not while nobody listened', async () => {
    const { bench, source } = await expecting();
    await bench.receive(source);
    await bench.gateway.stop();
    await bench.clock.advance(10 * HOUR);
    const next = await startedBench({ store: bench.store, clock: bench.clock });
    await next.clock.advance(4 * 60_000);
    await next.receive(source);
    await next.clock.advance(HOUR / 2);
    expect(await told(next)).toEqual([]);
  });

  test('is told of once by two nodes on one store, whichever hears it', async () => {
    const { bench, source } = await expecting();
    const other = await startedBench({ store: bench.store, clock: bench.clock });
    await bench.receive(source);
    await bench.clock.advance(HOUR / 2);
    await other.receive(source);
    await bench.clock.advance(HOUR * 0.9);
    expect(await told(bench)).toEqual([]);
    await bench.clock.advance(HOUR);
    expect(await told(bench)).toEqual(['source.silent']);
    await bench.receive(source);
    await bench.clock.advance(60_000);
    expect(await told(bench)).toEqual(['source.silent', 'source.recovered']);
    expect([bench, other].map(({ gateway }) => gateway.silence.silentSince(source))).toEqual([null, null]);
  });

  test('costs a gateway without such sources no look at the store', async () => {
    const bench = await startedBench();
    await bench.receive(await bench.source());
    await bench.clock.advance(HOUR);
    expect(await bench.store.upkeep.sourceActivity()).toEqual([]);
    await bench.gateway.settings.save('source', await bench.source({ enabled: false }), OPERATOR);
  });
});
