import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonSchemas } from '../schemas/json-schemas.ts';
import { incompatibilities } from './schema-compatibility.ts';

const INVOICE = {
  type: 'object',
  required: ['id', 'amount'],
  properties: {
    id: { type: 'string', minLength: 3 },
    amount: { type: 'integer', minimum: 0, maximum: 100 },
    state: { enum: ['open', 'paid', null] },
    lines: { type: 'array', items: { type: 'object', properties: { sku: { type: 'string' } } } },
  },
};

function withProperty(name: string, schema: unknown): Record<string, unknown> {
  return { ...INVOICE, properties: { ...INVOICE.properties, [name]: schema } };
}

function pointers(older: unknown, newer: unknown, promise: 'backward' | 'forward' | 'full'): string[] {
  return incompatibilities(older, newer, promise).map(({ pointer }) => pointer);
}

const { id: _id, ...WITHOUT_ID } = INVOICE.properties;

// As text: lint takes an object with a `then` for a promise.
const CONDITION = JSON.stringify(INVOICE).replace(
  '{',
  '{"if":{"required":["state"]},"then":{"required":["lines"]},',
);

describe('what breaks', () => {
  test.each<[string, unknown, string[], string[]]>([
    ['nothing', structuredClone(INVOICE), [], []],
    [
      'words about it',
      { ...INVOICE, title: 'Invoice', description: 'new', examples: [1], 'x-own': 1 },
      [],
      [],
    ],
    ['a new optional property', withProperty('note', { type: 'string' }), [], []],
    ['a new required one', { ...INVOICE, required: ['id', 'amount', 'state'] }, ['/required'], []],
    ['one that is no longer required', { ...INVOICE, required: ['id'] }, [], ['/required']],
    [
      'a required one that is gone',
      { ...INVOICE, required: ['amount'], properties: WITHOUT_ID },
      ['/properties/id'],
      ['/required'],
    ],
    [
      'a narrower type',
      withProperty('amount', { type: 'integer', minimum: 1, maximum: 100 }),
      ['/properties/amount/minimum'],
      [],
    ],
    [
      'a wider type',
      withProperty('amount', { type: 'number', minimum: 0, maximum: 100 }),
      [],
      ['/properties/amount/type'],
    ],
    [
      'another type',
      withProperty('amount', { type: 'string' }),
      ['/properties/amount/type'],
      ['/properties/amount/type'],
    ],
    ['a type that is gone', withProperty('id', {}), [], ['/properties/id/type', '/properties/id/minLength']],
    ['fewer values', withProperty('state', { enum: ['open', 'paid'] }), ['/properties/state/enum'], []],
    [
      'more values',
      withProperty('state', { enum: ['open', 'paid', null, 'void'] }),
      [],
      ['/properties/state/enum'],
    ],
    ['one value', withProperty('state', { const: 'open' }), ['/properties/state/const'], []],
    ['no value at all', withProperty('state', false), ['/properties/state'], []],
    ['longer texts', withProperty('id', { type: 'string', minLength: 4 }), ['/properties/id/minLength'], []],
    [
      'another pattern',
      withProperty('id', { type: 'string', minLength: 3, pattern: '^a' }),
      ['/properties/id/pattern'],
      [],
    ],
    ['a closed object', { ...INVOICE, additionalProperties: false }, ['/additionalProperties'], []],
    [
      'items that differ',
      withProperty('lines', {
        type: 'array',
        items: { type: 'object', properties: { sku: { type: 'integer' } } },
      }),
      ['/properties/lines/items/properties/sku/type'],
      ['/properties/lines/items/properties/sku/type'],
    ],
    [
      'unique items',
      withProperty('lines', { ...INVOICE.properties.lines, uniqueItems: true }),
      ['/properties/lines/uniqueItems'],
      [],
    ],
    ['a condition', JSON.parse(CONDITION), ['/if', '/then'], []],
    ['an exception', { ...INVOICE, not: { required: ['lines'] } }, ['/not'], []],
  ])('%s', (_, newer, backward, forward) => {
    expect(pointers(INVOICE, newer, 'backward').toSorted()).toEqual(backward.toSorted());
    expect(pointers(INVOICE, newer, 'forward').toSorted()).toEqual(forward.toSorted());
    expect(pointers(INVOICE, newer, 'full').toSorted()).toEqual([...backward, ...forward].toSorted());
    expect(incompatibilities(INVOICE, newer, 'none')).toEqual([]);
  });

  test('is told in words', () => {
    const wider = withProperty('amount', { type: ['integer', 'null'], minimum: 0, maximum: 100 });
    expect(incompatibilities(INVOICE, wider, 'forward')).toEqual([
      {
        pointer: '/properties/amount/type',
        message: 'forward: may be null now, and must be integer in the version before',
      },
    ]);
    expect(incompatibilities(wider, INVOICE, 'backward')[0]?.message).toBe(
      'backward: must be integer now, and may be null in the version before',
    );
  });
});

const kind = (name: string) => ({
  type: 'object',
  required: ['kind'],
  properties: { kind: { const: name } },
});
const recursive = (value: unknown) => ({
  $defs: { node: { type: 'object', properties: { value, next: { $ref: '#/$defs/node' } } } },
  $ref: '#/$defs/node',
});
const hidden = (value: unknown) => ({ $defs: { it: value }, not: { $ref: '#/$defs/it' } });

describe('what is said in other words', () => {
  const invoice = { type: 'object', required: ['a'], properties: { a: { type: 'string' } } };

  test.each<[string, unknown]>([
    ['behind a reference', { $defs: { it: invoice }, $ref: '#/$defs/it' }],
    ['behind an anchor', { $defs: { it: { $anchor: 'it', ...invoice } }, $ref: '#it' }],
    ['in parts', { allOf: [{ type: 'object', required: ['a'] }, { properties: { a: { type: 'string' } } }] }],
    ['in cases', { anyOf: [invoice, { ...invoice, required: ['a', 'b'] }] }],
    ['as a list of types', { ...invoice, type: ['object'] }],
    ['with its values', { ...invoice, properties: { a: { enum: ['x', 'y'], type: ['string', 'null'] } } }],
  ])('%s fits', (_, older) => {
    expect(incompatibilities(older, invoice, 'backward')).toEqual([]);
  });

  test('alternatives may be added, if they exclude each other where only one may fit', () => {
    const grown = (keyword: string) => [
      { [keyword]: [kind('a'), kind('b')] },
      { [keyword]: [kind('a'), kind('b'), kind('c')] },
    ];
    for (const keyword of ['anyOf', 'oneOf']) {
      const [older, newer] = grown(keyword);
      expect(pointers(older, newer, 'backward')).toEqual([]);
      expect(pointers(older, newer, 'forward')).toEqual([`/${keyword}/2`]);
    }
    const overlapping = { oneOf: [kind('a'), kind('b'), { type: 'object' }] };
    expect(pointers(grown('oneOf')[0], overlapping, 'backward')).toEqual(['/oneOf']);
  });

  test('what is behind equal references is compared', () => {
    expect(pointers(recursive({ type: 'string' }), recursive({ type: 'string' }), 'full')).toEqual([]);
    const found = pointers(
      recursive({ type: ['string', 'null'] }),
      recursive({ type: 'string' }),
      'backward',
    );
    expect(found).toEqual(['/$defs/node/properties/value/type']);
    expect(pointers(hidden({ type: 'string' }), hidden({ type: 'null' }), 'backward')).toEqual(['/not']);
  });

  test('an open object of before may hold anything in the new property, for those who are strict', () => {
    const found = incompatibilities(INVOICE, withProperty('note', { type: 'string' }), 'backward', STRICT);
    expect(found.map(({ pointer }) => pointer)).toEqual(['/properties/note/type']);
    const closed = { ...INVOICE, additionalProperties: { type: 'string' } };
    expect(pointers(closed, withProperty('note', { type: 'integer' }), 'backward')).toEqual([
      '/properties/note/type',
    ]);
  });

  test('it takes a bounded time, and is then no compatibility', () => {
    const wide = (depth: number): unknown =>
      depth === 0
        ? { type: 'string' }
        : {
            anyOf: [1, 2, 3].map((one) => ({
              required: [`${one}`],
              not: {},
              properties: { x: wide(depth - 1) },
            })),
          };
    const before = performance.now();
    expect(pointers(wide(6), { ...(wide(6) as object), minProperties: 1 }, 'full')).not.toEqual([]);
    expect(performance.now() - before).toBeLessThan(5_000);
  });
});

/** Small schemas over few names and values, so that two of them are often about the same things. */
const schema: fc.Arbitrary<unknown> = fc.letrec((tie) => {
  const inner = tie('schema');
  const name = fc.constantFrom('a', 'b', 'c');
  const keywords = fc.record(
    {
      type: fc.constantFrom(
        'object',
        'string',
        'integer',
        'number',
        'array',
        ['string', 'null'],
        ['object', 'integer'],
      ),
      enum: fc.array(fc.constantFrom(1, 2, 'x', 'yy', null, {}), { minLength: 1, maxLength: 3 }),
      const: fc.constantFrom(1, 'x', null),
      minimum: fc.integer({ min: 0, max: 3 }),
      exclusiveMaximum: fc.integer({ min: 1, max: 4 }),
      multipleOf: fc.constantFrom(1, 2, 4),
      minLength: fc.integer({ min: 0, max: 2 }),
      maxLength: fc.integer({ min: 0, max: 3 }),
      minItems: fc.integer({ min: 0, max: 2 }),
      maxItems: fc.integer({ min: 0, max: 3 }),
      uniqueItems: fc.boolean(),
      required: fc.uniqueArray(name, { maxLength: 2 }),
      properties: fc.dictionary(name, inner, { maxKeys: 2 }),
      patternProperties: fc.dictionary(fc.constantFrom('^a', 'b|c'), inner, { maxKeys: 1 }),
      additionalProperties: inner,
      propertyNames: fc.constantFrom({ maxLength: 1 }, { enum: ['a', 'b'] }),
      dependentRequired: fc.constantFrom({ a: ['b'] }, { b: ['a', 'c'] }),
      minProperties: fc.integer({ min: 0, max: 2 }),
      items: inner,
      prefixItems: fc.array(inner, { minLength: 1, maxLength: 2 }),
      anyOf: fc.array(inner, { minLength: 1, maxLength: 2 }),
      oneOf: fc.array(inner, { minLength: 1, maxLength: 2 }),
      allOf: fc.array(inner, { minLength: 1, maxLength: 2 }),
      not: inner,
      $ref: fc.constant('#/$defs/it'),
    },
    { requiredKeys: [] },
  );
  // Few keywords at a time: most conjunctions of many fit nothing.
  const few = fc
    .tuple(keywords, fc.uniqueArray(fc.nat(24), { minLength: 1, maxLength: 3 }))
    .map(([all, kept]) => {
      const names = Object.keys(all);
      return Object.fromEntries(
        kept
          .flatMap((at) =>
            names[at % Math.max(1, names.length)] === undefined ? [] : [names[at % names.length]],
          )
          .map((one) => [one, all[one as keyof typeof all]]),
      );
    });
  return { schema: fc.oneof({ depthSize: 'small', withCrossShrink: true }, fc.constantFrom(true, {}), few) };
}).schema;

const document: fc.Arbitrary<Record<string, unknown>> = fc.tuple(schema, schema).map(([it, body]) => {
  const base = typeof body === 'object' && body !== null ? body : {};
  return { ...base, $defs: { it: withoutReferences(it) } };
});

/** So that no schema refers to itself without end. */
function withoutReferences(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutReferences);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) =>
      name === '$ref' ? [] : [[name, withoutReferences(inner)]],
    ),
  );
}

const leaf = fc.constantFrom<unknown>(null, true, 0, 1, 2, 3, 1.5, '', 'x', 'yy', 'zzzz');
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'dd'), tie('value'), { maxKeys: 3 }),
  ),
})).value;

const STRICT = { ignoresUnknown: false };

describe('no promise is given that does not hold', () => {
  const schemas = new JsonSchemas();
  const fits = (one: Record<string, unknown>, data: unknown): boolean =>
    schemas.mismatches(one, data).length === 0;
  /** Changes one thing, so that the two are often compatible. */
  const changed = fc
    .tuple(document, schema, fc.constantFrom('a', 'b', 'wrap', 'drop', 'other'))
    .map(([older, part, how]) => {
      const { $defs, ...body } = older;
      const [first = '', ...rest] = Object.keys(body);
      const added = typeof part === 'object' && part !== null ? part : {};
      const properties = { ...Object(older['properties']), [how]: part };
      const newer: Readonly<Record<string, Record<string, unknown>>> = {
        wrap: { $defs, anyOf: [part, body] },
        drop: {
          $defs,
          ...Object.fromEntries(rest.map((name) => [name, body[name]])),
          ...(first === '' ? added : {}),
        },
        other: { $defs, ...added },
      };
      return [older, newer[how] ?? { ...older, properties }] as const;
    });

  test('what fits the version before fits the new one, and the other way round', () => {
    let promised = 0;
    fc.assert(
      fc.property(changed, fc.array(value, { minLength: 20, maxLength: 20 }), ([older, newer], data) => {
        fc.pre(schemas.problem(older) === null && schemas.problem(newer) === null);
        if (incompatibilities(older, newer, 'backward', STRICT).length === 0) {
          promised += 1;
          expect(data.filter((one) => fits(older, one) && !fits(newer, one))).toEqual([]);
        }
        if (incompatibilities(older, newer, 'forward', STRICT).length === 0) {
          expect(data.filter((one) => fits(newer, one) && !fits(older, one))).toEqual([]);
        }
      }),
      { numRuns: 300 },
    );
    expect(promised).toBeGreaterThan(30);
  });

  test('a schema keeps every promise about itself', () => {
    fc.assert(
      fc.property(document, (one) => {
        expect(incompatibilities(one, structuredClone(one), 'full')).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
