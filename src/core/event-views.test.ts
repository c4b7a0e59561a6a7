import { describe, expect, test } from 'vitest';
import { type Bench, bytes, OPERATOR, rejection, startedBench } from '../../test/support/gateway-bench.ts';
import { type ApiBench, startedApi } from '../../test/support/api-bench.ts';
import type { EventType, Subscription } from '../domain/settings.ts';
import { headerValue } from '../domain/event.ts';
import { settled } from '../testing/fake-clock.ts';
import { buildEventType, buildTypeVersion } from '../testing/setting-builders.ts';

const V1 = { type: 'object', required: ['cents'], properties: { cents: { type: 'integer' } } };
const V2 = { type: 'object', required: ['amount'], properties: { amount: { type: 'number' } } };
const V3 = { type: 'object', required: ['total'], properties: { total: { type: 'object' } } };

const PAID = buildEventType({
  name: 'invoice.paid',
  compatibility: 'none',
  versions: [
    buildTypeVersion({ version: 1, schema: V1, examples: [] }),
    buildTypeVersion({ version: 2, schema: V2, examples: [] }),
    buildTypeVersion({ version: 3, schema: V3, examples: [] }),
  ],
  converters: [
    { from: 1, to: 2, expression: '{"amount": double(data.cents) / 100.0}' },
    { from: 2, to: 3, expression: '{"total": {"amount": data.amount}}' },
    { from: 3, to: 2, expression: '{"amount": data.total.amount}' },
    { from: 2, to: 1, expression: '{"cents": int(data.amount * 100.0)}' },
  ],
});

async function catalogue(bench: Bench, type: EventType = PAID): Promise<void> {
  await bench.gateway.settings.save('event_type', type, OPERATOR);
}

async function subscribed(bench: Bench, subscription: Partial<Subscription>): Promise<Subscription> {
  return bench.subscription(await bench.destination(), { types: ['invoice.*'], ...subscription });
}

/** Publishes and answers what was sent for it. */
async function sent(bench: Bench, data: unknown, typeVersion: number) {
  const value = { type: 'invoice.paid', timestamp: '2026-01-01T00:00:00.000Z', data };
  const body = bytes(JSON.stringify(value));
  await bench.publish({ type: 'invoice.paid', typeVersion, body });
  await settled();
  const request = bench.sender.requests.at(-1);
  return request === undefined ? null : { request, json: JSON.parse(new TextDecoder().decode(request.body)) };
}

describe('a subscription that asks for a version', () => {
  test.each([
    [1, { cents: 4_250 }, 3, { total: { amount: 42.5 } }],
    [1, { cents: 4_250 }, 2, { amount: 42.5 }],
    [3, { total: { amount: 42.5 } }, 1, { cents: 4_250 }],
  ])('gets version %i %j as %i', async (from, data, to, wanted) => {
    const bench = await startedBench();
    await catalogue(bench);
    await subscribed(bench, { typeVersions: { 'invoice.paid': to } });
    const got = await sent(bench, data, from);
    expect(got?.json).toEqual({ type: 'invoice.paid', timestamp: '2026-01-01T00:00:00.000Z', data: wanted });
    expect(headerValue(got?.request.headers ?? [], 'ringback-type-version')).toBe(String(to));
  });

  test('gets the very bytes when they are of that version, and so does one that asks for none', async () => {
    const bench = await startedBench();
    await catalogue(bench);
    await subscribed(bench, { typeVersions: { 'invoice.paid': 2 } });
    await subscribed(bench, {});
    const body = bytes('{ "data" : {"amount":1.50},  "type":"invoice.paid" }');
    await bench.publish({ type: 'invoice.paid', typeVersion: 2, body });
    await settled();
    expect(bench.sender.requests.map((request) => new TextDecoder().decode(request.body))).toEqual(
      Array.from({ length: 2 }, () => new TextDecoder().decode(body)),
    );
  });

  test('has its filter, its session key and its transform see that version', async () => {
    const bench = await startedBench();
    await catalogue(bench);
    await subscribed(bench, {
      typeVersions: { 'invoice.paid': 2 },
      filter: 'data.amount > 40.0 && event.type_version == 2',
      transform: '{"paid": data.amount}',
    });
    expect((await sent(bench, { cents: 4_250 }, 1))?.json).toEqual({ paid: 42.5 });
    await sent(bench, { cents: 1 }, 1);
    expect(bench.sender.requests).toHaveLength(1);
  });

  test('gets what came in at a source with the data alone', async () => {
    const bench = await startedBench();
    await catalogue(bench, {
      ...PAID,
      versions: PAID.versions.slice(0, 2),
      converters: PAID.converters.slice(3),
    });
    await subscribed(bench, { typeVersions: { 'invoice.paid': 1 } });
    const source = await bench.source({ useCatalogue: true });
    await bench.receive(source, { 'x-type': 'invoice.paid' }, { body: bytes('{"amount":2}') });
    await settled();
    expect(new TextDecoder().decode(bench.sender.requests[0]?.body)).toBe('{"cents":200}');
  });

  test('gets a CloudEvent as one: in structured mode in its envelope, in binary mode by its header', async () => {
    const bench = await startedBench();
    await catalogue(bench);
    await subscribed(bench, { typeVersions: { 'invoice.paid': 2 } });
    const envelope = { specversion: '1.0', id: '1', source: 's', type: 'invoice.paid', typeversion: 1 };
    await bench.publish({
      type: 'invoice.paid',
      typeVersion: 1,
      cloudEvent: 'structured',
      contentType: 'application/cloudevents+json',
      body: bytes(JSON.stringify({ ...envelope, data: { cents: 100 } })),
    });
    await bench.publish(
      { type: 'invoice.paid', typeVersion: 1, cloudEvent: 'binary', body: bytes('{"cents":300}') },
      { headers: ['ce-id', '2', 'ce-typeversion', '1'] },
    );
    await settled();
    const [structured, binary] = bench.sender.requests;
    expect(JSON.parse(new TextDecoder().decode(structured?.body))).toEqual({
      ...envelope,
      typeversion: 2,
      data: { amount: 1 },
    });
    expect(headerValue(structured?.headers ?? [], 'content-type')).toBe('application/cloudevents+json');
    expect(new TextDecoder().decode(binary?.body)).toBe('{"amount":3}');
    expect(headerValue(binary?.headers ?? [], 'ce-typeversion')).toBe('2');
  });

  test.each([
    [
      'fails',
      { ...PAID, converters: [{ from: 1, to: 2, expression: '{"amount": data.nothing}' }] },
      /data.nothing is absent/,
    ],
    [
      'gives no map',
      { ...PAID, converters: [{ from: 1, to: 2, expression: 'data.cents' }] },
      /did not give a map/,
    ],
    [
      'gives what does not fit',
      { ...PAID, converters: [{ from: 1, to: 2, expression: '{"amount": "x"}' }] },
      /\/amount must be number/,
    ],
    ['is gone', { ...PAID, converters: [] }, /there is no converter from 1 to 2/],
  ])('is owed a dead delivery when the converter %s, and told why', async (_, type, why) => {
    const bench = await startedBench();
    await catalogue(bench, type);
    await subscribed(bench, { typeVersions: { 'invoice.paid': 2 } });
    await sent(bench, { cents: 1 }, 1);
    const [delivery] = await bench.deliveries();
    expect(delivery).toMatchObject({ state: 'dead', reason: 'conversion_failed' });
    const [attempt] = await bench.store.queries.attempts(delivery?.id ?? '');
    expect(attempt).toMatchObject({ outcome: 'permanent', error: 'conversion_failed' });
    expect(attempt?.responseBody).toMatch(why);
    const event = await bench.store.queries.event(delivery?.eventId ?? '');
    const explained = event === null ? null : await bench.gateway.explain.event(event);
    expect(explained?.considered).toMatchObject([{ conversion: { from: 1, to: 2, ok: false } }]);
  });

  test('whose filter cannot see the version takes nothing, and the trace says why', async () => {
    const bench = await startedBench();
    await catalogue(bench, { ...PAID, converters: [] });
    await subscribed(bench, { typeVersions: { 'invoice.paid': 2 }, filter: 'data.amount > 1.0' });
    const accepted = await bench.publish({
      type: 'invoice.paid',
      typeVersion: 1,
      body: bytes('{"data":{"cents":1}}'),
    });
    expect(accepted.deliveries).toBe(0);
    const event = await bench.store.queries.event(accepted.eventId);
    const explained = event === null ? null : await bench.gateway.explain.event(event);
    expect(explained?.considered[0]?.verdict).toMatchObject({ reason: 'filter_failed' });
    expect(explained?.considered[0]?.verdict.detail).toMatch(/no converter from 1 to 2/);
  });

  test('gets events without a version as they came', async () => {
    const bench = await startedBench();
    await subscribed(bench, { typeVersions: { 'invoice.paid': 2 } });
    await bench.publish({ type: 'invoice.paid', body: bytes('anything') });
    await settled();
    expect(new TextDecoder().decode(bench.sender.requests[0]?.body)).toBe('anything');
  });

  test('is served in that version by a replay', async () => {
    const bench = await startedBench();
    await catalogue(bench);
    await bench.publish({ type: 'invoice.paid', typeVersion: 1, body: bytes('{"data":{"cents":100}}') });
    await subscribed(bench, { typeVersions: { 'invoice.paid': 2 }, filter: 'data.amount == 1.0' });
    const request = { tenant: 'default', destinationId: null, ratePerSecond: null };
    await bench.gateway.replays.start({ ...request, filter: { type: 'invoice.paid' } }, OPERATOR);
    await bench.clock.advance(100);
    expect(new TextDecoder().decode(bench.sender.requests[0]?.body)).toBe('{"data":{"amount":1}}');
  });
});

async function populated(): Promise<{ api: ApiBench; type: string; destination: string }> {
  const api = await startedApi();
  const made = await api.call('event-types.create', {
    body: {
      name: 'invoice.paid',
      compatibility: 'none',
      versions: [{ schema: V1 }, { schema: V2 }, { schema: V3 }],
      converters: PAID.converters.slice(0, 3),
    },
  });
  const { id: destination = '' } = await api.call('destinations.create', {
    body: { name: 'd', url: 'https://d.example/' },
  });
  return { api, type: made.id ?? '', destination };
}

describe('the versions that a subscription asks for', () => {
  test.each([
    [{ 'invoice.paid': 2 }, ['invoice.*'], null],
    [{ 'invoice.paid': '3' }, [], null],
    [{ 'invoice.paid': 1 }, [], /no converter from 2 to 1/],
    [{ 'invoice.paid': 4 }, [], /no version 4; it has 1, 2, 3/],
    [{ 'invoice.sent': 1 }, [], /no such event type/],
    [{ 'invoice.paid': 2 }, ['other.*'], /takes no events of this type/],
    [{ 'invoice.paid': 0 }, [], /cannot|expected|Invalid/i],
    [{ 'invoice.paid': 'two' }, [], /cannot|expected|Invalid/i],
  ])('%j of types %j', async (type_versions, types, why) => {
    const { api, destination } = await populated();
    const body = { name: 's', destination_id: destination, types, type_versions };
    const made = api.call('subscriptions.create', { body });
    if (why === null)
      expect((await made)['type_versions']).toEqual({
        'invoice.paid': Number(Object.values(type_versions)[0]),
      });
    else {
      const error = await rejection(made);
      const [name] = Object.keys(type_versions);
      expect(error).toMatchObject({
        code: 'validation_failed',
        errors: [{ pointer: `/type_versions/${name}` }],
      });
      expect(JSON.stringify(error)).toMatch(why);
    }
  });

  test('keep the type, the version and the converters that they need', async () => {
    const { api, type, destination } = await populated();
    const { id } = await api.call('subscriptions.create', {
      body: { name: 'asks', destination_id: destination, type_versions: { 'invoice.paid': 3 } },
    });
    const params = { id: type };
    const refusals = [
      api.call('event-types.delete', { params }),
      api.call('event-types.delete-version', { params: { ...params, version: '3' } }),
      api.call('event-types.update', { params, body: { converters: PAID.converters.slice(0, 1) } }),
      // An event of the new version could not be delivered as version 3.
      api.call('event-types.add-version', { params, body: { schema: V3, up: 'data' } }),
    ];
    for (const refusal of refusals) {
      const error = await rejection(refusal);
      expect(error).toMatchObject({ code: 'conflict', status: 409 });
      expect(String(error)).toContain(`subscription "asks" (${id})`);
    }
    await api.call('event-types.add-version', { params, body: { schema: V3, down: 'data' } });
    await api.call('subscriptions.delete', { params: { id } });
    await api.call('event-types.delete', { params });
  });

  test('show in the trace and where a filter is tried', async () => {
    const { api, destination } = await populated();
    const types = { 'invoice.paid': 2 };
    await api.call('subscriptions.create', {
      body: { name: 's', destination_id: destination, type_versions: types },
    });
    const { id = '' } = await api.call('events.publish', {
      body: { type: 'invoice.paid', type_version: 1, data: { cents: 100 } },
    });
    expect(await api.call('events.trace', { params: { id } })).toMatchObject({
      schema: { type_version: 1, valid: true, mismatch: null },
      subscriptions: [{ matched: true, conversion: { from: 1, to: 2, error: null } }],
    });
    const tried = (body: object) => api.call('filters.test', { body: { filter: 'true', ...body } });
    expect(await tried({ event: id })).toMatchObject({ schema: { type_version: 1, valid: true } });
    const sample = { event: { type: 'invoice.paid' }, data: { cents: 'x' } };
    expect(await tried({ sample: { ...sample, type_version: 1 } })).toMatchObject({
      schema: { type_version: 1, valid: false, mismatch: '/cents must be integer' },
    });
    expect(await tried({ sample })).toMatchObject({ schema: { type_version: 3, valid: false } });
    expect(await tried({ sample: { data: 1 } })).toMatchObject({ schema: null });
  });
});
