import { z } from 'zod';
import type { Replay, ReplayFilter } from '../domain/records.ts';
import { isTypePattern } from '../domain/type-pattern.ts';
import { Problem } from '../domain/problem.ts';
import { deliveryState } from './deliveries.ts';
import {
  id,
  idParams,
  instant,
  instantIn,
  isoTime,
  isoTimeOrNull,
  listOf,
  listView,
  logPage,
  nothing,
  pageFields,
  tenant,
} from './fields.ts';
import { operation, type OperationContext } from './operation.ts';
import { tenantFor, visible } from './tenancy.ts';

const filterIn = z.strictObject({
  event_ids: z.array(id).min(1).max(1_000).optional().describe('these events'),
  delivery_ids: z.array(id).min(1).max(1_000).optional().describe('these deliveries'),
  state: deliveryState.optional().describe('deliveries in this state'),
  type: z
    .string()
    .refine(isTypePattern, 'must be an event type or a pattern')
    .optional()
    .describe('an event type, or a pattern such as invoice.*'),
  source: z.string().max(128).optional().describe('id or name of a source'),
  destination: id.optional().describe('id of a destination'),
  subscription: id.optional().describe('id of a subscription'),
  from: instantIn.optional().describe('at or after this RFC 3339 time'),
  to: instantIn.optional().describe('before this RFC 3339 time'),
});

const missingOut = z
  .int()
  .describe('how many of the ids that the filter names were not there: never were, or removed by retention');
const cutBeforeOut = instant
  .nullable()
  .describe('retention had removed events received before this time, to which the filter reaches back');

/** A replay as JSON. */
export const replayOut = z.object({
  id,
  tenant: z.string(),
  state: z.enum(['running', 'completed', 'cancelled']),
  over: z.enum(['deliveries', 'events']).describe('what it goes through; events are matched anew'),
  matched: z.int(),
  created: z.int().describe('new deliveries made so far'),
  missing: missingOut.nullable(),
  cut_before: cutBeforeOut,
  destination_id: z.string().nullable(),
  created_by: z.string().describe('id of the API key'),
  created_at: instant,
  updated_at: instant,
});

const startedOut = z.object({
  id: z.string().nullable().describe('null for a dry run'),
  matched: z.int(),
  sample: z.array(z.string()),
  missing: missingOut,
  cut_before: cutBeforeOut,
  state: z.enum(['running', 'completed', 'cancelled']).nullable(),
});

/** A replay as `replayOut` describes it. */
export function replayView(replay: Replay): z.input<typeof replayOut> {
  return {
    id: replay.id,
    tenant: replay.tenant,
    state: replay.state,
    over: replay.over,
    matched: replay.matched,
    created: replay.created,
    missing: replay.losses?.missing ?? null,
    cut_before: isoTimeOrNull(replay.losses?.cutBefore ?? null),
    destination_id: replay.destinationId,
    created_by: replay.principal,
    created_at: isoTime(replay.createdAt),
    updated_at: isoTime(replay.updatedAt),
  };
}

function filterOf(context: OperationContext, of: string, body: z.output<typeof filterIn>): ReplayFilter {
  return {
    ...(body.event_ids === undefined ? {} : { eventIds: body.event_ids }),
    ...(body.delivery_ids === undefined ? {} : { deliveryIds: body.delivery_ids }),
    ...(body.state === undefined ? {} : { state: body.state }),
    ...(body.type === undefined ? {} : { type: body.type }),
    ...(body.source === undefined ? {} : { sourceId: sourceId(context, of, body.source) }),
    ...(body.destination === undefined ? {} : { destinationId: body.destination }),
    ...(body.subscription === undefined ? {} : { subscriptionId: body.subscription }),
    ...(body.from === undefined ? {} : { from: body.from }),
    ...(body.to === undefined ? {} : { to: body.to }),
  };
}

function sourceId(context: OperationContext, of: string, wanted: string): string {
  const source = context.gateway.directory
    .list('source')
    .find((one) => one.tenant === of && (one.id === wanted || one.name === wanted));
  if (source !== undefined) return source.id;
  const message = `there is no source "${wanted}"`;
  throw new Problem('validation_failed', message, { errors: [{ pointer: '/filter/source', message }] });
}

const create = operation({
  name: 'replays.create',
  method: 'POST',
  path: '/v1/replays',
  scope: 'manage',
  summary: 'Deliver past events again, each as a new delivery; dry_run only counts',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    filter: filterIn.describe('what to deliver again'),
    destination_id: id.optional().describe('send everything here instead'),
    dry_run: z.boolean().default(false).describe('count only, send nothing'),
    rate_limit: z.number().positive().max(10_000).optional().describe('deliveries a second'),
    tenant: tenant.optional(),
  }),
  output: startedOut,
  status: 202,
  run: async (context, { body }) => {
    const { replays, settings } = context.gateway;
    const of = tenantFor(context.caller.principal, body.tenant);
    if (body.destination_id !== undefined) {
      const destination = settings.find('destination', body.destination_id, context.caller.principal);
      visible(destination.tenant === of ? destination : null, context.caller.principal, 'such destination');
    }
    const request = {
      filter: filterOf(context, of, body.filter),
      tenant: of,
      destinationId: body.destination_id ?? null,
      ratePerSecond: body.rate_limit ?? null,
    };
    if (body.dry_run) {
      const { matched, sample, missing, cutBefore } = await replays.preview(request);
      const cut = isoTimeOrNull(cutBefore);
      return { id: null, matched, sample: [...sample], missing, cut_before: cut, state: null };
    }
    const { losses, ...replay } = await replays.start(request, context.caller);
    return {
      id: replay.id,
      matched: replay.matched,
      sample: [...replay.sample],
      missing: losses.missing,
      cut_before: isoTimeOrNull(losses.cutBefore),
      state: replay.state,
    };
  },
});

const list = operation({
  name: 'replays.list',
  method: 'GET',
  path: '/v1/replays',
  scope: 'read',
  summary: 'List replays, newest first',
  params: nothing,
  query: z.strictObject(pageFields),
  body: nothing,
  output: listOf(replayOut),
  status: 200,
  run: async (context, { query }) => {
    const { queries } = context.gateway.services.store;
    return listView(await queries.replays(context.caller.principal.tenant, logPage(query)), replayView);
  },
});

async function find(context: OperationContext, replayId: string): Promise<Replay> {
  const replay = await context.gateway.services.store.queries.replay(replayId);
  return visible(replay, context.caller.principal, `replay ${replayId}`);
}

const get = operation({
  name: 'replays.get',
  method: 'GET',
  path: '/v1/replays/{id}',
  scope: 'read',
  summary: 'Show how far a replay is',
  params: idParams,
  query: nothing,
  body: nothing,
  output: replayOut,
  status: 200,
  run: async (context, { params }) => replayView(await find(context, params.id)),
});

const cancel = operation({
  name: 'replays.cancel',
  method: 'POST',
  path: '/v1/replays/{id}/cancel',
  scope: 'manage',
  summary: 'End a running replay; the deliveries that it has made stay',
  params: idParams,
  query: nothing,
  body: nothing,
  output: replayOut,
  status: 200,
  run: async (context, { params }) => {
    const replay = await find(context, params.id);
    const ended = await context.gateway.replays.cancel(replay.id);
    if (!ended) throw new Problem('conflict', `the replay is ${replay.state}, not running`);
    return replayView(await find(context, params.id));
  },
});

/** Operations on replays: create, list, get, cancel. */
export const replayOperations = [create, list, get, cancel];
