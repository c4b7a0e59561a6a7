import { describe, expect, test } from 'vitest';
import {
  ADMIN,
  type Answer,
  type ApiBench,
  operationNamed,
  principal,
  startedApi,
} from '../../test/support/api-bench.ts';
import { bytes, OPERATOR, rejection } from '../../test/support/gateway-bench.ts';
import { mayDo } from '../domain/principal.ts';
import type { Scope } from '../domain/settings.ts';
import { settled } from '../testing/fake-clock.ts';
import { CATALOGUE } from './catalogue.ts';
import type { RawInput } from './invoke.ts';
import { invoke } from './invoke.ts';
import { findRawEvent } from './raw-event.ts';
import { eventStream } from './stream.ts';

/** One of everything that can belong to a tenant. */
interface Things {
  readonly source: string;
  readonly destination: string;
  readonly subscription: string;
  readonly event: string;
  readonly delivery: string;
  readonly pending: string;
  readonly replay: string;
  readonly rejection: string;
  readonly key: string;
  readonly eventType: string;
  /** All of them, and what else only this tenant should ever read. */
  readonly marks: readonly string[];
}

function idOf(answer: Answer): string {
  if (answer.id === undefined) throw new Error('the answer has no id');
  return answer.id;
}

async function populate(api: ApiBench, tenant: string): Promise<Things> {
  const { bench, call } = api;
  const mark = (name: string) => `${name}-of-${tenant}`;
  bench.sender.answer(404);
  const source = idOf(
    await call('sources.create', {
      body: { name: mark('source'), provider: 'hmac', secrets: ['s'], tenant },
    }),
  );
  const url = `https://${tenant}.example/${mark('url')}`;
  const destination = idOf(
    await call('destinations.create', { body: { name: mark('destination'), url, tenant } }),
  );
  const subscription = idOf(
    await call('subscriptions.create', {
      body: { name: mark('subscription'), destination_id: destination, tenant, types: ['acme.*'] },
    }),
  );
  const idle = idOf(
    await call('destinations.create', { body: { name: mark('paused'), url: `${url}/2`, tenant } }),
  );
  await call('subscriptions.create', {
    body: { name: mark('waits'), destination_id: idle, tenant, types: ['acme.*'] },
  });
  await call('destinations.pause', { params: { id: idle } });
  await bench.clock.advance(0);
  const event = idOf(
    await call('events.publish', {
      body: { type: 'acme.paid', data: { mark: mark('data') }, key: mark('key'), tenant },
    }),
  );
  const second = idOf(await call('events.publish', { body: { type: 'other.type', data: 1, tenant } }));
  await settled();
  const { items } = await bench.store.queries.deliveries({ eventId: event }, { limit: 9, before: null });
  const delivery = items.find(({ destinationId }) => destinationId === destination)?.id ?? '';
  const pending = items.find(({ destinationId }) => destinationId === idle)?.id ?? '';
  const replay = idOf(
    await call('replays.create', {
      body: { filter: { event_ids: [event, second] }, tenant, rate_limit: 0.001 },
    }),
  );
  const kept = bench.gateway.directory.get('source', source);
  if (kept === undefined) throw new Error('the source is not there');
  // As if a handshake had brought it: only such a secret can be shown.
  const secrets = kept.secrets.map((secret) => ({ ...secret, learned: true }));
  await bench.gateway.settings.save('source', { ...kept, secrets }, OPERATOR);
  await rejection(bench.receive(kept, { 'x-secret': mark('forged') }));
  await bench.gateway.rejections.flush();
  const refused = await bench.store.queries.rejections({ sourceId: source }, { limit: 1, before: null });
  const refusal = refused.items[0]?.id ?? '';
  const key = idOf(await call('keys.create', { body: { name: mark('key'), scopes: ['admin'], tenant } }));
  const versions = [{ schema: { type: 'object' } }, { schema: { type: 'object' } }];
  const eventType = idOf(
    await call('event-types.create', { body: { name: mark('type'), tenant, versions } }),
  );
  const ids = {
    source,
    destination,
    subscription,
    event,
    delivery,
    pending,
    replay,
    rejection: refusal,
    key,
    eventType,
  };
  return { ...ids, marks: [...Object.values(ids), idle, `-of-${tenant}`] };
}

/** What of one tenant's an operation could be told to act on. */
function inputFor(name: string, things: Things): Partial<RawInput> {
  const [resource = ''] = name.split('.');
  const ids: Readonly<Record<string, string>> = {
    sources: things.source,
    destinations: things.destination,
    subscriptions: things.subscription,
    events: things.event,
    deliveries: name === 'deliveries.get' ? things.delivery : things.pending,
    replays: things.replay,
    rejections: things.rejection,
    keys: things.key,
    'event-types': things.eventType,
  };
  const bodies: Readonly<Record<string, object>> = {
    'sources.create': { name: 'new source', provider: 'hmac', secrets: ['s'] },
    'sources.update': { name: 'changed source' },
    'sources.add-secret': { secret: 'another' },
    'sources.register': { token: 'token-of-the-provider', allow_unreachable: true },
    'destinations.create': { name: 'new destination', url: 'https://new.example/' },
    'destinations.update': { name: 'changed destination' },
    'subscriptions.create': { name: 'new subscription', destination_id: things.destination },
    'subscriptions.update': { name: 'changed subscription' },
    'events.publish': { type: 'acme.new', data: 1 },
    'events.publish-batch': { events: [{ type: 'acme.new', data: 1 }] },
    'replays.create': { filter: { event_ids: [things.event] }, destination_id: things.destination },
    'filters.test': { filter: 'true', event: things.event },
    'keys.create': { name: 'new key', scopes: ['read'] },
    'event-types.create': { name: 'acme.new', versions: [{ schema: {} }] },
    'event-types.update': { description: 'changed' },
    'event-types.add-version': { schema: { type: 'object' } },
  };
  const numbers: Readonly<Record<string, string>> = { number: '0', version: '1' };
  const params: Record<string, string> = {};
  for (const [, param = ''] of operationNamed(name).path.matchAll(/\{(\w+)\}/g)) {
    params[param] = numbers[param] ?? ids[resource] ?? '';
  }
  return { params, body: bodies[name] ?? {} };
}

/** Everything that the store and the directory hold of a tenant. */
async function stateOf({ bench }: ApiBench, tenant: string): Promise<unknown> {
  const { directory } = bench.gateway;
  const page = { limit: 500, before: null };
  const { queries } = bench.store;
  const settings = (['source', 'destination', 'subscription', 'key', 'event_type'] as const).map((kind) =>
    directory.list(kind).filter((setting) => setting.tenant === tenant),
  );
  const lists = await Promise.all([
    queries.events({ tenant }, page),
    queries.deliveries({ tenant }, page),
    queries.replays(tenant, page),
  ]);
  return structuredClone([settings, lists]);
}

const names = CATALOGUE.map(({ name }) => name);
const onOne = CATALOGUE.filter(({ path }) => path.includes('{')).map(({ name }) => name);
const lists = CATALOGUE.filter(({ method, path }) => method === 'GET' && !path.includes('{')).map(
  ({ name }) => name,
);
const scopes: Scope[] = ['admin', 'read', 'publish', 'manage', 'lease'];

describe('every operation', () => {
  test('has a name and a path of its own, and its input is known to these tests', () => {
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(CATALOGUE.map(({ method, path }) => `${method} ${path}`)).size).toBe(names.length);
    for (const { name, path } of CATALOGUE) {
      expect(name).toMatch(/^[a-z-]+\.[a-z-]+$/);
      expect(path).toMatch(/^\/v1\//);
    }
  });

  test.each(names)('%s works, and answers as it describes', async (name) => {
    const api = await startedApi();
    const things = await populate(api, 'one');
    const own = principal(['admin'], 'one');
    if (name === 'destinations.delete') {
      await expect(api.call(name, inputFor(name, things), own)).rejects.toMatchObject({ code: 'conflict' });
      await api.call('subscriptions.delete', { params: { id: things.subscription } });
    }
    if (name === 'keys.rotate-encryption') {
      // It concerns every tenant's secrets, so it takes a key that is bound to none.
      expect(await api.call(name, inputFor(name, things), ADMIN)).toMatchObject({ new_key: true });
      return;
    }
    await api.call(name, inputFor(name, things), own);
  });

  test('keys.rotate-encryption refuses a key that is bound to a tenant', async () => {
    const api = await startedApi();
    const run = api.call('keys.rotate-encryption', {}, principal(['admin'], 'one'));
    await expect(run).rejects.toMatchObject({ code: 'scope_missing' });
  });

  test.each(names)('%s refuses a key without its scope, and does nothing', async (name) => {
    const api = await startedApi();
    const things = await populate(api, 'one');
    const before = await stateOf(api, 'one');
    const { scope } = operationNamed(name);
    for (const held of scopes.filter((one) => !mayDo(principal([one]), scope))) {
      await expect(api.call(name, inputFor(name, things), principal([held]))).rejects.toMatchObject({
        code: 'scope_missing',
      });
    }
    expect(await stateOf(api, 'one')).toEqual(before);
  });
});

describe('a key bound to one tenant', () => {
  const other = principal(['admin'], 'other');

  test.each(onOne)('%s: what belongs to another is not found, and stays as it is', async (name) => {
    const api = await startedApi();
    const things = await populate(api, 'one');
    await populate(api, 'other');
    const before = await stateOf(api, 'one');
    const error = await rejection(api.call(name, inputFor(name, things), other));
    expect(error).toMatchObject({ code: 'not_found', status: 404 });
    await settled();
    expect(await stateOf(api, 'one')).toEqual(before);
  });

  test.each(onOne)('%s: and what never was is told apart by nothing', async (name) => {
    const api = await startedApi();
    const things = await populate(api, 'one');
    const theirs = inputFor(name, things);
    const nothing = { ...theirs, params: { ...(theirs.params as object), id: 'xxx_nothing' } };
    const ofAnother = String(await rejection(api.call(name, theirs, other)));
    const ofNobody = String(await rejection(api.call(name, nothing, other)));
    const id = (theirs.params as { id: string }).id;
    expect(ofAnother.replaceAll(id, 'ID')).toBe(ofNobody.replaceAll('xxx_nothing', 'ID'));
  });

  test.each(lists)('%s: shows its own, and nothing of another, whatever it asks for', async (name) => {
    const api = await startedApi();
    const [one, own] = [await populate(api, 'one'), await populate(api, 'other')];
    for (const query of [{}, { tenant: 'one' }]) {
      const answer = await api
        .call(name, { query }, other)
        .catch((error: unknown) => ({ error: String(error) }));
      const text = JSON.stringify(answer);
      for (const mark of one.marks) expect(text).not.toContain(mark);
    }
    // So that the lists of this test could fail: each shows what it may.
    if (name === 'status.show') return;
    const shown = JSON.stringify(await api.call(name, {}, other));
    expect(own.marks.some((mark) => shown.includes(mark))).toBe(true);
    const all = JSON.stringify(await api.call(name, {}, ADMIN));
    expect(one.marks.some((mark) => all.includes(mark))).toBe(true);
  });

  test('events.list: a request that repeated an event leads to it, within the tenant alone', async () => {
    const { bench, call } = await startedApi();
    const tenants = ['one', 'other'] as const;
    const requestId = bench.gateway.services.ids.make('req');
    const ids: string[] = [];
    // The same request id, as nobody could bring about: so only the tenant tells them apart.
    for (const tenant of tenants) {
      const published = await bench.publish({ tenant, externalId: 'twice' });
      await bench.publish({ tenant, externalId: 'twice' }, { requestId });
      ids.push(published.eventId);
    }
    const found = async (tenant: string | null, query: object = {}): Promise<unknown> => {
      const asked = { query: { repeated_by: requestId, ...query } };
      const { data } = await call('events.list', asked, principal(['read'], tenant));
      return (data as { id: string }[]).map(({ id }) => id).toSorted();
    };
    expect(await found('one')).toEqual([ids[0]]);
    expect(await found('other')).toEqual([ids[1]]);
    expect(await found('other', { tenant: 'one' })).toEqual([ids[1]]);
    expect(await found('third')).toEqual([]);
    expect(await found(null)).toEqual(ids.toSorted());
    const trace = await call('events.trace', { params: { id: ids[0] } }, principal(['read'], 'one'));
    expect(trace['duplicates']).toMatchObject({ count: 1, newest: [{ request_id: requestId }] });
  });

  const acts: [string, (one: Things) => Partial<RawInput>, string][] = [
    [
      'sources.create',
      () => ({ body: { name: 'x', provider: 'hmac', secrets: ['s'], tenant: 'one' } }),
      'scope_missing',
    ],
    [
      'destinations.create',
      () => ({ body: { name: 'x', url: 'https://x.example/', tenant: 'one' } }),
      'scope_missing',
    ],
    [
      'subscriptions.create',
      (one) => ({ body: { name: 'x', destination_id: one.destination } }),
      'validation_failed',
    ],
    [
      'subscriptions.create',
      (one) => ({ body: { name: 'x', destination_id: one.destination, tenant: 'one' } }),
      'scope_missing',
    ],
    ['events.publish', () => ({ body: { type: 'a.b', data: 1, tenant: 'one' } }), 'scope_missing'],
    [
      'events.publish-batch',
      () => ({ body: { events: [{ type: 'a.b', data: 1, tenant: 'one' }] } }),
      'scope_missing',
    ],
    ['replays.create', () => ({ body: { filter: { state: 'dead' }, tenant: 'one' } }), 'scope_missing'],
    [
      'replays.create',
      (one) => ({ body: { filter: { state: 'dead' }, destination_id: one.destination } }),
      'not_found',
    ],
    ['replays.create', (one) => ({ body: { filter: { source: one.source } } }), 'validation_failed'],
    ['filters.test', (one) => ({ body: { filter: 'true', event: one.event } }), 'not_found'],
    ['keys.create', () => ({ body: { name: 'x', scopes: ['admin'], tenant: 'one' } }), 'scope_missing'],
    ['event-types.create', () => ({ body: { name: 'x', tenant: 'one' } }), 'scope_missing'],
  ];
  test.each(acts)('%s cannot reach into another tenant (%#)', async (name, input, code) => {
    const api = await startedApi();
    const one = await populate(api, 'one');
    const before = await stateOf(api, 'one');
    expect(await rejection(api.call(name, input(one), other))).toMatchObject({ code });
    expect(await stateOf(api, 'one')).toEqual(before);
  });

  test('cannot point its subscription at the destination or the source of another', async () => {
    const api = await startedApi();
    const [one, own] = [await populate(api, 'one'), await populate(api, 'other')];
    for (const body of [{ destination_id: one.destination }, { sources: [one.source] }]) {
      const changed = api.call('subscriptions.update', { params: { id: own.subscription }, body }, other);
      expect(await rejection(changed)).toMatchObject({ code: 'validation_failed' });
    }
  });

  test('replays nothing of another, though it names it', async () => {
    const api = await startedApi();
    const one = await populate(api, 'one');
    const filters = [
      { event_ids: [one.event] },
      { delivery_ids: [one.delivery] },
      { destination: one.destination },
      { subscription: one.subscription },
      { from: '2000-01-01T00:00:00Z' },
    ];
    for (const filter of filters) {
      expect(await api.call('replays.create', { body: { filter } }, other)).toMatchObject({
        matched: 0,
        sample: [],
      });
    }
  });

  test('neither reads the raw body of an event of another, nor hears of it', async () => {
    const api = await startedApi();
    const one = await populate(api, 'one');
    expect(await rejection(findRawEvent(api.context(other), one.event))).toMatchObject({ code: 'not_found' });
    const end = new AbortController();
    const stream = eventStream(api.context(other), { tenant: 'one' }, undefined, end.signal);
    // The place that every stream begins with.
    await stream.next();
    const heard = stream.next();
    await settled();
    await populate(api, 'two');
    await settled();
    const own = idOf(await api.call('events.publish', { body: { type: 'a.b', data: 1 } }, other));
    const message = await heard;
    expect(JSON.stringify(message.value)).toContain(own);
    end.abort();
    await stream.return(undefined);
  });

  test('publishes CloudEvents to its own tenant', async () => {
    const api = await startedApi();
    const { raw } = operationNamed('events.publish');
    const event = { specversion: '1.0', id: '1', source: 's', type: 'a.b', tenant: 'one', data: 1 };
    const context = api.context(other, ['content-type', 'application/cloudevents+json']);
    const answer = (await raw?.(context, bytes(JSON.stringify(event)))) as Answer;
    expect((await api.bench.store.queries.event(idOf(answer)))?.tenant).toBe('other');
  });
});

describe('keys', () => {
  test('bug: a key bound to a tenant saw and could delete those that are bound to none', async () => {
    const api = await startedApi();
    const unbound = idOf(await api.call('keys.create', { body: { name: 'all', scopes: ['admin'] } }));
    const bound = principal(['admin'], 'default');
    expect(await api.call('keys.list', {}, bound)).toMatchObject({ data: [] });
    expect(await rejection(api.call('keys.delete', { params: { id: unbound } }, bound))).toMatchObject({
      code: 'not_found',
    });
    expect(await api.call('keys.list')).toMatchObject({ data: [{ id: unbound, tenant: null }] });
  });

  test('are shown once, kept as a digest, and bound as their maker is', async () => {
    const api = await startedApi();
    const made = await api.call(
      'keys.create',
      { body: { name: 'k', scopes: ['read'] } },
      principal(['admin'], 'one'),
    );
    const text = String(made['key']);
    expect(text).toMatch(/^rb_[0-9A-Za-z]{40}$/);
    expect(made).toMatchObject({ tenant: 'one', hint: text.slice(0, 7) });
    const kept = api.bench.gateway.directory.get('key', idOf(made));
    expect(JSON.stringify(kept)).not.toContain(text);
    expect(api.bench.gateway.directory.apiKey(api.bench.gateway.services.secrets.digest(text))).toBe(kept);
  });
});

test('an unknown field is refused at every operation, with a pointer to it', async () => {
  const api = await startedApi();
  const things = await populate(api, 'one');
  for (const operation of CATALOGUE) {
    const { params = {}, body = {} } = inputFor(operation.name, things);
    const input = { params, query: { oddq: '1' }, body: { ...(body as object), 'odd/~field': 1 } };
    const error = await rejection(invoke(operation, api.context(), input));
    expect(error, operation.name).toMatchObject({ code: 'validation_failed', status: 422 });
    const { errors } = error as { errors: readonly { pointer: string }[] };
    const pointers = errors.map(({ pointer }) => pointer);
    expect(pointers, operation.name).toContain('/query/oddq');
    expect(pointers, operation.name).toContain('/odd~1~0field');
  }
});

test('secrets never come back', async () => {
  const api = await startedApi();
  const { call } = api;
  const secret = 'topsecret';
  const source = await call('sources.create', { body: { name: 's', provider: 'hmac', secrets: [secret] } });
  const auth = { type: 'bearer', token: secret };
  const destination = await call('destinations.create', {
    body: { name: 'd', url: 'https://d.example/', auth },
  });
  await call('sources.add-secret', { params: { id: idOf(source) }, body: { secret } });
  const generated = String(destination['secret']);
  const reads: [string, string][] = [
    ['sources.get', idOf(source)],
    ['destinations.get', idOf(destination)],
  ];
  for (const [name, id] of reads) {
    const text = JSON.stringify(await call(name, { params: { id } }));
    expect(text).not.toContain(secret);
    expect(text).not.toContain(generated);
    expect(text).not.toContain('sealed');
  }
});

test('every operation on one thing is tested with one that exists', async () => {
  const api = await startedApi();
  const things = await populate(api, 'one');
  for (const name of onOne) {
    const { params } = inputFor(name, things);
    expect(Object.values(params as object), name).not.toContain('');
  }
});
