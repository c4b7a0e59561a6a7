import { type JsonRecord, recordOf, recordsOf, textOf, textsOf } from '../json-value.ts';
import type { FieldChange } from './field-changes.ts';
import type { Kind } from './setting-kinds.ts';

/** What is done about the secrets of a setting that exists. */
export interface SecretChanges {
  readonly changes: readonly FieldChange[];
  /** Credentials to be sent with the other fields. */
  readonly fields: JsonRecord;
  /** Secrets to be added to what is held. */
  readonly added: readonly string[];
  /** Whether there are secrets that were left alone unseen. */
  readonly isUncompared: boolean;
}

const NONE: SecretChanges = { changes: [], fields: {}, added: [], isUncompared: false };

/** Secrets never come back, so they are set where there are none, or anew when that is asked for. */
export function secretChanges(
  kind: Kind,
  wanted: JsonRecord,
  present: JsonRecord,
  rotate: boolean,
): SecretChanges {
  if (kind === 'sources') return heldSecrets('secrets', wanted['secrets'], present['secrets'], rotate);
  if (kind !== 'destinations') return NONE;
  const { scheme, secret } = recordOf(wanted['signing']);
  const given = scheme === 'none' ? [] : [secret];
  const signing = heldSecrets('signing.secret', given, recordOf(present['signing'])['secrets'], rotate);
  const auth = authChanges(wanted['auth'], present['auth'], rotate);
  return {
    changes: [...signing.changes, ...auth.changes],
    fields: auth.fields,
    added: signing.added,
    isUncompared: signing.isUncompared || auth.isUncompared,
  };
}

function heldSecrets(field: string, wanted: unknown, held: unknown, rotate: boolean): SecretChanges {
  const added = textsOf(wanted);
  if (added.length === 0) return NONE;
  const count = recordsOf(held).length;
  if (count > 0 && !rotate) return { ...NONE, isUncompared: true };
  return { ...NONE, added, changes: [{ field, from: `${count} held`, to: `${added.length} added` }] };
}

function authChanges(wanted: unknown, present: unknown, rotate: boolean): SecretChanges {
  if (wanted === undefined) return NONE;
  const [from, to] = [textOf(present, 'type') ?? 'none', textOf(wanted, 'type') ?? 'none'];
  if (from === to && to === 'none') return NONE;
  if (from === to && !rotate) return { ...NONE, isUncompared: true };
  const change = { field: 'auth', from, to: from === to ? `${to}, sent anew` : to };
  return { ...NONE, changes: [change], fields: { auth: wanted } };
}
