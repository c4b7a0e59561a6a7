import { isDeepStrictEqual } from 'node:util';
import { formatSize } from '../../domain/units.ts';
import { isRecord, type JsonRecord, recordOf, recordsOf, textOf, textsOf } from '../json-value.ts';
import { namesById, type PresentSettings } from './present-settings.ts';
import { escapeReferences } from './references.ts';
import { variableName } from './secrets-file.ts';
import { entrySchema, type Kind, KINDS, normalFields, spoken } from './setting-kinds.ts';
import { FILE_VERSION } from './settings-file.ts';

export interface Exported {
  readonly file: JsonRecord;
  /** Variables that the file refers to. */
  readonly variables: readonly string[];
  /** What the file cannot say. */
  readonly notes: readonly string[];
}

/** A settings file of what is there: applied to the same server it changes nothing. */
export function exportSettings(present: PresentSettings, tenant: string | null): Exported {
  const exporter = new Exporter(present);
  const sections = KINDS.map((kind) => [kind, exporter.section(kind)] as const);
  return {
    file: {
      version: FILE_VERSION,
      ...(tenant === null ? {} : { tenant }),
      ...Object.fromEntries(sections),
    },
    variables: exporter.variables,
    notes: exporter.notes,
  };
}

/** What something new has anyway, on every server. Other defaults are settings of the server, and are told. */
const DEFAULTS: JsonRecord = {
  kind: 'webhook',
  enabled: true,
  on_invalid: 'reject',
  ordering: 'none',
  delay: '0s',
  on_client_error: 'retry',
  compatibility: 'backward',
  use_catalogue: false,
};

const DEFAULT_RETRY = normalFields('subscriptions', { retry: {} }).get('retry');

class Exporter {
  readonly variables: string[] = [];
  readonly notes: string[] = [];
  readonly #present: PresentSettings;
  readonly #sourceNames: ReadonlyMap<string, string>;
  readonly #destinationNames: ReadonlyMap<string, string>;

  constructor(present: PresentSettings) {
    this.#present = present;
    this.#sourceNames = namesById(present.byKind.sources);
    this.#destinationNames = namesById(present.byKind.destinations);
  }

  section(kind: Kind): JsonRecord {
    const items = this.#present.byKind[kind].toSorted((left, right) =>
      String(left['name']).localeCompare(String(right['name']), 'en'),
    );
    const section: Record<string, unknown> = {};
    for (const item of items) section[textOf(item, 'name') ?? ''] = this.#entry(kind, item);
    return section;
  }

  #entry(kind: Kind, item: JsonRecord): JsonRecord {
    const state = textOf(item, 'state');
    if (state !== null && state !== 'enabled') {
      this.notes.push(`${spoken(kind)} "${textOf(item, 'name')}" is ${state}, which the file does not say`);
    }
    const entry: Record<string, unknown> = {};
    for (const field of Object.keys(recordOf(entrySchema(kind)['properties']))) {
      if (field === 'name' || field === 'tenant') continue;
      const value = this.#value(kind, item, field);
      if (value !== undefined) entry[field] = value;
    }
    return entry;
  }

  /** `undefined` = not to be written. */
  #value(kind: Kind, item: JsonRecord, field: string): unknown {
    const name = textOf(item, 'name') ?? '';
    const value = item[field];
    if (field === 'secrets') return this.#secrets(name, value);
    if (field === 'auth') return this.#auth(name, value);
    if (field === 'tls') return this.#tls(name, value);
    if (field === 'signing') return signing(value);
    if (field === 'await_secret') return awaitSecret(item);
    if (field === 'destination') {
      const id = textOf(item, 'destination_id') ?? '';
      return escaped(this.#destinationNames.get(id) ?? id);
    }
    if (field === 'sources' && kind === 'subscriptions') return this.#sources(name, value);
    return plainValue(field, value);
  }

  #secrets(name: string, held: unknown): string[] | undefined {
    const valid = recordsOf(held).filter((secret) => {
      const expiresAt = textOf(secret, 'expires_at');
      return expiresAt === null || Date.parse(expiresAt) > Date.now();
    });
    return valid.length === 0 ? undefined : valid.map(() => this.#variable(name, 'SECRET'));
  }

  #auth(name: string, auth: unknown): JsonRecord | undefined {
    const type = textOf(auth, 'type');
    if (type === null) return undefined;
    if (type === 'bearer') return { type, token: this.#variable(name, 'TOKEN') };
    if (type === 'oauth2') {
      const shown = Object.entries(recordOf(auth)).filter(([, value]) => value !== null);
      return {
        ...recordOf(escaped(Object.fromEntries(shown))),
        client_secret: this.#variable(name, 'CLIENT_SECRET'),
      };
    }
    return { type, username: this.#variable(name, 'USERNAME'), password: this.#variable(name, 'PASSWORD') };
  }

  #tls(name: string, tls: unknown): JsonRecord | undefined {
    if (!isRecord(tls)) return undefined;
    const ca = typeof tls['ca'] === 'string' ? { ca: tls['ca'] } : {};
    if (!isRecord(tls['client_cert'])) return ca;
    const cert = this.#variable(name, 'CLIENT_CERT');
    return { client_cert: cert, client_key: this.#variable(name, 'CLIENT_KEY'), ...ca };
  }

  #variable(name: string, suffix: string): string {
    const wanted = variableName(name, suffix);
    let variable = wanted;
    for (let count = 2; this.variables.includes(variable); count += 1) variable = `${wanted}_${count}`;
    this.variables.push(variable);
    return `\${env:${variable}}`;
  }

  #sources(name: string, ids: unknown): string[] | undefined {
    const all = textsOf(ids);
    const known = all.flatMap((id) => this.#sourceNames.get(id) ?? []);
    if (all.length === 0) return undefined;
    if (known.length > 0) return known.map(escapeReferences);
    // An empty list would be every source: worse than a name that nothing has.
    this.notes.push(`subscription "${name}" takes events of deleted sources alone: delete it or change it`);
    return all;
  }
}

/** What needs no look at anything else. */
function plainValue(field: string, value: unknown): unknown {
  if (field === 'retry') return retry(value);
  if (field === 'versions') return escaped(recordsOf(value).map(withoutBlanks));
  if (field === 'max_body_bytes') return typeof value === 'number' ? formatSize(value) : value;
  if (field === 'dedupe' && isRecord(value) && value['key'] === null) return { window: value['window'] };
  return isBlank(value) || DEFAULTS[field] === value ? undefined : escaped(value);
}

/** Said of a source that waits until a secret comes; a wait with an end is one of that server. */
function awaitSecret(source: JsonRecord): true | undefined {
  return source['awaits_secret'] === true && source['awaits_secret_until'] === null ? true : undefined;
}

/** The secret is left out: a new destination makes its own, unless the file is given the old one. */
function signing(value: unknown): JsonRecord | undefined {
  const scheme = textOf(value, 'scheme');
  return scheme === null || scheme === 'standard' ? undefined : { scheme };
}

function retry(value: unknown): unknown {
  if (isDeepStrictEqual(normalFields('subscriptions', { retry: value }).get('retry'), DEFAULT_RETRY)) {
    return undefined;
  }
  const { schedule, ...rest } = recordOf(value);
  return Array.isArray(schedule) && schedule.length > 0 ? { ...rest, schedule } : rest;
}

function withoutBlanks(fields: JsonRecord): JsonRecord {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isBlank(value)));
}

function isBlank(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function escaped(value: unknown): unknown {
  if (typeof value === 'string') return escapeReferences(value);
  if (Array.isArray(value)) return value.map(escaped);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, escaped(inner)]));
}
