import type { z } from 'zod';
import { jsonSchema } from '../api/openapi.ts';
import type { Operation } from '../api/operation.ts';
import { isRecord, type JsonRecord, recordOf, recordsOf, textOf, textsOf } from './json-value.ts';

export type FieldKind = 'text' | 'number' | 'size' | 'time' | 'boolean' | 'list' | 'map' | 'json';

/** One field of a request as an option of a command. */
export interface Field {
  readonly place: 'query' | 'body';
  /** Names from the root of the query or body. */
  readonly path: readonly string[];
  /** `--rate-limit.limit` */
  readonly flag: string;
  readonly kind: FieldKind;
  readonly description: string;
  /** Required by the request itself; a field within an optional object is not. */
  readonly required: boolean;
  readonly nullable: boolean;
  readonly choices: readonly string[];
  /** Must not end up in the shell history: may come from a file or standard input. */
  readonly secret: boolean;
  /** Its text may lie in a file: `@file`, or `-` for standard input. */
  readonly mayBeFile: boolean;
  /** As the schema says; `undefined` when it says nothing. */
  readonly defaultsTo: unknown;
  /** Left out of the help: another option says the same. */
  readonly hidden: boolean;
}

const EXPRESSION_NAMES = new Set(['filter', 'transform', 'session_key']);
const SECRET_NAMES = new Set(['secret', 'secrets', 'token', 'password']);

/** The options of an operation: its query, then its body, objects also by their fields. */
export function fieldsOf(operation: Operation): Field[] {
  return [...schemaFields(operation.query, 'query'), ...schemaFields(operation.body, 'body')];
}

/** The options that stand for the fields of an object. */
export function schemaFields(described: z.ZodType, place: Field['place']): Field[] {
  const schema = jsonSchema(described, 'input');
  const required = textsOf(schema['required']);
  return Object.entries(recordOf(schema['properties'])).flatMap(([name, property]) =>
    withNested(place, name, recordOf(property), required.includes(name)),
  );
}

function withNested(place: Field['place'], name: string, schema: JsonRecord, required: boolean): Field[] {
  const whole = field(place, [name], schema, required);
  const dotted = Object.entries(nestedProperties(schema)).map(([inner, property]) =>
    field(place, [name, inner], recordOf(property), false),
  );
  if (!required || dotted.length === 0) return [whole, ...dotted];
  // What a request is about (the filter of a replay) is also said without its name before each field.
  const hoisted = dotted.map((one) => ({ ...one, flag: flagOf(one.path.slice(1)) }));
  return [whole, ...hoisted, ...dotted.map((one) => ({ ...one, hidden: true }))];
}

function field(place: Field['place'], path: readonly string[], schema: JsonRecord, required: boolean): Field {
  const { core, nullable } = withoutNull(schema);
  const name = path.at(-1) ?? '';
  const items = recordOf(core['items']);
  const kind = kindOf(core);
  return {
    place,
    path,
    flag: flagOf(path),
    kind,
    description: textOf(schema, 'description') ?? textOf(core, 'description') ?? '',
    required,
    nullable,
    choices: [...choicesOf(core), ...choicesOf(items)],
    secret: SECRET_NAMES.has(name),
    mayBeFile: SECRET_NAMES.has(name) || EXPRESSION_NAMES.has(name) || kind === 'json' || kind === 'map',
    defaultsTo: core['default'],
    hidden: false,
  };
}

function flagOf(path: readonly string[]): string {
  return `--${path.map((name) => name.replaceAll('_', '-')).join('.')}`;
}

function kindOf(schema: JsonRecord): FieldKind {
  switch (schema['type']) {
    case 'string':
      return schema['format'] === 'date-time' ? 'time' : 'text';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'array':
      return recordOf(schema['items'])['type'] === 'string' ? 'list' : 'json';
    case 'object':
      return isRecord(schema['properties']) ? 'json' : 'map';
    default:
      return isSize(schema) ? 'size' : 'json';
  }
}

/** A number, or text such as `64KiB`. */
function isSize(schema: JsonRecord): boolean {
  const types = recordsOf(schema['anyOf']).map((one) => one['type']);
  return types.length === 2 && types.includes('string') && types.includes('integer');
}

function choicesOf(schema: JsonRecord): string[] {
  return 'const' in schema ? textsOf([schema['const']]) : textsOf(schema['enum']);
}

function withoutNull(schema: JsonRecord): { readonly core: JsonRecord; readonly nullable: boolean } {
  const options = recordsOf(schema['anyOf']);
  const rest = options.filter((option) => option['type'] !== 'null');
  if (rest.length === options.length) return { core: schema, nullable: false };
  return { core: rest.length === 1 ? recordOf(rest[0]) : { ...schema, anyOf: rest }, nullable: true };
}

/** The fields of an object, of all its variants where it has several. */
function nestedProperties(schema: JsonRecord): JsonRecord {
  const { core } = withoutNull(schema);
  const variants = [...recordsOf(core['oneOf']), core];
  const merged: Record<string, unknown> = {};
  for (const variant of variants) {
    for (const [name, property] of Object.entries(recordOf(variant['properties']))) {
      const before = recordOf(merged[name]);
      const choices = [...choicesOf(before), ...choicesOf(recordOf(property))];
      merged[name] = choices.length > 0 ? { type: 'string', enum: choices } : property;
      const description = textOf(property, 'description');
      if (choices.length > 0 && description !== null)
        merged[name] = { ...recordOf(merged[name]), description };
    }
  }
  return merged;
}

/** The option that a JSON pointer of a refused request is about. */
export function optionAt(fields: readonly Field[], pointer: string): string | null {
  let best: Field | null = null;
  for (const one of fields) {
    const own = `${one.place === 'query' ? '/query' : ''}/${one.path.join('/')}`;
    if (pointer !== own && !pointer.startsWith(`${own}/`)) continue;
    // Of two for the same field the visible one comes first.
    if (best === null || one.path.length > best.path.length) best = one;
  }
  return best?.flag ?? null;
}
