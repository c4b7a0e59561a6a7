import { describe, expect, test } from 'vitest';
import { JsonSchemas } from './json-schemas.ts';

const schemas = new JsonSchemas();

function within(limitMs: number, check: () => void): void {
  const before = performance.now();
  check();
  expect(performance.now() - before).toBeLessThan(limitMs);
}

function pointers(schema: Record<string, unknown>, value: unknown): string[] {
  return schemas.mismatches(schema, value).map(({ pointer }) => pointer);
}

describe('mismatches', () => {
  const invoice = {
    type: 'object',
    required: ['id', 'lines'],
    additionalProperties: false,
    properties: {
      id: { type: 'string' },
      state: { enum: ['open', 'paid'] },
      lines: { type: 'array', items: { type: 'object', properties: { 'a/b': { type: 'integer' } } } },
    },
  };

  test('there are none when the value fits', () => {
    expect(schemas.mismatches(invoice, { id: 'x', lines: [{ 'a/b': 1 }], state: 'paid' })).toEqual([]);
  });

  test('each is told with a pointer to what is wrong, missing or too many', () => {
    const value = { lines: [{}, { 'a/b': 'x' }], state: 'void', extra: 1 };
    expect(schemas.mismatches(invoice, value)).toEqual(
      expect.arrayContaining([
        { pointer: '/id', message: 'is required' },
        { pointer: '/extra', message: 'is not a property of this type' },
        { pointer: '/lines/1/a~1b', message: 'must be integer' },
        { pointer: '/state', message: 'must be one of "open", "paid"' },
      ]),
    );
    expect(pointers(invoice, value)).toHaveLength(4);
  });

  test('2020-12: prefixItems, unevaluatedProperties, dependentRequired, a local $ref', () => {
    const schema = {
      $defs: { pair: { prefixItems: [{ type: 'string' }, { type: 'number' }], items: false } },
      allOf: [{ properties: { pair: { $ref: '#/$defs/pair' } } }],
      dependentRequired: { pair: ['unit'] },
      unevaluatedProperties: false,
    };
    expect(pointers(schema, { pair: ['a', 1], unit: 'm' })).toEqual(['/unit']);
    expect(pointers({ ...schema, properties: { unit: {} } }, { pair: ['a', 'b'], unit: 'm' })).toEqual([
      '/pair/1',
    ]);
    expect(pointers({ ...schema, properties: { unit: {} } }, { pair: ['a', 1] })).toEqual(['/unit']);
  });

  test.each([
    [[1, 2, 1], false],
    [
      [
        { a: 1, b: [2] },
        { b: [2], a: 1 },
      ],
      false,
    ],
    [[{ a: 1 }, { a: 2 }, 1, '1', null, false], true],
  ])('uniqueItems: %j are unique: %s', (items, unique) => {
    expect(schemas.mismatches({ uniqueItems: true }, items)).toHaveLength(unique ? 0 : 1);
  });

  test('patterns are RE2, with the escapes of ECMA-262', () => {
    expect(pointers({ pattern: '^\\u0041\\d{2}\\u{1F600}\\/$' }, 'A12😀/')).toEqual([]);
    expect(pointers({ patternProperties: { '^n_': { type: 'number' } } }, { n_a: 1, n_b: 'x' })).toEqual([
      '/n_b',
    ]);
  });

  test('bug: unevaluatedProperties in alternatives of alternatives lost a variable when the code was optimized', () => {
    const schema = { anyOf: [{ not: true, anyOf: [{ unevaluatedProperties: false }, true] }, {}] };
    expect(schemas.mismatches(schema, {})).toEqual([]);
  });

  test('no more than a score of mistakes is told', () => {
    const value = Array.from({ length: 1_000 }, (_, index) => `item ${index}`);
    expect(schemas.mismatches({ items: { type: 'number' } }, value)).toHaveLength(20);
  });
});

describe('schemas that are refused', () => {
  const deep = (levels: number): Record<string, unknown> =>
    levels === 0 ? { type: 'string' } : { properties: { a: deep(levels - 1) } };

  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ['a reference to the network', { $ref: 'https://example.com/x.json' }, '/$ref', /never fetched/],
    ['one inside', { items: { anyOf: [{ $ref: 'other.json#/a' }] } }, '/items/anyOf/0/$ref', /never fetched/],
    ['a dynamic one', { $dynamicRef: 'http://127.0.0.1/' }, '/$dynamicRef', /never fetched/],
    ['an $id inside', { $defs: { a: { $id: 'https://a.example/' } } }, '/$defs/a/$id', /top of a schema/],
    ['a reference that leads nowhere', { $ref: '#/$defs/missing' }, '', /missing/],
    ['another dialect', { $schema: 'http://json-schema.org/draft-04/schema#' }, '', /schema/],
    ['an unknown type', { properties: { a: { type: 'text' } } }, '/properties/a/type', /must be/],
    ['a pattern that backtracks', { pattern: '(?=a)b' }, '/pattern', /linear/],
    ['a pattern as a name', { patternProperties: { '(a)\\1': {} } }, '/patternProperties/(a)\\1', /linear/],
    ['a pattern that is huge', { pattern: '(?:\\pL{100}){9}' }, '/pattern', /too big/],
    ['text beyond the limit', { description: 'x'.repeat(300_000) }, '', /larger than 256 KiB/],
    ['too many parts', { anyOf: Array.from({ length: 2_001 }, () => ({})) }, '', /more than 2000 subschemas/],
    ['too many levels', deep(40), '/properties/a'.repeat(32) + '/properties', /nested deeper/],
  ])('%s', (_, schema, pointer, message) => {
    const problem = schemas.problem(schema);
    expect(problem?.message).toMatch(message);
    expect(problem?.pointer).toBe(pointer);
  });

  test('words of data are no references', () => {
    expect(schemas.problem({ const: { $ref: 'https://example.com' }, enum: [{ $id: 'x' }] })).toBeNull();
    expect(
      schemas.problem({ properties: { $ref: { type: 'string' }, pattern: { type: 'string' } } }),
    ).toBeNull();
  });

  test('two schemas may have the same $id', () => {
    expect(pointers({ $id: 'https://a.example/s', type: 'string' }, 1)).toEqual(['']);
    expect(pointers({ $id: 'https://a.example/s', type: 'number' }, 1)).toEqual([]);
  });
});

describe('a check takes a bounded time', () => {
  const nested = (levels: number): unknown => (levels === 0 ? { leaf: 1 } : { next: nested(levels - 1) });
  test('when a few lines look at every level twice', () => {
    const next = { $ref: '#' };
    const schema = {
      properties: { leaf: { type: 'string' } },
      anyOf: [{ properties: { next } }, { properties: { next } }],
    };
    expect(schemas.problem(schema)).toBeNull();
    within(3_000, () => {
      expect(schemas.mismatches(schema, nested(200))).toEqual([
        { pointer: '', message: 'takes too many steps to check against the schema' },
      ]);
    });
  });

  test('when definitions double each other', () => {
    const $defs: Record<string, unknown> = { d0: { minLength: 3 } };
    for (let level = 1; level <= 40; level += 1) {
      const $ref = `#/$defs/d${level - 1}`;
      $defs[`d${level}`] = { allOf: [{ $ref }, { $ref }] };
    }
    within(3_000, () => {
      const [mismatch] = schemas.mismatches({ $defs, $ref: '#/$defs/d40' }, 'long enough');
      expect(mismatch?.message).toMatch(/too many steps/);
    });
  });

  test('when every item is compared with every other', () => {
    const items = Array.from({ length: 50_000 }, (_, index) => ({ index }));
    within(3_000, () => expect(schemas.mismatches({ uniqueItems: true }, items)).toEqual([]));
  });

  test('when each of many items is looked up in a long list', () => {
    const schema = { items: { enum: Array.from({ length: 10_000 }, (_, index) => `entry ${index}`) } };
    const items = Array.from({ length: 100_000 }, () => 'entry 9999');
    within(3_000, () => expect(schemas.mismatches(schema, items)[0]?.message).toMatch(/too many steps/));
  });

  test('when a format or a pattern meets a long text', () => {
    const text = `${'a'.repeat(200_000)}!`;
    within(3_000, () => {
      for (const format of [
        'email',
        'hostname',
        'uri',
        'uri-template',
        'ipv6',
        'date-time',
        'json-pointer',
      ]) {
        schemas.mismatches({ type: 'string', format }, text);
      }
      schemas.mismatches({ pattern: '^(a+)+$' }, text);
      schemas.mismatches({ pattern: '(a|aa){1,20}b' }, text);
    });
  });

  test('when the value is nested without end', () => {
    let value: unknown = 1;
    for (let level = 0; level < 100_000; level += 1) value = [value];
    const [mismatch] = schemas.mismatches({ items: { $ref: '#' } }, value);
    expect(mismatch?.message).toMatch(/nested too deeply|too many steps/);
  });

  test('and a big value that fits passes', () => {
    const schema = { items: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } } };
    const items = Array.from({ length: 50_000 }, (_, id) => ({ id }));
    expect(schemas.mismatches(schema, items)).toEqual([]);
  });
});
