import { isDeepStrictEqual } from 'node:util';
import { formatSize } from '../../domain/units.ts';
import { isRecord, type JsonRecord } from '../json-value.ts';
import { hasReference } from './references.ts';
import { apiBody } from './check-entry.ts';
import { type Kind, normalFields } from './setting-kinds.ts';

/** One difference, as it is shown. */
export interface FieldChange {
  /** `dedupe.window` */
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** Never sent to what exists: they say what it is, or how it begins. */
const NOT_SENT: ReadonlySet<string> = new Set(['provider', 'kind', 'await_secret']);

/**
 * The differences between what the file says and what is there, and the fields to send for them.
 *
 * Fields that the file does not name are left as they are. `written` is shown where a reference stands in
 * it, since what it stands for may be a secret.
 */
export function changesBetween(
  kind: Kind,
  wanted: JsonRecord,
  written: JsonRecord,
  present: JsonRecord,
): { readonly changes: FieldChange[]; readonly fields: JsonRecord } {
  const wantedNormal = normalFields(kind, apiBody(kind, wanted));
  const presentNormal = normalFields(kind, apiBody(kind, presentFields(present)));
  const changes: FieldChange[] = [];
  const fields: Record<string, unknown> = {};
  for (const [apiField, normal] of wantedNormal) {
    const field = apiField === 'destination_id' ? 'destination' : apiField;
    const before = presentNormal.get(apiField);
    if (NOT_SENT.has(field) || isSame(field, normal, before)) continue;
    fields[field] = wanted[field];
    changes.push(...shownChanges(field, present[field], wanted[field], written[field]));
  }
  return { changes, fields };
}

function presentFields(present: JsonRecord): JsonRecord {
  const { destination_id: _id, ...fields } = present;
  return fields;
}

function isSame(field: string, wanted: unknown, present: unknown): boolean {
  // The one field whose parts are merged by the server: those that are not named stay.
  if (field === 'dedupe' && isRecord(wanted) && isRecord(present)) {
    return Object.entries(wanted).every(([part, value]) => isDeepStrictEqual(value, present[part]));
  }
  return isDeepStrictEqual(wanted, present);
}

/** Maps that are told key by key. */
const MAPS: ReadonlySet<string> = new Set(['headers', 'config', 'dedupe', 'verification']);

function shownChanges(field: string, from: unknown, to: unknown, written: unknown): FieldChange[] {
  if (MAPS.has(field) && isRecord(from) && isRecord(to)) {
    const writtenMap = isRecord(written) ? written : {};
    const parts = new Set([...(field === 'dedupe' ? [] : Object.keys(from)), ...Object.keys(to)]);
    return [...parts]
      .filter((part) => !isDeepStrictEqual(from[part], to[part]))
      .map((part) => shown(`${field}.${part}`, from[part], to[part], writtenMap[part]));
  }
  return [shown(field, from, to, written)];
}

function shown(field: string, from: unknown, to: unknown, written: unknown): FieldChange {
  if (holdsReference(written)) return { field, from: '(not shown)', to: written };
  const size = field === 'max_body_bytes' && typeof from === 'number' && typeof to === 'string';
  return { field, from: size ? formatSize(from) : (from ?? null), to: to ?? null };
}

function holdsReference(value: unknown): boolean {
  if (typeof value === 'string') return hasReference(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsReference);
}
