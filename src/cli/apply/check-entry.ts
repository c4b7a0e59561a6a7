import type { z } from 'zod';
import { nearestName } from '../../config/nearest-name.ts';
import { isRecord, type JsonRecord } from '../json-value.ts';
import { hasReference, type ReferenceSources, resolveReferences } from './references.ts';
import { createBody, fieldDescription, fieldNames, isSecretField, type Kind } from './setting-kinds.ts';

type FieldPath = readonly (string | number)[];

interface Point {
  readonly path: FieldPath;
  readonly message: string;
}

export interface CheckedEntry {
  readonly fields: JsonRecord;
  readonly mistakes: readonly Point[];
  readonly warnings: readonly Point[];
  readonly missingSecrets: readonly Point[];
}

/** Checks one entry by the schema of the API's own body, so that the file and the API never differ. */
export function checkEntry(
  kind: Kind,
  name: string,
  entry: JsonRecord,
  sources: ReferenceSources,
): CheckedEntry {
  const resolved = resolveReferences(entry, sources);
  const fields: JsonRecord = { ...(isRecord(resolved.value) ? resolved.value : {}), name };
  const isMissing = ({ path }: Point): boolean => resolved.missing.some((one) => isSame(one.path, path));
  // Whatever the schema says of the text of a reference without a value is beside the point.
  const wrong = schemaMistakes(kind, fields).filter((point) => !isMissing(point));
  return {
    fields,
    mistakes: [...wrong, ...resolved.missing.filter(({ path }) => !isSecretField(kind, path))],
    warnings: literalSecrets(kind, entry, []),
    missingSecrets: resolved.missing.filter(({ path }) => isSecretField(kind, path)),
  };
}

function isSame(left: FieldPath, right: FieldPath): boolean {
  return left.length === right.length && left.every((part, index) => part === right[index]);
}

/** As the API takes it: there a subscription has `destination_id`. */
export function apiBody(kind: Kind, fields: JsonRecord): JsonRecord {
  if (kind !== 'subscriptions') return fields;
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [apiField(field), value]));
}

// An id is no field of the file: under its own name it must be unknown there.
function apiField(field: string): string {
  if (field === 'destination') return 'destination_id';
  return field === 'destination_id' ? 'destination_id (of the API)' : field;
}

function schemaMistakes(kind: Kind, fields: JsonRecord): Point[] {
  const parsed = createBody(kind).safeParse(apiBody(kind, fields));
  if (parsed.success) return [];
  return parsed.error.issues.flatMap((issue) => {
    const path = issue.path.map((part) => fileField(kind, part));
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => unknownField(kind, path, key.replace(' (of the API)', '')));
    }
    return [{ path, message: messageOf(kind, fields, path, issue) }];
  });
}

function fileField(kind: Kind, part: PropertyKey): string | number {
  if (kind === 'subscriptions' && part === 'destination_id') return 'destination';
  return typeof part === 'number' ? part : String(part);
}

function unknownField(kind: Kind, path: FieldPath, field: string): Point {
  const known = fieldNames(kind, path);
  const near = field === 'destination_id' ? 'destination' : nearestName(field, known);
  const hint = near === null ? `known are ${known.join(', ')}` : `did you mean "${near}"?`;
  return { path: [...path, field], message: `is not a field here; ${hint}` };
}

function messageOf(kind: Kind, fields: JsonRecord, path: FieldPath, issue: z.core.$ZodIssue): string {
  if (valueAt(fields, path) === undefined) return 'is required';
  if (issue.message !== 'Invalid input') return issue.message.replace(/^Invalid input: /, '');
  const description = fieldDescription(kind, path);
  return description === null ? 'cannot be used' : `must be ${description}`;
}

/** What stands at a path of a value; `undefined` = nothing does. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  let inner = value;
  for (const part of path) {
    if (Array.isArray(inner) && typeof part === 'number') inner = inner[part];
    else inner = isRecord(inner) ? inner[part] : undefined;
  }
  return inner;
}

const SECRET_HEADER = /^(proxy-)?authorization$|api-?key|token|secret|password/i;

/** Never given back, and no secrets all the same. */
const PUBLIC: ReadonlySet<string> = new Set(['username', 'client_cert']);

/** Secrets that stand in the file itself, where everyone who reads the repository reads them. */
function literalSecrets(kind: Kind, value: unknown, path: FieldPath): Point[] {
  if (typeof value === 'string') {
    const isHeader = kind === 'destinations' && path[0] === 'headers' && SECRET_HEADER.test(String(path[1]));
    const isSecret = isHeader || (isSecretField(kind, path) && !PUBLIC.has(String(path.at(-1))));
    if (!isSecret || hasReference(value)) return [];
    return [{ path, message: 'is a secret in the file itself; write ${env:NAME} or ${file:PATH}' }];
  }
  if (!Array.isArray(value) && !isRecord(value)) return [];
  return Object.entries(value).flatMap(([field, inner]) =>
    literalSecrets(kind, inner, [...path, Array.isArray(value) ? Number(field) : field]),
  );
}
