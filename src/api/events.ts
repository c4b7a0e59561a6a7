import { z } from 'zod';
import type { LoggedEvent } from '../domain/event.ts';
import { mayDo } from '../domain/principal.ts';
import { idTime } from '../domain/ids.ts';
import { DEFAULT_TENANT } from '../domain/settings.ts';
import { isTypePattern } from '../domain/type-pattern.ts';
import { deliveryOut, deliveryView } from './deliveries.ts';
import {
  bodyView,
  encodeCursor,
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
import { operation, type OperationContext } from './operation.ts';
import { tenantFilter, visible } from './tenancy.ts';

const requestIdIn = z
  .string()
  .refine((text) => idTime(text) !== null, 'must be a request id, as in x-request-id');

/** Filters of every question about events. */
export const eventFilterFields = {
  type: z
    .string()
    .refine(isTypePattern, 'must be an event type or a pattern')
    .optional()
    .describe('an event type, or a pattern such as invoice.*'),
  source: z
    .string()
    .max(128)
    .optional()
    .describe('id or name of a source, or the source of published events'),
  tenant: tenant.optional(),
  from: instantIn.optional().describe('received at or after this RFC 3339 time'),
  to: instantIn.optional().describe('received before this RFC 3339 time'),
  key: z.string().max(512).optional().describe('key of the events'),
  correlation_id: z.string().max(128).optional().describe('id of the first event of the chain'),
  external_id: z.string().max(512).optional().describe('the id that its sender gave it'),
  request_id: requestIdIn.optional().describe('id of the request that brought it'),
  q: z.string().min(1).max(200).optional().describe('text in the body, the type, the key or the subject'),
};

const eventFilterQuery = z.strictObject(eventFilterFields);

/** What a query asks for, narrowed to the caller's tenant. */
export function eventFilter(context: OperationContext, query: z.output<typeof eventFilterQuery>) {
  return {
    ...tenantFilter(context.caller.principal, query.tenant),
    ...(query.type === undefined ? {} : { type: query.type }),
    ...(query.source === undefined ? {} : { source: query.source }),
    ...(query.key === undefined ? {} : { key: query.key }),
    ...(query.correlation_id === undefined ? {} : { correlationId: query.correlation_id }),
    ...(query.external_id === undefined ? {} : { externalId: query.external_id }),
    ...requestFilter(query),
    ...(query.q === undefined ? {} : { text: query.q }),
  };
}

/** An event is kept within the time limit of its request, and a request id says when that came. */
const REQUEST_LIMIT_MS = 10 * 60_000;

function requestFilter(query: z.output<typeof eventFilterQuery>) {
  const { from, to, request_id: requestId } = query;
  const times = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  const at = requestId === undefined ? null : idTime(requestId);
  if (requestId === undefined || at === null) return times;
  const latest = at + REQUEST_LIMIT_MS;
  return { requestId, from: Math.max(from ?? 0, at), to: Math.min(to ?? latest, latest) };
}

const eventFields = {
  id,
  tenant: z.string(),
  source_id: z.string().nullable(),
  source: z.string(),
  type: z.string(),
  key: z.string().nullable(),
  subject: z.string().nullable(),
  external_id: z.string().nullable(),
  correlation_id: z.string().nullable(),
  causation_id: z.string().nullable(),
  time: instant,
  received_at: instant,
  content_type: z.string().nullable(),
  body_bytes: z.int(),
};

/** An event as JSON without headers and body, for lists. */
export const eventSummaryOut = z.object(eventFields);

/** How an event's sender was proven, as JSON. */
export const verificationOut = z.object({
  provider: z.string(),
  covers: z.enum(['body', 'metadata', 'nothing']),
  secret_number: z.int().nullable(),
  principal: z.string().nullable(),
});

/** How the data of an event stood to its schema when it came; `null` = it was held against none. */
export const schemaOut = z
  .object({
    type_version: z.int().nullable().describe('in the catalogue; null = only its source has a schema'),
    valid: z.boolean(),
    mismatch: z.string().nullable().describe('what does not fit'),
  })
  .nullable();

const eventOut = z.object({
  ...eventFields,
  headers: headerPairsOut,
  body: z.string(),
  body_encoding: z.enum(['utf8', 'base64']),
  request_id: id,
  method: z.string(),
  path: z.string(),
  remote_address: z.string().nullable(),
  verification: verificationOut,
  dedupe_key: z.string().nullable(),
  type_version: z.int().nullable().describe('version of its type in the catalogue that it is of'),
  invalid: z.string().nullable().describe('why it fails its schema, for sources that mark such events'),
});

/** An event as `eventSummaryOut` describes it. */
export function eventSummary(event: LoggedEvent): z.input<typeof eventSummaryOut> {
  return {
    id: event.id,
    tenant: event.tenant,
    source_id: event.sourceId,
    source: event.source,
    type: event.type,
    key: event.key,
    subject: event.subject,
    external_id: event.externalId,
    correlation_id: event.correlationId,
    causation_id: event.causationId,
    time: isoTime(event.occurredAt),
    received_at: isoTime(event.receivedAt),
    content_type: event.contentType,
    body_bytes: event.body.byteLength,
  };
}

/** A verification as `verificationOut` describes it. */
export function verificationView({ verification }: LoggedEvent['origin']): z.input<typeof verificationOut> {
  return {
    provider: verification.provider,
    covers: verification.covers,
    secret_number: verification.secretIndex,
    principal: verification.principal ?? null,
  };
}

/** As `schemaOut` describes it. */
export function eventSchemaView({ origin }: LoggedEvent): z.input<typeof schemaOut> {
  const { typeVersion = null, invalid = null } = origin;
  if (typeVersion === null && invalid === null) return null;
  return { type_version: typeVersion, valid: invalid === null, mismatch: invalid };
}

function eventView(event: LoggedEvent): z.input<typeof eventOut> {
  const { origin } = event;
  return {
    ...eventSummary(event),
    headers: headerPairs(event.headers),
    ...bodyView(event.body),
    request_id: origin.requestId,
    method: origin.method,
    path: origin.path,
    remote_address: origin.remoteAddress,
    verification: verificationView(origin),
    dedupe_key: origin.dedupeKey,
    type_version: origin.typeVersion ?? null,
    invalid: origin.invalid ?? null,
  };
}

/** Not every `evt_` is ours: Stripe's ids begin so too. */
const OWN_ID = /^evt_[0-9a-z]{26}$/;

/**
 * An event that the caller may see, by its id, or by the id that its sender gave it: that is what people
 * copy from a provider's page. The latter is found while the de-duplication window lasts.
 */
export async function findEvent(context: OperationContext, eventId: string): Promise<LoggedEvent> {
  const { queries } = context.gateway.services.store;
  const { principal } = context.caller;
  const event = await queries.event(eventId);
  if (event !== null || OWN_ID.test(eventId)) return visible(event, principal, `event ${eventId}`);
  const { tenant: bound } = tenantFilter(principal, undefined);
  const sources = context.gateway.directory
    .list('source')
    .filter((source) => bound === undefined || source.tenant === bound);
  const scopes = [...sources.map((source) => source.id), `publish:${bound ?? DEFAULT_TENANT}:api`];
  const holders = await Promise.all(scopes.map((scope) => queries.dedupeHolder(scope, eventId)));
  const holder = holders.find((found) => found !== null) ?? null;
  return visible(holder === null ? null : await queries.event(holder), principal, `event ${eventId}`);
}

/**
 * Events for a list, as they may be shown. A search must not find by its text what it does not show: else
 * whoever may only read could ask for a hidden value letter by letter.
 */
export async function summariesOf(
  context: OperationContext,
  events: readonly LoggedEvent[],
  text: string | undefined,
) {
  const { redactions } = context.gateway;
  const shown = await Promise.all(events.map((event) => redactions.shown(event)));
  const maySearchAll = text === undefined || mayDo(context.caller.principal, 'manage');
  return shown
    .filter(({ event }, index) => event === events[index] || maySearchAll || mentions(event, text))
    .map(({ event }) => ({ seq: event.seq, summary: eventSummary(event) }));
}

/** Whether an event, as it may be shown, has a text where the store looks for it. */
export function mentions(event: LoggedEvent, text: string): boolean {
  const wanted = text.toLowerCase();
  const fields = [event.type, event.key, event.subject, new TextDecoder().decode(event.body)];
  return fields.some((field) => field?.toLowerCase().includes(wanted) === true);
}

const list = operation({
  name: 'events.list',
  method: 'GET',
  path: '/v1/events',
  scope: 'read',
  summary: 'List events, newest first',
  params: nothing,
  query: z.strictObject({
    ...pageFields,
    ...eventFilterFields,
    repeated_by: requestIdIn
      .optional()
      .describe('a request that repeated it, by its id; the newest of each event are remembered'),
  }),
  body: nothing,
  output: listOf(eventSummaryOut),
  status: 200,
  run: async (context, { query }) => {
    const { queries } = context.gateway.services.store;
    const { repeated_by: repeatedBy, ...wanted } = query;
    if (repeatedBy !== undefined) await context.gateway.duplicates.flush();
    const filter = { ...eventFilter(context, wanted), ...(repeatedBy === undefined ? {} : { repeatedBy }) };
    const page = await queries.events(filter, logPage(query));
    const items = await summariesOf(context, page.items, query.q);
    return { data: items.map(({ summary }) => summary), next_cursor: encodeCursor(page.next) };
  },
});

const get = operation({
  name: 'events.get',
  method: 'GET',
  path: '/v1/events/{id}',
  scope: 'read',
  summary: 'Show an event with its headers, its body and how it was verified',
  params: idParams,
  query: nothing,
  body: nothing,
  output: eventOut,
  status: 200,
  run: async (context, { params }) => {
    const { event } = await context.gateway.redactions.shown(await findEvent(context, params.id));
    return eventView(event);
  },
});

const deliveries = operation({
  name: 'events.deliveries',
  method: 'GET',
  path: '/v1/events/{id}/deliveries',
  scope: 'read',
  summary: 'List the deliveries of an event, newest first',
  params: idParams,
  query: z.strictObject(pageFields),
  body: nothing,
  output: listOf(deliveryOut),
  status: 200,
  run: async (context, { params, query }) => {
    const event = await findEvent(context, params.id);
    const { queries } = context.gateway.services.store;
    return listView(await queries.deliveries({ eventId: event.id }, logPage(query)), deliveryView);
  },
});

/** Operations that read events: list, get, deliveries. */
export const eventOperations = [list, get, deliveries];
