import { z } from 'zod';
import type { Principal } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import type { ApiKey, PreviousKey, Scope } from '../domain/settings.ts';
import { DEFAULT_TENANT } from '../domain/settings.ts';
import {
  durationField,
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
import { operation, type OperationContext } from './operation.ts';
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
  last_used_at: instant.nullable().describe('null = never; written once a minute'),
  previous: z
    .array(z.object({ hint: z.string(), expires_at: instant }))
    .describe('earlier texts of the key that are still accepted'),
  created_at: instant,
});

const keyWithTextOut = keyOut.extend({ key: z.string().describe('shown this once; only its hash is kept') });

/** How long a rotated key's old text is accepted, unless the caller says otherwise. */
const DEFAULT_GRACE_MS = 24 * 3_600_000;
/** Old texts kept at once: rotating again and again must not let a key grow without end. */
const MAX_PREVIOUS = 5;

function keyView({ gateway }: OperationContext, key: ApiKey): z.input<typeof keyOut> {
  const now = gateway.services.clock.now();
  return {
    id: key.id,
    name: key.name,
    hint: key.hint,
    scopes: [...key.scopes],
    tenant: key.boundTenant,
    expires_at: isoTimeOrNull(key.expiresAt),
    last_used_at: isoTimeOrNull(gateway.keyUses.lastUsedAt(key.id)),
    previous: stillAccepted(key, now).map(({ hint, expiresAt }) => ({
      hint,
      expires_at: isoTime(expiresAt),
    })),
    created_at: isoTime(key.createdAt),
  };
}

/** Who is bound to a tenant manages the keys bound to it: not those that reach into every tenant. */
function mayManage(principal: Principal, key: ApiKey): boolean {
  return principal.tenant === null || principal.tenant === key.boundTenant;
}

function stillAccepted(key: ApiKey, nowMs: number): readonly PreviousKey[] {
  return (key.previous ?? []).filter(({ expiresAt }) => expiresAt > nowMs);
}

/** The key that the caller may manage; a `Problem` (`not_found`) otherwise. */
function findKey({ gateway, caller }: OperationContext, keyId: string): ApiKey {
  const key = gateway.directory.get('key', keyId);
  if (key === undefined || !mayManage(caller.principal, key)) {
    throw new Problem('not_found', `there is no key ${keyId}`);
  }
  return key;
}

function newText({ gateway }: OperationContext): Pick<ApiKey, 'hash' | 'hint'> & { readonly text: string } {
  const { random, secrets } = gateway.services;
  const text = `rb_${newKey(random, 40)}`;
  return { text, hash: secrets.digest(text), hint: text.slice(0, 7) };
}

const scopesIn = z.array(z.enum(SCOPES)).min(1).describe('what it may do');

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
    scopes: scopesIn,
    tenant: tenant.optional().describe('bind it to this tenant; absent = every tenant'),
    expires_at: instantIn.optional().describe('RFC 3339 time after which it is refused'),
  }),
  output: keyWithTextOut,
  status: 201,
  run: async (context, { body }) => {
    const { services, settings } = context.gateway;
    const now = services.clock.now();
    const { text, hash, hint } = newText(context);
    const { principal } = context.caller;
    const wanted = body.tenant ?? principal.tenant;
    // Not `tenantFor` alone: a key for every tenant is bound to none, not to the default one.
    const boundTenant = wanted === null ? null : tenantFor(principal, wanted);
    const key: ApiKey = {
      id: services.ids.make('key'),
      tenant: boundTenant ?? DEFAULT_TENANT,
      name: body.name,
      hash,
      hint,
      scopes: body.scopes,
      boundTenant,
      expiresAt: body.expires_at ?? null,
      createdAt: now,
      updatedAt: now,
    };
    await settings.save('key', key, context.caller);
    return { ...keyView(context, key), key: text };
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
      (key) => keyView(context, key),
    ),
});

const update = operation({
  name: 'keys.update',
  method: 'PATCH',
  path: '/v1/keys/{id}',
  scope: 'admin',
  summary: 'Change name, scopes or expiry of an API key; it counts from the next request on',
  params: idParams,
  query: nothing,
  body: z
    .strictObject({
      name,
      scopes: scopesIn,
      expires_at: instantIn.nullable().describe('RFC 3339 time after which it is refused; null = never'),
    })
    .partial(),
  output: keyOut,
  status: 200,
  run: async (context, { params, body }) => {
    const { settings, services } = context.gateway;
    findKey(context, params.id);
    const key = await settings.change('key', params.id, context.caller, (before) => ({
      ...before,
      name: body.name ?? before.name,
      scopes: body.scopes ?? before.scopes,
      expiresAt: body.expires_at === undefined ? before.expiresAt : body.expires_at,
      updatedAt: services.clock.now(),
    }));
    return keyView(context, key);
  },
});

const rotate = operation({
  name: 'keys.rotate',
  method: 'POST',
  path: '/v1/keys/{id}/rotate',
  scope: 'admin',
  summary: 'Give an API key a new text, shown once; the old one is accepted until its grace time ends',
  params: idParams,
  query: nothing,
  body: z.strictObject({
    grace: durationField('0s', '30d').optional().describe('how long both are accepted, default 24h'),
  }),
  output: keyWithTextOut,
  status: 200,
  run: async (context, { params, body }) => {
    const { settings, services } = context.gateway;
    findKey(context, params.id);
    const now = services.clock.now();
    const endsAt = now + (body.grace ?? DEFAULT_GRACE_MS);
    const { text, hash, hint } = newText(context);
    const key = await settings.change('key', params.id, context.caller, (before) => {
      const earlier = stillAccepted(before, now).map((old) => ({
        ...old,
        expiresAt: Math.min(old.expiresAt, endsAt),
      }));
      const previous = [{ hash: before.hash, hint: before.hint, expiresAt: endsAt }, ...earlier];
      return { ...before, hash, hint, previous: previous.slice(0, MAX_PREVIOUS), updatedAt: now };
    });
    return { ...keyView(context, key), key: text };
  },
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
    await context.gateway.settings.remove('key', findKey(context, params.id).id, context.caller);
    return undefined;
  },
});

const rotateEncryption = operation({
  name: 'keys.rotate-encryption',
  method: 'POST',
  path: '/v1/keys/rotate-encryption',
  scope: 'admin',
  summary: 'Make a new key for secrets at rest and seal every secret anew; goes on where it was stopped',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    remove_old_keys: z
      .boolean()
      .optional()
      .describe('make no new key; when everything is under the newest, forget the others'),
  }),
  output: z.object({
    new_key: z.boolean(),
    resealed_secrets: z.int(),
    changed_settings: z.int(),
    unreadable: z.array(id).describe('settings with a secret that no key opens: set those anew'),
    removed_keys: z.int(),
    keys: z.int().describe('keys that are left'),
  }),
  status: 200,
  run: async (context, { body }) => {
    if (context.caller.principal.tenant !== null) {
      throw new Problem('scope_missing', 'a key that is bound to a tenant cannot do this for all of them');
    }
    const removeOldKeys = body.remove_old_keys ?? false;
    const report = await context.gateway.secretRotation.run(context.caller, { removeOldKeys });
    return {
      new_key: report.newKey,
      resealed_secrets: report.resealedSecrets,
      changed_settings: report.changedSettings,
      unreadable: [...report.unreadable],
      removed_keys: report.removedKeys,
      keys: report.keys,
    };
  },
});

/** Operations on API keys, and the one on the keys that seal secrets. */
export const keyOperations = [create, list, update, rotate, remove, rotateEncryption];
