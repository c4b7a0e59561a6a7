import { expect, it } from 'vitest';
import { startedBench } from '../../test/support/gateway-bench.ts';

it('removes sources whose time has come, and no other', async () => {
  const bench = await startedBench();
  const inAMinute = bench.clock.now() + 60_000;
  const short = await bench.source({ expiresAt: inAMinute });
  const long = await bench.source({ expiresAt: inAMinute * 2 });
  const lasting = await bench.source();
  const unlimited = await bench.source({ expiresAt: null });

  await bench.clock.advance(59_000);
  expect(bench.gateway.directory.get('source', short.id)).toBeDefined();
  await bench.clock.advance(31_000);
  expect(bench.gateway.directory.get('source', short.id)).toBeUndefined();
  expect(() => bench.gateway.ingest.admit(short.ingestKey, bench.ingestCall(short, {}))).toThrow(
    'ingest URL',
  );
  for (const { id } of [long, lasting, unlimited]) {
    expect(bench.gateway.directory.get('source', id)).toBeDefined();
  }
  const { items } = await bench.store.settings.changes({ settingId: short.id }, { limit: 1, before: null });
  expect(items[0]).toMatchObject({ action: 'deleted', principal: 'gateway' });
  const waiting = bench.clock.waiting;
  await bench.gateway.stop();
  expect(bench.clock.waiting).toBeLessThan(waiting);
});
