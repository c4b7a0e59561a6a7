import { z } from 'zod';
import { headerValue } from '../domain/event.ts';
import type { Rejection } from '../domain/records.ts';
import {
  bodyView,
  headerPairs,
  headerPairsOut,
  id,
  idParams,
  instant,
  instantIn,
  isoTime,
  listOf,
  listView,
  logPage,
  nothing,
  pageFields,
  tenant,
} from './fields.ts';
import { operation } from './operation.ts';
import { tenantFilter, visible } from './tenancy.ts';

const rejectionFields = {
  id,
  tenant: z.string(),
  source_id: z.string().nullable(),
  request_id: id,
  at: instant,
  code: z.string(),
  reason: z.string().describe('finer than the code, e.g. timestamp_too_old'),
  remote_address: z.string().nullable(),
  method: z.string(),
  path: z.string(),
  body_bytes: z.int(),
};

const rejectionSummaryOut = z.object(rejectionFields);
const rejectionOut = z.object({
  ...rejectionFields,
  headers: headerPairsOut,
  body: z.string().describe('the start of it'),
  body_encoding: z.enum(['utf8', 'base64']),
});

function rejectionSummary(rejection: Rejection): z.input<typeof rejectionSummaryOut> {
  return {
    id: rejection.id,
    tenant: rejection.tenant,
    source_id: rejection.sourceId,
    request_id: rejection.requestId,
    at: isoTime(rejection.at),
    code: rejection.code,
    reason: rejection.reason,
    remote_address: rejection.remoteAddress,
    method: rejection.method,
    path: rejection.path,
    body_bytes: rejection.bodyBytes,
  };
}

const list = operation({
  name: 'rejections.list',
  method: 'GET',
  path: '/v1/rejections',
  scope: 'read',
  summary: 'List requests refused at sources, newest first',
  params: nothing,
  query: z.strictObject({
    ...pageFields,
    source: id.optional().describe('id of a source'),
    code: z.string().max(64).optional().describe('an error code, e.g. signature_mismatch'),
    tenant: tenant.optional(),
    from: instantIn.optional().describe('refused at or after this RFC 3339 time'),
    to: instantIn.optional().describe('refused before this RFC 3339 time'),
  }),
  body: nothing,
  output: listOf(rejectionSummaryOut),
  status: 200,
  run: async (context, { query }) => {
    await context.gateway.rejections.flush();
    const filter = {
      ...tenantFilter(context.caller.principal, query.tenant),
      ...(query.source === undefined ? {} : { sourceId: query.source }),
      ...(query.code === undefined ? {} : { code: query.code }),
      ...(query.from === undefined ? {} : { from: query.from }),
      ...(query.to === undefined ? {} : { to: query.to }),
    };
    const { queries } = context.gateway.services.store;
    return listView(await queries.rejections(filter, logPage(query)), rejectionSummary);
  },
});

const get = operation({
  name: 'rejections.get',
  method: 'GET',
  path: '/v1/rejections/{id}',
  scope: 'read',
  summary: 'Show a refused request by its id or its request id',
  params: idParams,
  query: nothing,
  body: nothing,
  output: rejectionOut,
  status: 200,
  run: async (context, { params }) => {
    await context.gateway.rejections.flush();
    const found = await context.gateway.services.store.queries.rejection(params.id);
    const rejection = visible(found, context.caller.principal, `rejection ${params.id}`);
    const contentType = headerValue(rejection.headers, 'content-type') ?? null;
    const { redactions } = context.gateway;
    return {
      ...rejectionSummary(rejection),
      headers: headerPairs(rejection.headers),
      ...bodyView(await redactions.shownBody(rejection.sourceId, rejection.body, contentType)),
    };
  },
});

/** Operations that read what was refused at sources. */
export const rejectionOperations = [list, get];
