import { z } from 'zod';
import type { SettingChange } from '../domain/records.ts';
import { id, instant, isoTime, listOf, listView, logPage, nothing, pageFields, tenant } from './fields.ts';
import { operation } from './operation.ts';
import { tenantFilter } from './tenancy.ts';

const changeOut = z.object({
  version: z.int().describe('the settings version that the change made'),
  kind: z.string(),
  setting_id: id,
  tenant: z.string(),
  action: z.enum(['created', 'updated', 'deleted']),
  at: instant,
  principal: z.string().describe('id of the API key, or gateway for what it did by itself'),
  remote_address: z.string().nullable(),
});

function changeView(change: SettingChange): z.input<typeof changeOut> {
  return {
    version: change.version,
    kind: change.kind,
    setting_id: change.settingId,
    tenant: change.tenant,
    action: change.action,
    at: isoTime(change.at),
    principal: change.principal,
    remote_address: change.remoteAddress,
  };
}

const list = operation({
  name: 'changes.list',
  method: 'GET',
  path: '/v1/changes',
  scope: 'admin',
  summary: 'List every change of a setting, newest first: who, what, when, from where',
  params: nothing,
  query: z.strictObject({ ...pageFields, setting: id.optional(), tenant: tenant.optional() }),
  body: nothing,
  output: listOf(changeOut),
  status: 200,
  run: async (context, { query }) => {
    const filter = {
      ...tenantFilter(context.caller.principal, query.tenant),
      ...(query.setting === undefined ? {} : { settingId: query.setting }),
    };
    const { settings } = context.gateway.services.store;
    return listView(await settings.changes(filter, logPage(query)), changeView);
  },
});

/** The audit log. */
export const changeOperations = [list];
