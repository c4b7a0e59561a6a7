import type { ApiClient } from '../api-client.ts';
import { type JsonRecord, textOf } from '../json-value.ts';
import { failure } from '../output.ts';
import { apiPath, type Kind, KINDS } from './setting-kinds.ts';

/** What the server has for one tenant. */
export interface PresentSettings {
  readonly tenant: string;
  readonly byKind: Readonly<Record<Kind, readonly JsonRecord[]>>;
}

const DEFAULT_TENANT = 'default';

/**
 * Everything that the server has for a tenant; `null` = the one that the key makes things for.
 *
 * A key that is bound to a tenant is answered with its own whatever it asks for: that is how the tenant of
 * the key is found, and how a file for another tenant is refused.
 */
export async function loadPresent(api: ApiClient, tenant: string | null): Promise<PresentSettings> {
  const asked = tenant ?? DEFAULT_TENANT;
  const lists = await Promise.all(KINDS.map((kind) => api.list(apiPath(kind), { tenant: asked })));
  const [eventTypes = [], destinations = [], sources = [], subscriptions = []] = lists;
  const found = lists.flat().map((item) => textOf(item, 'tenant') ?? asked);
  const actual = found.find((one) => one !== asked) ?? asked;
  if (tenant !== null && actual !== tenant) {
    throw failure(`the API key is bound to tenant "${actual}"; the file is for tenant "${tenant}"`);
  }
  return { tenant: actual, byKind: { event_types: eventTypes, destinations, sources, subscriptions } };
}

/** Ids to names: a name is what a file can say. */
export function namesById(items: readonly JsonRecord[]): ReadonlyMap<string, string> {
  return new Map(items.map((item) => [textOf(item, 'id') ?? '', textOf(item, 'name') ?? '']));
}
