import { z } from 'zod';
import type { Principal } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import type { ApiKey, Scope } from '../domain/settings.ts';
import { DEFAULT_TENANT } from '../domain/settings.ts';
import {
  id,
  idParams,
  instant,
  instantIn,
  isoTime,
  isoTimeOrNull,
  listOf,
  name,
  noContent,
  nothing,
  pageFields,
  settingsList,
  tenant,
} from './fields.ts';
import { operation } from './operation.ts';
import { newKey } from './setting-checks.ts';
import { tenantFor } from './tenancy.ts';

const SCOPES = ['admin', 'read', 'publish', 'manage', 'lease'] as const satisfies readonly Scope[];

const keyOut = z.object({
  id,
  name: z.string(),
  hint: z.string().describe('the first characters of the key'),
  scopes: z.array(z.enum(SCOPES)),
  tenant: z.string().nullable().describe('bound to this tenant; null = every tenant'),
  expires_at: instant.nullable(),
  created_at: instant,
});

function keyView(key: ApiKey): z.input<typeof keyOut> {
  return {
    id: key.id,
    name: key.name,
    hint: key.hint,
    scopes: [...key.scopes],
    tenant: key.boundTenant,
    expires_at: isoTimeOrNull(key.expiresAt),
    created_at: isoTime(key.createdAt),
  };
}

/** Who is bound to a tenant manages the keys bound to it: not those that reach into every tenant. */
function mayManage(principal: Principal, key: ApiKey): boolean {
  return principal.tenant === null || principal.tenant === key.boundTenant;
}

const create = operation({
  name: 'keys.create',
  method: 'POST',
  path: '/v1/keys',
  scope: 'admin',
  summary: 'Create an API key; the key itself is shown once, in the answer',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    name,
    scopes: z.array(z.enum(SCOPES)).min(1).describe('what it may do'),
    tenant: tenant.optional().describe('bind it to this tenant; absent = every tenant'),
    expires_at: instantIn.optional().describe('RFC 3339 time after which it is refused'),
  }),
  output: keyOut.extend({ key: z.string().describe('shown this once; only its hash is kept') }),
  status: 201,
  run: async (context, { body }) => {
    const { services, settings } = context.gateway;
    const now = services.clock.now();
    const text = `rb_${newKey(services.random, 40)}`;
    const { principal } = context.caller;
    const wanted = body.tenant ?? principal.tenant;
    // Not `tenantFor` alone: a key for every tenant is bound to none, not to the default one.
    const boundTenant = wanted === null ? null : tenantFor(principal, wanted);
    const key: ApiKey = {
      id: services.ids.make('key'),
      tenant: boundTenant ?? DEFAULT_TENANT,
      name: body.name,
      hash: services.secrets.digest(text),
      hint: text.slice(0, 7),
      scopes: body.scopes,
      boundTenant,
      expiresAt: body.expires_at ?? null,
      createdAt: now,
      updatedAt: now,
    };
    await settings.save('key', key, context.caller);
    return { ...keyView(key), key: text };
  },
});

const list = operation({
  name: 'keys.list',
  method: 'GET',
  path: '/v1/keys',
  scope: 'admin',
  summary: 'List API keys, newest first',
  params: nothing,
  query: z.strictObject(pageFields),
  body: nothing,
  output: listOf(keyOut),
  status: 200,
  run: async (context, { query }) =>
    settingsList(
      context.gateway.directory.list('key').filter((key) => mayManage(context.caller.principal, key)),
      query,
      keyView,
    ),
});

const remove = operation({
  name: 'keys.delete',
  method: 'DELETE',
  path: '/v1/keys/{id}',
  scope: 'admin',
  summary: 'Delete an API key; it stops working at once',
  params: idParams,
  query: nothing,
  body: nothing,
  output: noContent,
  status: 204,
  run: async (context, { params }) => {
    const { directory, settings } = context.gateway;
    const key = directory.get('key', params.id);
    if (key === undefined || !mayManage(context.caller.principal, key)) {
      throw new Problem('not_found', `there is no key ${params.id}`);
    }
    await settings.remove('key', key.id, context.caller);
    return undefined;
  },
});

/** Operations on API keys: create, list, delete. */
export const keyOperations = [create, list, remove];
