import { nearestName } from '../config/nearest-name.ts';
import type { ApiClient } from './api-client.ts';
import { cliName } from './cli-name.ts';
import { type JsonRecord, textOf } from './json-value.ts';
import { failure, printable, usageFailure } from './output.ts';

/** What people name: these commands take a name wherever they take an id. */
export type NamedResource = 'sources' | 'destinations' | 'subscriptions' | 'keys' | 'event-types';

const PREFIXES: Readonly<Record<NamedResource, string>> = {
  sources: 'src',
  destinations: 'dst',
  subscriptions: 'sub',
  keys: 'key',
  'event-types': 'etp',
};

/** Fields that hold an id, for which a name will do too. */
const NAMED_FIELDS: Readonly<Record<string, NamedResource>> = {
  destination_id: 'destinations',
  destination: 'destinations',
  subscription: 'subscriptions',
};

export function namedField(field: string): NamedResource | null {
  return Object.hasOwn(NAMED_FIELDS, field) ? (NAMED_FIELDS[field] ?? null) : null;
}

const ID = /^([a-z]{3})_[0-9a-z]{26}$/;

const KINDS: Readonly<Record<string, string>> = {
  src: 'a source',
  dst: 'a destination',
  sub: 'a subscription',
  key: 'an API key',
  etp: 'an event type',
  evt: 'an event',
  dlv: 'a delivery',
  rpl: 'a replay',
  rej: 'a rejection',
  req: 'a request',
};

export function isNamedResource(text: string): text is NamedResource {
  return Object.hasOwn(PREFIXES, text);
}

/** The prefix of one of our ids; `null` for any other text, such as an id that a provider made. */
export function idPrefix(text: string): string | null {
  const prefix = ID.exec(text)?.[1];
  return prefix !== undefined && Object.hasOwn(KINDS, prefix) ? prefix : null;
}

/** Ids by name and names by id, looked up once for each command. */
export class NameBook {
  readonly #api: ApiClient;
  readonly #lists = new Map<NamedResource, Promise<JsonRecord[]>>();

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Throws a `CliFailure` when nothing, or more than one thing, has that name. */
  async idOf(resource: NamedResource, text: string, tenant?: string): Promise<string> {
    const prefix = idPrefix(text);
    if (prefix === PREFIXES[resource]) return text;
    const kind = KINDS[PREFIXES[resource]] ?? resource;
    if (prefix !== null) {
      throw usageFailure(`${text} is the id of ${KINDS[prefix] ?? 'something else'}, not of ${kind}`);
    }
    const items = await this.#list(resource);
    const found = items.filter(
      (item) =>
        (item['name'] === text || item['id'] === text) && (tenant === undefined || item['tenant'] === tenant),
    );
    const [only, another] = found.map((item) => textOf(item, 'id') ?? '');
    if (only !== undefined && another === undefined) return only;
    if (only !== undefined) {
      const ids = found.map((item) => `${textOf(item, 'id')} (tenant ${textOf(item, 'tenant')})`);
      throw failure(`several ${resource} are named "${text}"; give the id:`, ids);
    }
    throw failure(`there is no ${resource.slice(0, -1)} with the id or name "${text}"`, [
      ...didYouMean(text, items),
      `see what there is: ${cliName()} ${resource} list`,
    ]);
  }

  /** The name of an id, or the id itself where there is none: deleted, or not ours to see. */
  async nameOf(resource: NamedResource, id: string | null): Promise<string> {
    if (id === null) return '-';
    const items = await this.#list(resource).catch(() => []);
    const name = items.find((item) => item['id'] === id)?.['name'];
    return typeof name === 'string' ? printable(name) : id;
  }

  async find(resource: NamedResource, id: string): Promise<JsonRecord | null> {
    const items = await this.#list(resource).catch(() => []);
    return items.find((item) => item['id'] === id) ?? null;
  }

  #list(resource: NamedResource): Promise<JsonRecord[]> {
    let list = this.#lists.get(resource);
    if (list === undefined) {
      list = this.#api.list(`/v1/${resource}`);
      this.#lists.set(resource, list);
    }
    return list;
  }
}

function didYouMean(text: string, items: readonly JsonRecord[]): string[] {
  const names = items.map((item) => textOf(item, 'name') ?? '');
  const near = nearestName(text, names);
  return near === null ? [] : [`did you mean "${printable(near)}"?`];
}
