import { z } from 'zod';
import { CATALOGUE } from '../../api/catalogue.ts';
import { jsonSchema } from '../../api/openapi.ts';
import { isRecord, type JsonRecord, recordOf } from '../json-value.ts';

/** What a settings file holds, in the order in which it is made: the later ones name the earlier. */
export const KINDS = ['event_types', 'destinations', 'sources', 'subscriptions'] as const;

export type Kind = (typeof KINDS)[number];

/** As the audit log and JSON say it: `event_type`. */
export function singular(kind: Kind): string {
  return kind.slice(0, -1);
}

/** As people say it: `event type`. */
export function spoken(kind: Kind): string {
  return singular(kind).replace('_', ' ');
}

/** Under which the API has the settings of a kind. */
export function apiPath(kind: Kind): string {
  return `/v1/${kind.replace('_', '-')}`;
}

/** Fields that the server never gives back: they are sent, and cannot be compared. */
const SECRET_FIELDS: Readonly<Record<Kind, readonly RegExp[]>> = {
  sources: [/^secrets\.\d+$/],
  destinations: [
    /^signing\.secret$/,
    /^auth\.(token|username|password|client_secret)$/,
    /^tls\.client_(cert|key)$/,
  ],
  subscriptions: [],
  event_types: [],
};

export function isSecretField(kind: Kind, path: readonly (string | number)[]): boolean {
  return SECRET_FIELDS[kind].some((pattern) => pattern.test(path.join('.')));
}

/** Compared by a rule of their own, or not at all. */
const APART: ReadonlySet<string> = new Set(['name', 'tenant', 'secrets', 'signing', 'auth', 'tls']);

/** The body that creates one, as the API takes it. */
export function createBody(kind: Kind): z.ZodType {
  const operation = CATALOGUE.find(({ name }) => name === `${kind.replace('_', '-')}.create`);
  if (operation === undefined) throw new Error(`the catalogue has no ${kind}.create`);
  return operation.body;
}

const DESTINATION = {
  type: 'string',
  minLength: 1,
  description: 'name of the destination that the events go to',
};
const entrySchemas = new Map<Kind, JsonRecord>();

/** JSON Schema of one entry of the file: the API's create body, with names where that has ids. */
export function entrySchema(kind: Kind): JsonRecord {
  const known = entrySchemas.get(kind);
  if (known !== undefined) return known;
  const described = jsonSchema(createBody(kind), 'input');
  const properties: Record<string, unknown> = {};
  for (const [field, schema] of Object.entries(recordOf(described['properties']))) {
    if (field === 'destination_id') properties['destination'] = DESTINATION;
    else properties[field] = schema;
  }
  const required = Array.isArray(described['required']) ? described['required'] : [];
  const schema = {
    ...described,
    properties,
    required: required.map((field) => (field === 'destination_id' ? 'destination' : String(field))),
  };
  entrySchemas.set(kind, schema);
  return schema;
}

/** The names that may stand at a place of an entry, those of every alternative together. */
export function fieldNames(kind: Kind, path: readonly PropertyKey[]): string[] {
  return Object.keys(schemaAt(entrySchema(kind), path).properties);
}

/** What the API says of a field. */
export function fieldDescription(kind: Kind, path: readonly PropertyKey[]): string | null {
  return schemaAt(entrySchema(kind), path).description;
}

function schemaAt(
  root: JsonRecord,
  path: readonly PropertyKey[],
): { readonly properties: JsonRecord; readonly description: string | null } {
  let schemas = alternatives(root);
  for (const part of path) {
    schemas = schemas
      .flatMap((schema) =>
        typeof part === 'number' ? [schema['items']] : [recordOf(schema['properties'])[String(part)]],
      )
      .flatMap((schema) => (isRecord(schema) ? alternatives(schema) : []));
  }
  const properties = Object.assign({}, ...schemas.map((schema) => recordOf(schema['properties'])));
  const description = schemas.map((schema) => schema['description']).find((text) => typeof text === 'string');
  return { properties: recordOf(properties), description: description ?? null };
}

function alternatives(schema: JsonRecord): JsonRecord[] {
  const inner = [schema['anyOf'], schema['oneOf']].flatMap((list) => (Array.isArray(list) ? list : []));
  return [schema, ...inner.flatMap((one) => (isRecord(one) ? alternatives(one) : []))];
}

/** A field's value as the server keeps it, so that `60s` and `1m` are the same. */
export type NormalFields = ReadonlyMap<string, unknown>;

/** Lists in which the order means nothing. */
const SETS: ReadonlySet<string> = new Set(['sources', 'types', 'allowed_ips', 'content_types']);

/**
 * The fields that can be compared, each as the server keeps it: what the file says and what the server
 * answers go through the same schema, so that no spelling of a duration or a size is a difference.
 */
export function normalFields(kind: Kind, body: JsonRecord): NormalFields {
  const schema = createBody(kind);
  const shape: Readonly<Record<string, unknown>> = schema instanceof z.ZodObject ? schema.shape : {};
  const normal = new Map<string, unknown>();
  for (const [field, value] of Object.entries(body)) {
    const inner = shape[field];
    if (APART.has(field) || !(inner instanceof z.ZodType)) continue;
    const parsed = inner.safeParse(field === 'retry' ? withoutEmptySchedule(value) : value);
    normal.set(field, normalValue(field, parsed.success ? parsed.data : value));
  }
  return normal;
}

// A policy of one attempt has no waits; the API shows them as an empty list, which it would not take.
function withoutEmptySchedule(retry: unknown): unknown {
  if (!isRecord(retry) || !Array.isArray(retry['schedule']) || retry['schedule'].length > 0) return retry;
  const { schedule: _empty, ...rest } = retry;
  return rest;
}

function normalValue(field: string, value: unknown): unknown {
  if (SETS.has(field) && Array.isArray(value)) return [...new Set(value.map(String))].toSorted();
  if (field === 'provider' && value === 'standard-webhooks') return 'standardwebhooks';
  if (field === 'retry' && isRecord(value)) return normalRetry(value);
  if (field === 'versions' && Array.isArray(value)) return normalVersions(value);
  return value;
}

/** Versions with the numbers that they get, and without what says nothing. */
function normalVersions(versions: readonly unknown[]): unknown[] {
  let number = 0;
  return versions.map((version) => {
    const fields = recordOf(version);
    number = typeof fields['version'] === 'number' ? fields['version'] : number + 1;
    const said = Object.entries(fields).filter(([, value]) => !isBlank(value));
    return { ...Object.fromEntries(said), version: number };
  });
}

function isBlank(value: unknown): boolean {
  return (
    value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
  );
}

/** The waits that count: a schedule is cut after the last attempt, and its last wait is repeated. */
function normalRetry(retry: JsonRecord): JsonRecord {
  const attempts = Number(retry['maxAttempts']);
  const schedule = Array.isArray(retry['scheduleMs']) ? retry['scheduleMs'].map(Number) : [];
  const waits = Array.from({ length: attempts - 1 }, (_, index) =>
    Math.round(schedule[index] ?? schedule.at(-1) ?? 0),
  );
  return { ...retry, scheduleMs: waits };
}
