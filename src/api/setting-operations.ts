import { z } from 'zod';
import type { SettingKind, SettingKinds } from '../domain/settings.ts';
import { idParams, listOf, noContent, nothing, pageFields, settingsList, tenant } from './fields.ts';
import { operation, type OperationContext } from './operation.ts';
import { tenantFilter } from './tenancy.ts';

/** A kind of setting as the API shows it. */
export interface ShownSetting<Kind extends SettingKind, Output extends z.ZodType> {
  readonly kind: Kind;
  /** As it stands in names of operations and in paths: `sources`. */
  readonly resource: string;
  readonly output: Output;
  readonly view: (setting: SettingKinds[Kind], context: OperationContext) => z.input<Output>;
}

/** Those that a caller sees, of one tenant where it asks for one. */
export function settingsSeen<Kind extends SettingKind>(
  kind: Kind,
  { gateway, caller }: OperationContext,
  asked: string | undefined,
): readonly SettingKinds[Kind][] {
  const wanted = tenantFilter(caller.principal, asked).tenant;
  return gateway.directory.list(kind).filter((setting) => wanted === undefined || setting.tenant === wanted);
}

/** `GET /v1/RESOURCE`, newest first. */
export function listSettings<Kind extends SettingKind, Output extends z.ZodType>(
  { kind, resource, output, view }: ShownSetting<Kind, Output>,
  summary: string,
) {
  return operation({
    name: `${resource}.list`,
    method: 'GET',
    path: `/v1/${resource}`,
    scope: 'read',
    summary,
    params: nothing,
    query: z.strictObject({ ...pageFields, tenant: tenant.optional() }),
    body: nothing,
    output: listOf(output),
    status: 200,
    run: async (context, { query }) =>
      settingsList(settingsSeen(kind, context, query.tenant), query, (setting) => view(setting, context)),
  });
}

/** `GET /v1/RESOURCE/{id}`. */
export function getSetting<Kind extends SettingKind, Output extends z.ZodType>(
  { kind, resource, output, view }: ShownSetting<Kind, Output>,
  summary: string,
) {
  return operation({
    name: `${resource}.get`,
    method: 'GET',
    path: `/v1/${resource}/{id}`,
    scope: 'read',
    summary,
    params: idParams,
    query: nothing,
    body: nothing,
    output,
    status: 200,
    run: async (context, { params }) =>
      view(context.gateway.settings.find(kind, params.id, context.caller.principal), context),
  });
}

/** `DELETE /v1/RESOURCE/{id}`; `check` throws the `Problem` that says why it must stay. */
export function removeSetting<Kind extends SettingKind>(
  { kind, resource }: Pick<ShownSetting<Kind, z.ZodType>, 'kind' | 'resource'>,
  summary: string,
  check?: (setting: SettingKinds[Kind], context: OperationContext) => void,
) {
  return operation({
    name: `${resource}.delete`,
    method: 'DELETE',
    path: `/v1/${resource}/{id}`,
    scope: 'manage',
    summary,
    params: idParams,
    query: nothing,
    body: nothing,
    output: noContent,
    status: 204,
    run: async (context, { params }) => {
      const { settings } = context.gateway;
      check?.(settings.find(kind, params.id, context.caller.principal), context);
      await settings.remove(kind, params.id, context.caller);
      return undefined;
    },
  });
}
