import { describe, expect, test } from 'vitest';
import { type Answer, type ApiBench, operationNamed, startedApi } from '../../test/support/api-bench.ts';
import { bytes, rejection } from '../../test/support/gateway-bench.ts';
import { Problem } from '../domain/problem.ts';

const INVOICE = {
  type: 'object',
  required: ['amount'],
  properties: { amount: { type: 'integer' }, note: { type: 'string' } },
};

function create(api: ApiBench, fields: object = {}): Promise<Answer> {
  const body = { name: 'invoice.paid', versions: [{ schema: INVOICE }], ...fields };
  return api.call('event-types.create', { body });
}

function publish(api: ApiBench, fields: object): Promise<Answer> {
  return api.call('events.publish', { body: { type: 'invoice.paid', data: { amount: 1 }, ...fields } });
}

function step(from: number, to: number, expression = `{"v${to}": data.v${from}}`) {
  return { from, to, expression };
}

async function refused(answer: Promise<unknown>): Promise<Problem> {
  const error = await rejection(answer);
  if (!(error instanceof Problem)) throw error;
  return error;
}

function pointers({ errors }: Problem): string[] {
  return errors.map(({ pointer }) => pointer);
}

describe('the catalogue', () => {
  test('an event type is made, shown, listed, changed and deleted', async () => {
    const api = await startedApi();
    const made = await create(api, { description: 'An invoice was paid' });
    expect(made).toMatchObject({
      name: 'invoice.paid',
      description: 'An invoice was paid',
      compatibility: 'backward',
      versions: [{ version: 1, description: '', schema: INVOICE, examples: [] }],
      converters: [],
    });
    const params = { id: made.id };
    await api.call('event-types.update', { params, body: { description: 'Changed', compatibility: 'none' } });
    const shown = await api.call('event-types.get', { params });
    expect(shown).toMatchObject({
      description: 'Changed',
      compatibility: 'none',
      versions: [{ version: 1 }],
    });
    expect(await api.call('event-types.list')).toMatchObject({ data: [shown] });
    await api.call('event-types.delete', { params });
    expect(await api.call('event-types.list')).toMatchObject({ data: [] });
    expect((await refused(api.call('event-types.get', { params }))).code).toBe('not_found');
  });

  test('two types of a tenant cannot have one name, those of two tenants can', async () => {
    const api = await startedApi();
    await create(api);
    expect((await refused(create(api))).code).toBe('conflict');
    await create(api, { tenant: 'other' });
  });

  test('versions are numbered on, and one that is there cannot change', async () => {
    const api = await startedApi();
    const { id } = await create(api, { versions: [{ version: 3, schema: INVOICE }] });
    const params = { id };
    const added = await api.call('event-types.add-version', {
      params,
      body: { schema: INVOICE, description: 'new', examples: [{ amount: 1 }] },
    });
    expect(added).toMatchObject({ versions: [{ version: 3 }, { version: 4, description: 'new' }] });
    const versions = [{ version: 3, schema: { type: 'array' } }];
    const change = await refused(api.call('event-types.update', { params, body: { versions } }));
    expect([change.code, ...pointers(change)]).toEqual(['conflict', '/versions/0/schema']);
    const left = await api.call('event-types.delete-version', { params: { ...params, version: '3' } });
    expect(left).toMatchObject({ versions: [{ version: 4 }] });
    const gone = api.call('event-types.delete-version', { params: { ...params, version: '3' } });
    expect((await refused(gone)).code).toBe('not_found');
  });

  test('two who add a version at once get two versions', async () => {
    const api = await startedApi();
    const { id } = await create(api);
    const add = () => api.call('event-types.add-version', { params: { id }, body: { schema: INVOICE } });
    await Promise.all([add(), add(), add()]);
    const { versions } = await api.call('event-types.get', { params: { id } });
    expect((versions as { version: number }[]).map(({ version }) => version)).toEqual([1, 2, 3, 4]);
  });

  test.each<[object, string]>([
    [{ name: 'not a type' }, '/name'],
    [{ name: 'x'.repeat(300) }, '/name'],
    [{ name: undefined }, '/name'],
    [{ description: 1 }, '/description'],
    [{ compatibility: 'sideways' }, '/compatibility'],
    [{ unknown: 1 }, '/unknown'],
    [{ versions: {} }, '/versions'],
    [{ versions: [{}] }, '/versions/0'],
    [{ versions: [{ schema: 'text' }] }, '/versions/0/schema'],
    [{ versions: [{ schema: {}, sample: 1 }] }, '/versions/0/sample'],
    [{ versions: [{ schema: {}, version: 0 }] }, '/versions/0/version'],
    [
      {
        versions: [
          { schema: {}, version: 2 },
          { schema: {}, version: 2 },
        ],
      },
      '/versions/1/version',
    ],
    [
      { versions: [{ schema: { properties: { a: { type: 'x' } } } }] },
      '/versions/0/schema/properties/a/type',
    ],
    [{ versions: [{ schema: { $ref: 'http://127.0.0.1:1/' } }] }, '/versions/0/schema/$ref'],
    [
      { versions: [{ schema: INVOICE, examples: [{ amount: 1 }, { amount: 'x' }] }] },
      '/versions/0/examples/1/amount',
    ],
    [{ versions: [{ schema: INVOICE, examples: 1 }] }, '/versions/0/examples'],
    [{ converters: [{ from: 1, to: 2, expression: '{}' }] }, '/converters/0/to'],
    [{ converters: [{ from: 1, to: 1, expression: '{}' }] }, '/converters/0/to'],
    [{ converters: [{ from: 1, to: '1', expression: '{}' }] }, '/converters/0/to'],
    [{ converters: [{ from: 1 }] }, '/converters/0/to'],
  ])('%j is refused at %s', async (fields, pointer) => {
    const api = await startedApi();
    const problem = await refused(create(api, fields));
    expect(problem).toMatchObject({ code: 'validation_failed', status: 422 });
    expect(pointers(problem)).toContain(pointer);
  });
});

describe('a new version', () => {
  const { amount: _amount, ...withoutAmount } = INVOICE.properties;
  const breaks: [string, object, string][] = [
    [
      'narrows a type',
      { ...INVOICE, properties: { ...INVOICE.properties, note: { type: 'null' } } },
      '/schema/properties/note/type',
    ],
    ['requires more', { ...INVOICE, required: ['amount', 'note'] }, '/schema/required'],
    [
      'drops what was required',
      { ...INVOICE, required: [], properties: withoutAmount },
      '/schema/properties/amount',
    ],
  ];

  test.each(breaks)(
    'that %s is refused with a pointer, unless the type promises nothing',
    async (_, schema, pointer) => {
      const api = await startedApi();
      const { id } = await create(api);
      const params = { id };
      const problem = await refused(api.call('event-types.add-version', { params, body: { schema } }));
      expect([problem.code, problem.status, ...pointers(problem)]).toEqual([
        'schema_incompatible',
        422,
        pointer,
      ]);
      const versions = [{ schema: INVOICE }, { schema }];
      const whole = await refused(api.call('event-types.update', { params, body: { versions } }));
      expect(pointers(whole)).toEqual([`/versions/1${pointer}`]);
      await api.call('event-types.update', { params, body: { compatibility: 'none' } });
      await api.call('event-types.add-version', { params, body: { schema } });
      // What is there is not looked at again.
      await api.call('event-types.update', { params, body: { compatibility: 'full' } });
    },
  );

  test('keeps to the promise of its type', async () => {
    const api = await startedApi();
    const { id } = await create(api, { compatibility: 'forward' });
    const wider = { ...INVOICE, required: [] };
    const add = (schema: object) => api.call('event-types.add-version', { params: { id }, body: { schema } });
    expect(await refused(add(wider))).toMatchObject({ code: 'schema_incompatible' });
    await add({ ...INVOICE, required: ['amount', 'note'] });
  });

  test('is refused with pointers into the request that adds it', async () => {
    const api = await startedApi();
    const { id } = await create(api, { versions: [{ schema: INVOICE, examples: [{ amount: 1 }] }] });
    const add = (body: object) => refused(api.call('event-types.add-version', { params: { id }, body }));
    expect(pointers(await add({ schema: { type: 'x' } }))).toEqual(['/schema/type']);
    expect(pointers(await add({}))).toEqual(['']);
    expect(pointers(await add({ schema: INVOICE, examples: [{}] }))).toEqual(['/examples/0/amount']);
    expect(pointers(await add({ schema: INVOICE, up: 'dta' }))).toEqual(['/up']);
    expect(pointers(await add({ schema: INVOICE, up: '{}' }))).toEqual(['/up']);
    expect(pointers(await add({ schema: INVOICE, down: 'nothing' }))).toEqual(['/down']);
  });
});

describe('converters', () => {
  const versions = [1, 2, 3].map((version) => ({
    schema: {
      type: 'object',
      required: [`v${version}`],
      properties: { [`v${version}`]: { type: 'integer' } },
    },
    examples: [{ [`v${version}`]: version }],
  }));

  test('lead from a version to its neighbour', async () => {
    const api = await startedApi();
    const converters = [step(1, 2), step(2, 3), step(3, 2), step(2, 1)];
    expect(await create(api, { versions, compatibility: 'none', converters })).toMatchObject({ converters });
  });

  test.each([
    ['a jump', [step(1, 3)], '/converters/0/to', /no neighbours: convert through version 2/],
    ['a cycle of one', [step(2, 2)], '/converters/0/to', /is a cycle/],
    ['two for one step', [step(1, 2), step(1, 2)], '/converters/1', /already: \/converters\/0/],
    ['a version that is not there', [step(3, 4)], '/converters/0/to', /no version 4; there are 1, 2, 3/],
    [
      'a result that does not fit',
      [step(1, 2, '{"v2": "x"}')],
      '/converters/0/expression',
      /\/v2 must be integer/,
    ],
    ['a result that is no map', [step(1, 2, 'data.v1')], '/converters/0/expression', /not a map/],
    ['a failure', [step(1, 2, '{"v2": data.v7}')], '/converters/0/expression', /data.v7 is absent/],
  ])('%s is refused', async (_, converters, pointer, message) => {
    const api = await startedApi();
    const problem = await refused(create(api, { versions, compatibility: 'none', converters }));
    expect([problem.code, ...pointers(problem)]).toEqual(['validation_failed', pointer]);
    expect(problem.message).toMatch(message);
  });

  test('a gap between others is refused', async () => {
    const api = await startedApi();
    const four = [...versions, { schema: { type: 'object' } }];
    const converters = [step(1, 2), step(3, 4)];
    const problem = await refused(create(api, { versions: four, compatibility: 'none', converters }));
    expect(problem.message).toBe('/converters there is a gap: no converter from 2 to 3');
  });

  test('one that does not compile is refused with the position', async () => {
    const api = await startedApi();
    const problem = await refused(
      create(api, {
        versions,
        compatibility: 'none',
        converters: [step(1, 2), step(2, 3, '{"v3":\n dta.v2}')],
      }),
    );
    expect([problem.code, ...pointers(problem)]).toEqual(['filter_invalid', '/converters/1/expression']);
    expect(problem.message).toMatch(/line 2, column 2: unknown name "dta"/);
  });
});

describe('a published event', () => {
  test('is held against the newest version of its type, or the one that it names', async () => {
    const api = await startedApi();
    await create(api, {
      compatibility: 'none',
      versions: [{ schema: INVOICE }, { schema: { ...INVOICE, required: ['amount', 'note'] } }],
    });
    const problem = await refused(publish(api, { data: { amount: 'x' } }));
    expect(problem).toMatchObject({ code: 'schema_mismatch', status: 422, retryable: false });
    expect(pointers(problem)).toEqual(expect.arrayContaining(['/data/amount', '/data/note']));
    const old = await publish(api, { type_version: 1 });
    const fresh = await publish(api, { data: { amount: 1, note: 'n' } });
    const versions = await Promise.all(
      [old, fresh].map(async ({ id }) => (await api.bench.store.queries.event(id ?? ''))?.origin.typeVersion),
    );
    expect(versions).toEqual([1, 2]);
  });

  test('of a version that there is not, or a type that is not in the catalogue, is refused', async () => {
    const api = await startedApi();
    await create(api);
    for (const fields of [{ type_version: 2 }, { type: 'other.type', type_version: 1 }]) {
      const problem = await refused(publish(api, fields));
      expect([problem.code, ...pointers(problem)]).toEqual(['validation_failed', '/type_version']);
    }
    await publish(api, { type: 'other.type', data: 'anything' });
  });

  test("is not held against another tenant's catalogue", async () => {
    const api = await startedApi();
    await create(api, { tenant: 'other' });
    await publish(api, { data: 'anything' });
    expect((await refused(publish(api, { data: 'anything', tenant: 'other' }))).code).toBe('schema_mismatch');
  });

  test('in a batch: none is kept, and the pointer says which', async () => {
    const api = await startedApi();
    await create(api);
    const events = [
      { type: 'invoice.paid', data: { amount: 1 } },
      { type: 'invoice.paid', data: {} },
    ];
    const problem = await refused(api.call('events.publish-batch', { body: { events } }));
    expect([problem.code, ...pointers(problem)]).toEqual(['schema_mismatch', '/events/1/data/amount']);
    expect(await api.call('events.list')).toMatchObject({ data: [] });
  });

  test('as a CloudEvent too', async () => {
    const api = await startedApi();
    await create(api);
    const raw = (type: string, body: string, headers: readonly string[] = []) => {
      const operation = api.context(undefined, ['content-type', type, ...headers]);
      return publishRaw(operation, bytes(body));
    };
    const event = { specversion: '1.0', id: '1', source: '/s', type: 'invoice.paid', data: { amount: 'x' } };
    const structured = await refused(raw('application/cloudevents+json', JSON.stringify(event)));
    expect([structured.code, ...pointers(structured)]).toEqual(['schema_mismatch', '/data/amount']);
    const attributes = ['ce-specversion', '1.0', 'ce-id', '1', 'ce-source', '/s', 'ce-type', 'invoice.paid'];
    const binary = await refused(raw('application/json', '{}', attributes));
    expect([binary.code, ...pointers(binary)]).toEqual(['schema_mismatch', '/amount']);
    const batch = await refused(raw('application/cloudevents-batch+json', JSON.stringify([event])));
    expect([batch.code, ...pointers(batch)]).toEqual(['schema_mismatch', '/0/data/amount']);
    const named = await refused(
      raw('application/json', '{"amount":1}', [...attributes, 'ce-typeversion', '9']),
    );
    expect([named.code, ...pointers(named)]).toEqual(['validation_failed', '/headers/ce-typeversion']);
    await raw('application/json', '{"amount":1}', [...attributes, 'ce-typeversion', '1']);
  });

  test('is no longer checked once its type is deleted', async () => {
    const api = await startedApi();
    const { id } = await create(api);
    await refused(publish(api, { data: {} }));
    await api.call('event-types.delete', { params: { id } });
    await publish(api, { data: {} });
  });
});

describe('a source with use_catalogue', () => {
  const versions = [{ schema: INVOICE }];

  test('rejects what does not fit the version, and notes it of what does', async () => {
    const { bench, call } = await startedApi();
    await call('event-types.create', { body: { name: 'invoice.paid', versions } });
    const source = await bench.source({ useCatalogue: true });
    const headers = { 'x-type': 'invoice.paid' };
    const problem = await refused(bench.receive(source, headers, { body: bytes('{"amount":"x"}') }));
    expect([problem.code, ...pointers(problem)]).toEqual(['schema_mismatch', '/amount']);
    const accepted = await bench.receive(source, headers, { body: bytes('{"amount":1}') });
    const id = accepted.kind === 'accepted' ? accepted.eventId : '';
    expect((await bench.store.queries.event(id))?.origin).toMatchObject({ typeVersion: 1 });
    // Types that are not in the catalogue are none of its business.
    await bench.receive(source, { 'x-type': 'other' }, { body: bytes('no json') });
    expect((await refused(bench.receive(source, headers, { body: bytes('no json') }))).message).toMatch(
      /not JSON/,
    );
  });

  test('keeps and marks it where it marks', async () => {
    const { bench, call } = await startedApi();
    await call('event-types.create', { body: { name: 'invoice.paid', versions } });
    const source = await bench.source({ useCatalogue: true, onInvalid: 'mark' });
    const accepted = await bench.receive(source, { 'x-type': 'invoice.paid' });
    const id = accepted.kind === 'accepted' ? accepted.eventId : '';
    expect((await bench.store.queries.event(id))?.origin).toMatchObject({
      typeVersion: 1,
      invalid: '/amount is required',
    });
  });

  test('and one without looks at no catalogue', async () => {
    const { bench, call } = await startedApi();
    await call('event-types.create', { body: { name: 'invoice.paid', versions } });
    const accepted = await bench.receive(await bench.source(), { 'x-type': 'invoice.paid' });
    const id = accepted.kind === 'accepted' ? accepted.eventId : '';
    expect((await bench.store.queries.event(id))?.origin).not.toHaveProperty('typeVersion');
  });
});

async function publishRaw(context: ReturnType<ApiBench['context']>, body: Uint8Array): Promise<unknown> {
  return operationNamed('events.publish').raw?.(context, body);
}
