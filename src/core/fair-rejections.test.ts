import { describe, expect, test } from 'vitest';
import { type Bench, rejection, startedBench } from '../../test/support/gateway-bench.ts';
import type { Source } from '../domain/settings.ts';

const WRONG = { 'x-secret': 'wrong' };

async function refuse(bench: Bench, source: Source, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await rejection(bench.receive(source, WRONG));
}

async function kept(bench: Bench, sourceId: string): Promise<number> {
  await bench.gateway.rejections.flush();
  const { items } = await bench.store.queries.rejections({ sourceId }, { limit: 500, before: null });
  return items.length;
}

async function benchOf(count: number) {
  const bench = await startedBench({
    gateway: { rejections: { maxPerSource: 1_000, maxBytes: 1 << 26 } },
  });
  const sources = await Promise.all(Array.from({ length: count }, () => bench.source()));
  return { bench, sources };
}

describe('recording of what is refused', () => {
  test('a source that is attacked hides nothing of the others', async () => {
    const { bench, sources } = await benchOf(2);
    const [attacked, other] = sources as [Source, Source];
    await refuse(bench, attacked, 5_000);
    await refuse(bench, other, 30);
    expect(await kept(bench, other.id)).toBe(30);
    expect(await kept(bench, attacked.id)).toBe(170);
  });

  test('several that are attacked share alike, within the limit over all', async () => {
    const { bench, sources } = await benchOf(10);
    // More than may even wait at once.
    for (const source of sources) await refuse(bench, source, 150);
    const counts = await Promise.all(sources.map((source) => kept(bench, source.id)));
    expect(counts).toEqual(sources.map(() => 20));
    const dropped = bench.log.of('rejections.dropped') as { count: number }[];
    expect(dropped.reduce((sum, { count }) => sum + count, 0)).toBe(1_500 - 200);
  });

  test('URLs that no source has count as one, however many they are', async () => {
    const { bench, sources } = await benchOf(1);
    const [source] = sources as [Source];
    const call = bench.ingestCall(source, {});
    for (let n = 0; n < 2_000; n += 1) {
      expect(() => bench.gateway.ingest.admit(`guess-${n}`, call)).toThrow();
    }
    await refuse(bench, source, 10);
    expect(await kept(bench, source.id)).toBe(10);
  });

  test('keeps the order in which they came', async () => {
    const { bench, sources } = await benchOf(2);
    for (let n = 0; n < 20; n += 1) await refuse(bench, sources[n % 2] as Source, 1);
    await bench.gateway.rejections.flush();
    const { items } = await bench.store.queries.rejections({}, { limit: 500, before: null });
    expect(items.map(({ sourceId }) => sourceId)).toEqual(
      items.map((_, index) => sources[(index + 1) % 2]?.id),
    );
  });
});

describe('the rate of a source', () => {
  test('bug: strangers used it up, and who may send was told to slow down', async () => {
    const bench = await startedBench();
    const rateLimit = { limit: 2, periodMs: 60_000 };
    const source = await bench.source({ rateLimit, allowedIps: ['192.0.2.1'] });
    for (let n = 0; n < 50; n += 1) {
      const stranger = bench.receive(source, {}, { remoteAddress: '198.51.100.7' });
      expect(await rejection(stranger)).toMatchObject({ code: 'sender_not_allowed' });
    }
    expect(await bench.receive(source)).toMatchObject({ kind: 'accepted' });
    expect(await bench.receive(source)).toMatchObject({ kind: 'accepted' });
    expect(await rejection(bench.receive(source))).toMatchObject({ code: 'rate_limited' });
  });
});
