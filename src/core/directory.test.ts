import { describe, expect, test } from 'vitest';
import { bytes, OPERATOR, rejection, startedBench, type Bench } from '../../test/support/gateway-bench.ts';
import { buildApiKey, buildSubscription } from '../testing/setting-builders.ts';

function secret(sealed: string, expiresAt: number | null = null) {
  return { sealed, createdAt: 0, expiresAt };
}

async function accepts(
  bench: Bench,
  source: Parameters<Bench['receive']>[0],
  text: string,
): Promise<boolean> {
  const outcome = await bench.receive(source, { 'x-secret': text }).catch((error: unknown) => error);
  return typeof outcome === 'object' && outcome !== null && 'kind' in outcome;
}

describe('a source', () => {
  test('forgets a secret when it expires, and knows a new one at once', async () => {
    const bench = await startedBench();
    const soon = bench.clock.now() + 60_000;
    const source = await bench.source({ secrets: [secret('new'), secret('old', soon), secret('oldest', 1)] });
    const all = ['new', 'old', 'oldest', 'newest'];
    const accepted = async () => {
      const found: string[] = [];
      for (const text of all) if (await accepts(bench, source, text)) found.push(text);
      return found;
    };
    expect(await accepted()).toEqual(['new', 'old']);
    await bench.clock.advance(59_999);
    expect(await accepted()).toEqual(['new', 'old']);
    await bench.clock.advance(1);
    expect(await accepted()).toEqual(['new']);
    await bench.gateway.settings.save('source', { ...source, secrets: [secret('newest')] }, OPERATOR);
    expect(await accepted()).toEqual(['newest']);
  });

  test('is found by its present key only', async () => {
    const bench = await startedBench();
    const source = await bench.source();
    await bench.gateway.settings.save('source', { ...source, ingestKey: 'moved' }, OPERATOR);
    expect(await rejection(bench.receive(source))).toMatchObject({ code: 'source_unknown' });
    expect(await accepts(bench, { ...source, ingestKey: 'moved' }, 'right')).toBe(true);
    await bench.gateway.settings.remove('source', source.id, OPERATOR);
    expect(await rejection(bench.receive({ ...source, ingestKey: 'moved' }))).toMatchObject({
      code: 'source_unknown',
    });
  });

  test('bug: any change of a source gave it a fresh burst of its rate limit', async () => {
    const bench = await startedBench();
    const source = await bench.source({ rateLimit: { limit: 1, periodMs: 60_000 } });
    await bench.receive(source);
    const changed = { ...source, name: 'renamed', rateLimit: { limit: 1, periodMs: 60_000 } };
    await bench.gateway.settings.save('source', changed, OPERATOR);
    expect(await rejection(bench.receive(source))).toMatchObject({ code: 'rate_limited' });
    const wider = { ...changed, rateLimit: { limit: 2, periodMs: 60_000 } };
    await bench.gateway.settings.save('source', wider, OPERATOR);
    await bench.receive(source);
  });
});

describe('the candidates of an event', () => {
  test('follow every change of a subscription at once', async () => {
    const bench = await startedBench();
    const destination = await bench.destination();
    const deliveries = async () => (await bench.publish()).deliveries;
    expect(await deliveries()).toBe(0);
    const subscription = await bench.subscription(destination);
    expect(await deliveries()).toBe(1);
    const save = (change: object) =>
      bench.gateway.settings.save('subscription', { ...subscription, ...change }, OPERATOR);
    await save({ types: ['other.*'] });
    expect(await deliveries()).toBe(0);
    await save({ types: ['acme.*'] });
    expect(await deliveries()).toBe(1);
    await save({ filter: 'data.a == 2' });
    expect(await deliveries()).toBe(0);
    await save({ filter: 'data.a == 1', enabled: false });
    expect(await deliveries()).toBe(0);
    await save({ expiresAt: bench.clock.now() + 1_000 });
    expect(await deliveries()).toBe(1);
    await bench.clock.advance(1_000);
    expect(await deliveries()).toBe(0);
    await bench.gateway.settings.remove('subscription', subscription.id, OPERATOR);
    expect(await deliveries()).toBe(0);
  });

  test('are of the same tenant', async () => {
    const bench = await startedBench();
    await bench.receiver({ tenant: 'acme' });
    expect((await bench.publish()).deliveries).toBe(0);
    expect((await bench.publish({ tenant: 'acme' })).deliveries).toBe(1);
  });

  test('are right for more types than are remembered', async () => {
    const bench = await startedBench();
    const { directory } = bench.gateway;
    const destination = await bench.destination();
    await bench.subscription(destination, { types: ['a.*'] });
    for (let made = 0; made < 10_050; made += 1) directory.candidates('default', null, `b.${made}`);
    expect(directory.candidates('default', null, 'a.b')).toHaveLength(1);
    expect(directory.candidates('default', null, 'b.1')).toHaveLength(0);
  });
});

describe('the directory', () => {
  test('lists in the order in which things were made, and its version is that of the last change', async () => {
    const bench = await startedBench();
    const { directory, settings } = bench.gateway;
    const first = buildSubscription();
    const second = buildSubscription();
    await settings.save('subscription', second, OPERATOR);
    await settings.save('subscription', first, OPERATOR);
    expect(directory.list('subscription').map(({ id }) => id)).toEqual([first.id, second.id]);
    expect(directory.version).toBe((await bench.store.settings.load()).version);
    await settings.remove('subscription', first.id, OPERATOR);
    expect(directory.version).toBe((await bench.store.settings.load()).version);
  });

  test('finds an API key by its present hash only', async () => {
    const bench = await startedBench();
    const key = buildApiKey({ hash: 'one' });
    await bench.gateway.settings.save('key', key, OPERATOR);
    await bench.gateway.settings.save('key', { ...key, hash: 'two' }, OPERATOR);
    expect(bench.gateway.directory.apiKey('one')).toBeUndefined();
    expect(bench.gateway.directory.apiKey('two')?.id).toBe(key.id);
    await bench.gateway.settings.remove('key', key.id, OPERATOR);
    expect(bench.gateway.directory.apiKey('two')).toBeUndefined();
  });

  test('knows after a start what it knew before', async () => {
    const first = await startedBench();
    const destination = await first.receiver();
    const source = await first.source();
    await first.gateway.stop();
    const second = await startedBench({ store: first.store });
    expect(second.gateway.directory.version).toBe(first.gateway.directory.version);
    await second.receive(source, {}, { body: bytes('{}') });
    await second.clock.advance(0);
    expect(second.sender.requests.map(({ url }) => url)).toEqual([destination.url]);
  });
});
