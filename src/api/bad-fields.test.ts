import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type ApiBench, startedApi } from '../../test/support/api-bench.ts';
import { rejection } from '../../test/support/gateway-bench.ts';
import { Problem } from '../domain/problem.ts';
import { CATALOGUE } from './catalogue.ts';
import { invoke } from './invoke.ts';
import { jsonSchema } from './openapi.ts';
import type { Operation } from './operation.ts';

type Schema = Readonly<Record<string, unknown>>;
type Part = 'body' | 'query';

interface Field {
  readonly operation: Operation;
  readonly part: Part;
  readonly path: readonly string[];
  readonly schema: Schema;
  readonly beside: Schema;
}

function schemasOf(schema: Schema): Schema[] {
  const inner = ['anyOf', 'oneOf', 'allOf'].flatMap((word) => (schema[word] as Schema[] | undefined) ?? []);
  return [schema, ...inner.flatMap((one) => schemasOf(one))];
}

/** Its properties, each with those beside it that say which form the object is of. */
function propertiesOf(schema: Schema): [name: string, schema: Schema, beside: Schema][] {
  return schemasOf(schema).flatMap((one) => {
    const properties = Object.entries((one['properties'] ?? {}) as Record<string, Schema>);
    const constants = properties.flatMap(([name, inner]) =>
      inner['const'] === undefined ? [] : [[name, inner['const']] as const],
    );
    return properties.map(([name, inner]): [string, Schema, Schema] => [
      name,
      inner,
      Object.fromEntries(constants.filter(([other]) => other !== name)),
    ]);
  });
}

/** Every field of a schema, those within fields too. */
function fieldsOf(operation: Operation, part: Part): Field[] {
  if (!(operation[part] instanceof z.ZodType)) return [];
  const walk = (schema: Schema, path: readonly string[]): Field[] =>
    propertiesOf(schema).flatMap(([name, inner, beside]) => [
      { operation, part, path: [...path, name], schema: inner, beside },
      ...walk(inner, [...path, name]),
    ]);
  return walk(jsonSchema(operation[part], 'input'), []);
}

const FIELDS = CATALOGUE.flatMap((operation) => [
  ...fieldsOf(operation, 'query'),
  ...fieldsOf(operation, 'body'),
]);

/** JSON types that a field takes; none named = any. */
function typesOf(schema: Schema): Set<string> {
  return new Set(
    schemasOf(schema).flatMap((one) => {
      if (one['const'] !== undefined) return [typeof one['const']];
      if (Array.isArray(one['enum'])) return one['enum'].map((value) => typeof value);
      const { type } = one as { type?: string | string[] };
      return type === undefined ? [] : [type].flat();
    }),
  );
}

const OF_TYPE: Readonly<Record<string, unknown>> = {
  string: 'x',
  number: 1.5,
  integer: 1,
  boolean: true,
  array: [{ wrong: true }],
  object: { no_such_field: 1 },
  null: null,
};

/** Values of every type that the field does not take, and some that are of the type and out of range. */
function wrongValues({ part, schema }: Field): unknown[] {
  const types = typesOf(schema);
  if (types.size === 0) return [];
  if (types.has('number')) types.add('integer');
  // In a URL everything is text, or several of it.
  const names = part === 'query' ? ['object'] : Object.keys(OF_TYPE);
  const wrong = names.filter((type) => !types.has(type)).map((type) => OF_TYPE[type]);
  const texts = schemasOf(schema).filter((one) => one['type'] === 'string' && one['maxLength'] !== undefined);
  const numbers = schemasOf(schema).filter((one) => one['maximum'] !== undefined);
  return [
    ...wrong,
    ...texts.map((one) => 'x'.repeat(Number(one['maxLength']) + 1)),
    ...numbers.map((one) => Number(one['maximum']) + 1),
    ...schemasOf(schema).flatMap((one) => (Array.isArray(one['enum']) ? ['no-such-choice'] : [])),
  ];
}

function nested(field: Field, value: unknown, at = 0): Record<string, unknown> {
  const { path, beside } = field;
  const name = path[at] ?? '';
  return at === path.length - 1 ? { ...beside, [name]: value } : { [name]: nested(field, value, at + 1) };
}

let api: ApiBench;

beforeAll(async () => {
  api = await startedApi();
});

async function refusal(operation: Operation, part: Part, value: unknown): Promise<Problem> {
  const params = Object.fromEntries(
    Array.from(operation.path.matchAll(/\{(\w+)\}/g), ([, name = '']) => [name, name === 'id' ? 'x' : '0']),
  );
  const input = { params, query: {}, body: {}, [part]: value };
  const error = await rejection(invoke(operation, api.context(), input));
  if (error instanceof Problem) return error;
  throw new Error(`${operation.name} failed on ${JSON.stringify(value)}: ${String(error)}`);
}

describe('a field with a wrong value is 422 with a pointer to it', () => {
  test.each(
    FIELDS.map((field) => [`${field.operation.name} ${field.part} ${field.path.join('.')}`, field] as const),
  )('%s', async (_, field) => {
    const base = `${field.part === 'query' ? '/query' : ''}/${field.path.join('/')}`;
    for (const value of wrongValues(field)) {
      const problem = await refusal(field.operation, field.part, nested(field, value));
      expect([problem.status, problem.code], JSON.stringify(value)).toEqual([422, 'validation_failed']);
      const pointers = problem.errors.map(({ pointer }) => pointer);
      // A field inside of one that may be of several forms is told at the form.
      const told = pointers.some((pointer) => pointer.startsWith(base) || base.startsWith(`${pointer}/`));
      expect(told, `${JSON.stringify(value)} gave ${JSON.stringify(problem.errors)}`).toBe(true);
    }
  });
});

describe('a field that there is not is 422 with a pointer to it', () => {
  test.each(CATALOGUE.map((operation) => [operation.name, operation] as const))(
    '%s',
    async (_, operation) => {
      for (const part of ['query', 'body'] as const) {
        const problem = await refusal(operation, part, { no_such_field: 1 });
        expect(problem.status).toBe(422);
        const pointers = problem.errors.map(({ pointer }) => pointer);
        expect(pointers).toContain(part === 'query' ? '/query/no_such_field' : '/no_such_field');
      }
    },
  );
});

test('every operation that takes anything is looked at', () => {
  expect(FIELDS.length).toBeGreaterThan(150);
});
