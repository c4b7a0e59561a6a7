import { afterEach, describe, expect, test, vi } from 'vitest';
import { OPERATOR, rejection, startedBench } from '../../test/support/gateway-bench.ts';
import { settled } from '../testing/fake-clock.ts';
import { buildSource } from '../testing/setting-builders.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const bound = {
  principal: { id: 'key_bound', name: 'bound', scopes: ['admin'], tenant: 'acme' },
  remoteAddress: null,
} as const;

async function backlog(count: number) {
  const bench = await startedBench();
  const destination = await bench.receiver();
  await bench.gateway.settings.setDestinationState(destination.id, 'paused', 'by_hand', OPERATOR);
  for (let made = 0; made < count; made += 1) await bench.publish();
  return { bench, destination, settings: bench.gateway.settings };
}

describe('settings', () => {
  test('are changed in the store first: what fails there changes nothing', async () => {
    const bench = await startedBench();
    const source = await bench.source();
    vi.spyOn(bench.store.settings, 'put').mockRejectedValueOnce(new Error('disk full'));
    await rejection(bench.gateway.settings.save('source', { ...source, enabled: false }, OPERATOR));
    expect(await bench.receive(source)).toMatchObject({ kind: 'accepted' });
  });

  test('have names that are unique within kind and tenant', async () => {
    const bench = await startedBench();
    await bench.source({ name: 'same' });
    await bench.source({ name: 'same', tenant: 'acme' });
    const again = bench.gateway.settings.save('source', buildSource({ name: 'same' }), OPERATOR);
    expect(await rejection(again)).toMatchObject({ code: 'conflict' });
  });

  test('of another tenant are as if they did not exist', async () => {
    const bench = await startedBench();
    const theirs = await bench.source();
    const own = await bench.source({ tenant: 'acme' });
    const { settings } = bench.gateway;
    expect(settings.list('source', bound.principal).map(({ id }) => id)).toEqual([own.id]);
    expect(settings.find('source', own.id, bound.principal)).toBe(
      bench.gateway.directory.get('source', own.id),
    );
    expect(() => settings.find('source', theirs.id, bound.principal)).toThrow(
      expect.objectContaining({ code: 'not_found' }),
    );
    expect(await rejection(settings.remove('source', theirs.id, bound))).toMatchObject({ code: 'not_found' });
    expect(settings.list('source', OPERATOR.principal)).toHaveLength(2);
  });

  test('are logged with who changed them, from where', async () => {
    const bench = await startedBench();
    const source = await bench.source();
    await bench.gateway.settings.remove('source', source.id, OPERATOR);
    const { items } = await bench.store.settings.changes(
      { settingId: source.id },
      { limit: 9, before: null },
    );
    expect(items).toMatchObject(
      ['deleted', 'created'].map((action) => ({
        action,
        principal: 'key_operator',
        remoteAddress: '192.0.2.9',
        at: bench.clock.now(),
      })),
    );
  });
});

describe('what a destination is owed', () => {
  test('is held while it is paused and drained in order when it goes on', async () => {
    const { bench, destination, settings } = await backlog(40);
    await bench.clock.advance(600_000);
    expect(bench.sender.requests).toEqual([]);
    expect(new Set(await bench.states())).toEqual(new Set(['pending']));
    const after = await settings.setDestinationState(destination.id, 'enabled', null, OPERATOR);
    expect(after).toMatchObject({ state: 'enabled', stateReason: null, stateChangedAt: bench.clock.now() });
    await bench.clock.advance(1_000);
    const inOrder = (await bench.deliveries()).map(({ eventId }) => eventId);
    expect(bench.sender.sent('webhook-id')).toEqual(inOrder);
  });

  test('is dead, with the reason, once it is disabled: all of it, in steps', async () => {
    const { bench, destination, settings } = await backlog(501);
    const steps = vi.spyOn(bench.store.log, 'endPending');
    await settings.setDestinationState(destination.id, 'disabled', 'moved away', OPERATOR);
    await settled();
    expect(steps).toHaveBeenCalledTimes(2);
    const { items } = await bench.store.queries.deliveries({ state: 'dead' }, { limit: 500, before: null });
    expect(items).toHaveLength(500);
    expect(new Set(items.map(({ reason }) => reason))).toEqual(new Set(['moved away']));
    expect(await bench.store.queries.backlogs()).toEqual([]);
  });

  test('is cancelled when it is deleted', async () => {
    const { bench, destination, settings } = await backlog(3);
    await settings.remove('destination', destination.id, OPERATOR);
    await settled();
    expect((await bench.deliveries()).map(({ state, reason }) => [state, reason])).toEqual(
      [1, 2, 3].map(() => ['cancelled', 'destination_deleted']),
    );
  });
});

describe('retention', () => {
  const DAY_MS = 86_400_000;

  test('removes what is past it, in steps that let others pass, and nothing else', async () => {
    const bench = await startedBench({ gateway: { retention: { maxAgeMs: DAY_MS, maxBytes: 0 } } });
    for (let made = 0; made < 450; made += 1) await bench.publish({ externalId: String(made) });
    const prune = vi.spyOn(bench.store.upkeep, 'pruneEvents');
    await bench.clock.advance(DAY_MS - 60_000);
    const { eventId } = await bench.publish();
    expect(await bench.store.queries.events({}, { limit: 500, before: null })).toMatchObject({
      items: { length: 451 },
    });
    prune.mockClear();
    await bench.clock.advance(125_000);
    const { items } = await bench.store.queries.events({}, { limit: 500, before: null });
    expect(items.map(({ id }) => id)).toEqual([eventId]);
    expect(prune.mock.calls.length).toBeGreaterThanOrEqual(3);
    expect(bench.log.of('retention.swept').length).toBeGreaterThan(0);
    expect(await bench.publish({ externalId: '1' })).toMatchObject({ duplicate: false });
  });

  test('of 0 keeps everything; a sweep that fails is made again', async () => {
    const forever = await startedBench();
    await forever.publish();
    await forever.clock.advance(DAY_MS);
    expect((await forever.store.queries.events({}, { limit: 1, before: null })).items).toHaveLength(1);

    const bench = await startedBench({ gateway: { retention: { maxAgeMs: DAY_MS, maxBytes: 0 } } });
    await bench.publish();
    vi.spyOn(bench.store.upkeep, 'pruneEvents').mockRejectedValueOnce(new Error('busy'));
    await bench.clock.advance(DAY_MS + 180_000);
    expect(bench.log.of('retention.failed')).toHaveLength(1);
    expect((await bench.store.queries.events({}, { limit: 1, before: null })).items).toEqual([]);
  });
});

describe('a gateway that has stopped', () => {
  test('does nothing any more, and has written what was refused', async () => {
    const bench = await startedBench({ gateway: { retention: { maxAgeMs: 1_000, maxBytes: 0 } } });
    const source = await bench.source();
    await bench.receiver();
    await rejection(bench.receive(source, { 'x-secret': 'wrong' }));
    await bench.gateway.stop();
    const { items } = await bench.store.queries.rejections({}, { limit: 5, before: null });
    expect(items).toHaveLength(1);
    const touched = [
      vi.spyOn(bench.store.log, 'claimDue'),
      vi.spyOn(bench.store.log, 'settle'),
      vi.spyOn(bench.store.upkeep, 'pruneEvents'),
    ];
    await bench.clock.advance(86_400_000);
    for (const method of touched) expect(method).not.toHaveBeenCalled();
    expect(bench.clock.waiting).toBe(0);
  });

  test('still keeps what is published, for the next one to deliver', async () => {
    const bench = await startedBench();
    await bench.receiver();
    await bench.gateway.stop();
    await bench.publish();
    await bench.clock.advance(1_000);
    expect(await bench.states()).toEqual(['pending']);
    const next = await startedBench({ store: bench.store });
    await next.clock.advance(1_000);
    expect(next.sender.requests).toHaveLength(1);
  });
});
