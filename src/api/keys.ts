import { z } from 'zod';
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
    const boundTenant = body.tenant ?? context.caller.principal.tenant;
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
    settingsList(context.gateway.settings.list('key', context.caller.principal), query, keyView),
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
    await context.gateway.settings.remove('key', params.id, context.caller);
    return undefined;
  },
});

/** Operations on API keys: create, list, delete. */
export const keyOperations = [create, list, remove];
