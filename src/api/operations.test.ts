import { describe, expect, test } from 'vitest';
import { startedApi } from '../../test/support/api-bench.ts';
import { rejection } from '../../test/support/gateway-bench.ts';
import { settled } from '../testing/fake-clock.ts';

async function withDestination(body: object = {}) {
  const api = await startedApi();
  const destination = await api.call('destinations.create', {
    body: { name: 'd', url: 'https://d.example/', ...body },
  });
  await api.bench.clock.advance(0);
  return { ...api, destination, params: { id: destination.id } };
}

async function retryOf(retry: object) {
  const { call, destination } = await withDestination();
  return call('subscriptions.create', { body: { name: 's', destination_id: destination.id, retry } });
}

async function failed() {
  const api = await withDestination();
  await api.call('subscriptions.create', { body: { name: 's', destination_id: api.destination.id } });
  api.bench.sender.answer(404);
  await api.call('events.publish', { body: { type: 'a.b', data: 1 } });
  await settled();
  const [delivery] = await api.bench.deliveries();
  return { ...api, delivery: { id: delivery?.id } };
}

describe('sources', () => {
  test.each([
    [{ allowed_ips: ['192.0.2.0/24', 'nonsense'] }, '/allowed_ips/1'],
    [{ max_body_bytes: '1GiB' }, '/max_body_bytes'],
    [{ max_body_bytes: '5 apples' }, '/max_body_bytes'],
    [{ schema: { type: 'nonsense' } }, '/schema/type'],
    [{ dedupe: { key: 'data.' } }, '/dedupe/key'],
    [{ dedupe: { window: '1s' } }, '/dedupe/window'],
    [{ rate_limit: { limit: 0, period: '1s' } }, '/rate_limit/limit'],
    [{ name: 'x'.repeat(101) }, '/name'],
  ])('%j is refused at %s', async (fields, pointer) => {
    const { call, bench } = await startedApi();
    const body = { name: 's', provider: 'hmac', secrets: ['x'], ...fields };
    expect(await rejection(call('sources.create', { body }))).toMatchObject({
      status: 422,
      errors: [{ pointer }],
    });
    expect(bench.gateway.directory.list('source')).toEqual([]);
  });

  test('a new secret comes first and the ones before expire when told to', async () => {
    const { call, bench } = await startedApi();
    const source = await call('sources.create', {
      body: { name: 's', provider: 'hmac', secrets: ['one', 'two'] },
    });
    const params = { id: source.id };
    const rotated = await call('sources.add-secret', {
      params,
      body: { secret: 'three', previous_expire_in: '1h' },
    });
    const hour = new Date(bench.clock.now() + 3_600_000).toISOString();
    expect(rotated['secrets']).toMatchObject([
      { number: 0, expires_at: null },
      { expires_at: hour },
      { expires_at: hour },
    ]);
    const opened = () => {
      const kept = bench.gateway.directory.get('source', source.id ?? '');
      return bench.gateway.directory.openSecrets(kept?.secrets ?? [], source.id ?? '');
    };
    expect(opened()).toEqual(['three', 'one', 'two']);
    await call('sources.remove-secret', { params: { ...params, number: '1' } });
    expect(opened()).toEqual(['three', 'two']);
    expect(
      await rejection(call('sources.remove-secret', { params: { ...params, number: '2' } })),
    ).toMatchObject({
      code: 'not_found',
    });
  });
});

describe('destinations', () => {
  test.each([
    [{ url: 'ftp://d.example/' }, '/url'],
    [{ url: 'https://gateway.example/in/abc' }, '/url'],
    [{ headers: { 'Webhook-Id': '1' } }, '/headers/Webhook-Id'],
    [{ headers: { 'b@d': '1' } }, '/headers/b@d'],
    [{ headers: { ok: 'a\r\nb' } }, '/headers/ok'],
    [{ timeout: '10m' }, '/timeout'],
    [{ max_in_flight: 0 }, '/max_in_flight'],
    [{ signing: { secret: 'bad' } }, '/signing/secret'],
    [{ auth: { type: 'basic', username: 'a:b', password: 'c' } }, '/auth/username'],
  ])('%j is refused at %s', async (fields, pointer) => {
    const { call } = await startedApi();
    const body = { name: 'd', url: 'https://d.example/', ...fields };
    expect(await rejection(call('destinations.create', { body }))).toMatchObject({
      status: 422,
      errors: [{ pointer }],
    });
  });

  test('a secret that is replaced signs until its grace time ends', async () => {
    const { call, bench, params } = await withDestination({ signing: { secret: 'first' } });
    const rotated = await call('destinations.rotate-secret', {
      params,
      body: { secret: 'second', grace: '1h' },
    });
    expect(rotated).toMatchObject({ secret: 'second' });
    const sign = async () => {
      await call('destinations.test', { params });
      return bench.sender
        .sent('webhook-signature')
        .at(-1)
        ?.split(' ')
        .map((one) => one.split('.').at(-1));
    };
    expect(await sign()).toEqual(['second', 'first']);
    await bench.clock.advance(3_600_000);
    expect(await sign()).toEqual(['second']);
  });

  test('one that subscriptions use is not deleted', async () => {
    const { call, destination, params } = await withDestination();
    const subscription = await call('subscriptions.create', {
      body: { name: 'mine', destination_id: destination.id },
    });
    expect(await rejection(call('destinations.delete', { params }))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('mine'),
    });
    await call('subscriptions.delete', { params: { id: subscription.id } });
    await call('destinations.delete', { params });
    expect(await rejection(call('destinations.get', { params }))).toMatchObject({ code: 'not_found' });
  });

  test('a test request tells what came back', async () => {
    const { call, bench, params } = await withDestination();
    bench.sender.answer(503);
    expect(await call('destinations.test', { params })).toMatchObject({
      outcome: 'retryable',
      status: 503,
      error: 'http_503',
    });
  });

  test('a change leaves what it does not name', async () => {
    const { call, params, destination } = await withDestination({ timeout: '3s', headers: { a: 'b' } });
    const changed = await call('destinations.update', { params, body: { name: 'other' } });
    const { secret: _, ...before } = destination;
    expect(changed).toEqual({ ...before, name: 'other' });
  });
});

describe('subscriptions', () => {
  test('have the documented schedule when they name none', async () => {
    expect(await retryOf({})).toMatchObject({
      retry: {
        max_attempts: 10,
        schedule: ['5s', '5m', '30m', '2h', '5h', '10h', '14h', '20h', '1d'],
        max_delay: '1d',
      },
    });
  });

  test('may name a schedule, or a base and a factor', async () => {
    expect(await retryOf({ schedule: ['1s', '1m'] })).toMatchObject({
      retry: { max_attempts: 3, schedule: ['1s', '1m'] },
    });
    expect(await retryOf({ base: '1s', factor: 10, max_delay: '5m', max_attempts: 9 })).toMatchObject({
      retry: { max_attempts: 9, schedule: ['1s', '10s', '100s', '5m'], max_delay: '5m' },
    });
  });

  test('bug: a wait of more than a day was cut to one, and nobody was told', async () => {
    expect(await retryOf({ schedule: ['1h', '3d'] })).toMatchObject({ retry: { max_delay: '3d' } });
  });

  test.each([
    [{ schedule: ['1s'], base: '1s' }],
    [{ schedule: ['1s'], factor: 3 }],
    [{ schedule: [] }],
    [{ factor: 3 }],
    [{ max_attempts: 0 }],
    [{ jitter: 2 }],
  ])('bug or not, a retry that would not be followed is refused: %j', async (retry) => {
    expect(await rejection(retryOf(retry))).toMatchObject({ code: 'validation_failed' });
  });

  test.each([
    [{ filter: 'data.' }, '/filter'],
    [{ transform: '{' }, '/transform'],
    [{ session_key: 'nope(' }, '/session_key'],
    [{ types: ['ok', 'not ok'] }, '/types/1'],
    [{ sources: ['nobody'] }, '/sources/0'],
    [{ destination_id: 'dst_nobody' }, '/destination_id'],
  ])('%j is refused at %s', async (fields, pointer) => {
    const { call, destination } = await withDestination();
    const body = { name: 's', destination_id: destination.id, ...fields };
    expect(await rejection(call('subscriptions.create', { body }))).toMatchObject({
      status: 422,
      errors: [{ pointer }],
    });
  });

  test('name sources by name and keep their ids', async () => {
    const { call, destination } = await withDestination();
    const source = await call('sources.create', { body: { name: 'shop', provider: 'hmac', secrets: ['s'] } });
    const body = { name: 's', destination_id: destination.id, sources: ['shop'] };
    expect(await call('subscriptions.create', { body })).toMatchObject({ sources: [source.id] });
  });
});

describe('deliveries', () => {
  test('a retry is brought forward to now', async () => {
    const { call, bench, delivery } = await failed();
    bench.sender.answer(200);
    await call('deliveries.retry', { params: delivery });
    await bench.clock.advance(0);
    expect(await call('deliveries.get', { params: delivery })).toMatchObject({
      state: 'succeeded',
      attempt_count: 2,
      attempts: [
        { number: 1, status: 404 },
        { number: 2, status: 200, next_attempt_at: null },
      ],
    });
    for (const name of ['deliveries.retry', 'deliveries.cancel']) {
      expect(await rejection(call(name, { params: delivery }))).toMatchObject({ code: 'conflict' });
    }
  });

  test('a cancelled one is never attempted again', async () => {
    const { call, bench, delivery } = await failed();
    const cancelled = await call('deliveries.cancel', { params: delivery, body: { reason: 'enough' } });
    expect(cancelled).toMatchObject({ state: 'cancelled', reason: 'enough', next_attempt_at: null });
    await bench.clock.advance(3_600_000);
    expect(bench.sender.requests).toHaveLength(1);
  });
});

describe('filters', () => {
  test.each([
    ['data.a == 1', { valid: true, matched: true, value: true, error: null }],
    ['data.a == 2', { valid: true, matched: false, value: false }],
    ['data.b == 2', { valid: true, matched: false, error: { message: 'data.b is absent', line: null } }],
    ['data.a', { valid: true, matched: false, value: 1 }],
    ['headers["x-a"] == "h" && event.type == "t"', { valid: true, matched: true }],
    ['data.a ==', { valid: false, matched: null, error: { line: 1 } }],
  ])('%s', async (filter, answer) => {
    const { call } = await startedApi();
    const sample = { event: { type: 't' }, headers: { 'X-A': 'h' }, data: { a: 1 } };
    expect(await call('filters.test', { body: { filter, sample } })).toMatchObject(answer);
  });
});
