import { z } from 'zod';
import { type Attempt, type Delivery, DELIVERY_STATES, SUBSCRIPTION_SUSPENDED } from '../domain/delivery.ts';
import { shownAttempt } from '../core/redactions.ts';
import { Problem } from '../domain/problem.ts';
import {
  headerPairs,
  headerPairsOut,
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
import { tenantFilter, visible } from './tenancy.ts';

/** A delivery state, as a query parameter and in answers. */
export const deliveryState = z.enum(DELIVERY_STATES);

/** A delivery as JSON, without its attempts. */
export const deliveryOut = z.object({
  id,
  tenant: z.string(),
  event_id: id,
  event_type: z.string(),
  subscription_id: z.string().nullable(),
  destination_id: id,
  state: deliveryState,
  attempt_count: z.int(),
  next_attempt_at: instant.nullable(),
  reason: z.string().nullable(),
  last_status: z.int().nullable(),
  last_error: z.string().nullable(),
  replay_of: z.string().nullable(),
  replay_id: z.string().nullable(),
  created_at: instant,
  updated_at: instant,
});

/** One attempt as JSON. `response_body` is the start of the answer, at most 16 KiB. */
export const attemptOut = z.object({
  number: z.int(),
  started_at: instant,
  duration_ms: z.number(),
  outcome: z.enum(['succeeded', 'retryable', 'permanent', 'abandoned']),
  status: z.int().nullable(),
  error: z.string().nullable(),
  response_headers: headerPairsOut,
  response_body: z.string(),
  next_attempt_at: instant.nullable(),
});

const deliveryWithAttemptsOut = deliveryOut.extend({ attempts: z.array(attemptOut) });

/** A delivery as `deliveryOut` describes it. */
export function deliveryView(delivery: Delivery): z.input<typeof deliveryOut> {
  return {
    id: delivery.id,
    tenant: delivery.tenant,
    event_id: delivery.eventId,
    event_type: delivery.eventType,
    subscription_id: delivery.subscriptionId,
    destination_id: delivery.destinationId,
    state: delivery.state,
    attempt_count: delivery.attempts,
    next_attempt_at: isoTimeOrNull(delivery.dueAt),
    reason: delivery.reason,
    last_status: delivery.lastStatus,
    last_error: delivery.lastError,
    replay_of: delivery.replayOf,
    replay_id: delivery.replayId,
    created_at: isoTime(delivery.createdAt),
    updated_at: isoTime(delivery.updatedAt),
  };
}

/** An attempt as `attemptOut` describes it. */
export function attemptView(attempt: Attempt): z.input<typeof attemptOut> {
  return {
    number: attempt.number,
    started_at: isoTime(attempt.startedAt),
    duration_ms: Math.round(attempt.durationMs * 10) / 10,
    outcome: attempt.outcome,
    status: attempt.status,
    error: attempt.error,
    response_headers: headerPairs(attempt.responseHeaders),
    response_body: attempt.responseBody,
    next_attempt_at: isoTimeOrNull(attempt.nextAttemptAt),
  };
}

async function find(context: OperationContext, deliveryId: string): Promise<Delivery> {
  const delivery = await context.gateway.services.store.queries.delivery(deliveryId);
  return visible(delivery, context.caller.principal, `delivery ${deliveryId}`);
}

/** Takes out of a receiver's answer what is hidden of the event that it was sent. */
async function hideFor(context: OperationContext, eventId: string): Promise<(text: string) => string> {
  const { redactions, services } = context.gateway;
  const event = await services.store.queries.event(eventId);
  return event === null ? (text) => text : (await redactions.shown(event)).hide;
}

async function withAttempts(context: OperationContext, deliveryId: string) {
  const delivery = await find(context, deliveryId);
  const attempts = await context.gateway.services.store.queries.attempts(delivery.id);
  const hide = await hideFor(context, delivery.eventId);
  return {
    ...deliveryView(delivery),
    attempts: attempts.map((attempt) => attemptView(shownAttempt(attempt, hide))),
  };
}

const list = operation({
  name: 'deliveries.list',
  method: 'GET',
  path: '/v1/deliveries',
  scope: 'read',
  summary: 'List deliveries, newest first',
  params: nothing,
  query: z.strictObject({
    ...pageFields,
    state: deliveryState.optional().describe('how far it is'),
    destination: id.optional().describe('id of a destination'),
    subscription: id.optional().describe('id of a subscription'),
    event: id.optional().describe('id of an event'),
    tenant: tenant.optional(),
    from: instantIn.optional().describe('made at or after this RFC 3339 time'),
    to: instantIn.optional().describe('made before this RFC 3339 time'),
  }),
  body: nothing,
  output: listOf(deliveryOut),
  status: 200,
  run: async (context, { query }) => {
    const filter = {
      ...tenantFilter(context.caller.principal, query.tenant),
      ...(query.state === undefined ? {} : { state: query.state }),
      ...(query.destination === undefined ? {} : { destinationId: query.destination }),
      ...(query.subscription === undefined ? {} : { subscriptionId: query.subscription }),
      ...(query.event === undefined ? {} : { eventId: query.event }),
      ...(query.from === undefined ? {} : { from: query.from }),
      ...(query.to === undefined ? {} : { to: query.to }),
    };
    const { queries } = context.gateway.services.store;
    return listView(await queries.deliveries(filter, logPage(query)), deliveryView);
  },
});

const get = operation({
  name: 'deliveries.get',
  method: 'GET',
  path: '/v1/deliveries/{id}',
  scope: 'read',
  summary: 'Show a delivery with every attempt',
  params: idParams,
  query: nothing,
  body: nothing,
  output: deliveryWithAttemptsOut,
  status: 200,
  run: (context, { params }) => withAttempts(context, params.id),
});

const retry = operation({
  name: 'deliveries.retry',
  method: 'POST',
  path: '/v1/deliveries/{id}/retry',
  scope: 'manage',
  summary: 'Bring the next attempt of a pending delivery forward to now',
  params: idParams,
  query: nothing,
  body: nothing,
  output: deliveryWithAttemptsOut,
  status: 202,
  run: async (context, { params }) => {
    const { services, dispatcher } = context.gateway;
    const delivery = await find(context, params.id);
    if (delivery.reason === SUBSCRIPTION_SUSPENDED) {
      throw new Problem('conflict', 'the delivery is held: resume its subscription');
    }
    const now = services.clock.now();
    const state = await services.store.log.bringForward(delivery.id, now);
    if (state !== 'pending') {
      const fix =
        state === 'leased' ? 'it is being attempted now' : 'make a replay of it to deliver it again';
      throw new Problem('conflict', `the delivery is ${state ?? 'gone'}: ${fix}`);
    }
    dispatcher.wake(delivery.destinationId, now);
    return withAttempts(context, params.id);
  },
});

const cancel = operation({
  name: 'deliveries.cancel',
  method: 'POST',
  path: '/v1/deliveries/{id}/cancel',
  scope: 'manage',
  summary: 'Cancel a pending delivery',
  params: idParams,
  query: nothing,
  body: z.strictObject({ reason: z.string().max(200).optional().describe('kept with the delivery') }),
  output: deliveryWithAttemptsOut,
  status: 200,
  run: async (context, { params, body }) => {
    const { services } = context.gateway;
    const delivery = await find(context, params.id);
    const ended = await services.store.log.endPending({
      deliveryId: delivery.id,
      state: 'cancelled',
      reason: body.reason ?? 'cancelled_by_operator',
      atMs: services.clock.now(),
      limit: 1,
    });
    if (ended === 0) throw new Problem('conflict', `the delivery is ${delivery.state}, not pending`);
    return withAttempts(context, params.id);
  },
});

/** Operations on deliveries: list, get, retry, cancel. */
export const deliveryOperations = [list, get, retry, cancel];
