import { describe, expect, it, vi } from 'vitest';
import { Bench } from '../../test/support/gateway-bench.ts';
import { buildApiKey } from '../testing/setting-builders.ts';
import { buildAuthor } from '../testing/builders.ts';
import { KeyUses } from './key-uses.ts';

async function setUp() {
  const bench = new Bench();
  const key = buildApiKey();
  await bench.store.settings.put('key', key, buildAuthor());
  const uses = new KeyUses(bench.gateway.services);
  await uses.start();
  return { bench, key, uses };
}

describe('the last use of a key', () => {
  it('is known at once and written once a minute', async () => {
    const { bench, key, uses } = await setUp();
    expect(uses.lastUsedAt(key.id)).toBeNull();
    const usedAt = bench.clock.now();
    uses.used(key.id);
    expect(uses.lastUsedAt(key.id)).toBe(usedAt);
    expect(await bench.store.settings.keyUses()).toEqual([]);
    await bench.clock.advance(60_000);
    expect(await bench.store.settings.keyUses()).toEqual([{ keyId: key.id, usedAt }]);
    await uses.stop();
  });

  it('is written when the gateway stops, and read when it starts', async () => {
    const { bench, key, uses } = await setUp();
    uses.used(key.id);
    await uses.stop();
    const later = new KeyUses(bench.gateway.services);
    await later.start();
    expect(later.lastUsedAt(key.id)).toBe(uses.lastUsedAt(key.id));
    await later.stop();
  });

  it('is written the next time when the store fails', async () => {
    const { bench, key, uses } = await setUp();
    const { settings } = bench.store;
    vi.spyOn(settings, 'recordKeyUses').mockRejectedValueOnce(new Error('the disk is full'));
    uses.used(key.id);
    await uses.write();
    expect(bench.log.lines).toContainEqual(expect.objectContaining({ event: 'key_uses.write_failed' }));
    await uses.write();
    expect(await settings.keyUses()).toHaveLength(1);
    await uses.stop();
  });
});
