import { X509Certificate } from 'node:crypto';
import { type JsonRecord, recordOf, recordsOf, textOf, textsOf } from '../json-value.ts';
import type { FieldChange } from './field-changes.ts';
import { hasReference } from './references.ts';
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
  const tls = tlsChanges(wanted['tls'], present['tls'], rotate);
  return {
    changes: [...signing.changes, ...auth.changes, ...tls.changes],
    fields: { ...auth.fields, ...tls.fields },
    added: signing.added,
    isUncompared: signing.isUncompared || auth.isUncompared || tls.isUncompared,
  };
}

function heldSecrets(field: string, wanted: unknown, held: unknown, rotate: boolean): SecretChanges {
  const added = textsOf(wanted);
  if (added.length === 0) return NONE;
  const count = recordsOf(held).length;
  if (count > 0 && !rotate) return { ...NONE, isUncompared: true };
  return { ...NONE, added, changes: [{ field, from: `${count} held`, to: `${added.length} added` }] };
}

/** Fields of credentials that the server gives back. */
const SHOWN_AUTH = ['type', 'token_url', 'client_id', 'scope', 'audience'] as const;

function authChanges(wanted: unknown, present: unknown, rotate: boolean): SecretChanges {
  const shown = SHOWN_AUTH.map((part) => [part, textOf(present, part), textOf(wanted, part)] as const);
  return credentials('auth', wanted, shown, rotate);
}

function tlsChanges(wanted: unknown, present: unknown, rotate: boolean): SecretChanges {
  const shown: Shown[] = [['ca', textOf(present, 'ca'), textOf(wanted, 'ca')]];
  const pem = textOf(wanted, 'client_cert');
  const before = textOf(recordOf(present)['client_cert'], 'fingerprint_sha256');
  // A reference without a value here cannot be compared.
  if (pem === null || !hasReference(pem))
    shown.push(['client_cert', before, pem === null ? null : fingerprint(pem)]);
  return credentials('tls', wanted, shown, rotate);
}

type Shown = readonly [part: string, from: string | null, to: string | null];

/** Sent whole when a part that can be seen differs, since the server replaces them whole. */
function credentials(
  field: string,
  wanted: unknown,
  shown: readonly Shown[],
  rotate: boolean,
): SecretChanges {
  if (wanted === undefined) return NONE;
  const fields = { [field]: wanted };
  const changes = shown
    .filter(([, from, to]) => from !== to)
    .map(([part, from, to]) => ({ field: `${field}.${part}`, from, to }));
  if (changes.length > 0) return { ...NONE, changes, fields };
  if (wanted === null) return NONE;
  if (!rotate) return { ...NONE, isUncompared: true };
  return { ...NONE, fields, changes: [{ field, from: 'held', to: 'sent anew' }] };
}

/** The text itself where it is no certificate: the server says what is wrong with it. */
function fingerprint(pem: string): string {
  try {
    return new X509Certificate(pem).fingerprint256;
  } catch {
    return 'not a certificate';
  }
}
