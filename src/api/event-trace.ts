import { z } from 'zod';
import type { ConsideredSubscription, ExplainedDelivery, ExplainedDuplicate } from '../core/explain.ts';
import type { Hold } from '../core/holds.ts';
import { DUPLICATES_KEPT } from '../domain/records.ts';
import { shownAttempt } from '../core/redactions.ts';
import { attemptOut, attemptView, deliveryOut, deliveryView } from './deliveries.ts';
import {
  eventSchemaView,
  eventSummary,
  eventSummaryOut,
  findEvent,
  summariesOf,
  schemaOut,
  verificationOut,
  verificationView,
} from './events.ts';
import { id, idParams, instant, isoTime, isoTimeOrNull, nothing } from './fields.ts';
import { operation } from './operation.ts';
import { replayOut, replayView } from './replays.ts';

const consideredOut = z.object({
  subscription_id: id,
  name: z.string(),
  destination_id: id,
  matched: z.boolean(),
  reason: z.string(),
  detail: z.string().nullable(),
  conversion: z
    .object({ from: z.int(), to: z.int(), error: z.string().nullable() })
    .nullable()
    .describe('to the version that it asks for, by the catalogue as it is now'),
  order: z
    .object({
      key: z.string().nullable().describe('null = the delivery goes as it can'),
      error: z.string().nullable().describe('why `session_key` gave no key'),
    })
    .nullable()
    .describe('what its delivery keeps its turn by; null = it did not take the event, or asks for no order'),
});

function consideredView({
  subscription,
  verdict,
  conversion,
  order,
}: ConsideredSubscription): z.input<typeof consideredOut> {
  return {
    subscription_id: subscription.id,
    name: subscription.name,
    destination_id: subscription.destinationId,
    matched: verdict.matched,
    reason: verdict.reason,
    detail: verdict.detail ?? null,
    conversion:
      conversion === null
        ? null
        : { from: conversion.from, to: conversion.to, error: conversion.ok ? null : conversion.error },
    order,
  };
}

const dedupedBy = z.enum([
  'provider_event_id',
  'expression',
  'body',
  'publisher_event_id',
  'idempotency_key',
]);

const dedupeOut = z.object({
  key: z.string(),
  by: dedupedBy.describe('where the key is from'),
  held: z
    .boolean()
    .describe('whether a repetition would still be a duplicate; false once the window is over'),
});

const duplicateOut = z.object({
  request_id: id,
  at: instant,
  remote_address: z.string().nullable(),
  source_id: z.string().nullable().describe('where it came in; null = it was published'),
  principal: z.string().nullable().describe('id of the API key that it was published with'),
  by: dedupedBy.describe('by what it was seen to repeat the event'),
});

function duplicateView(duplicate: ExplainedDuplicate, sourceId: string | null): z.input<typeof duplicateOut> {
  return {
    request_id: duplicate.requestId,
    at: isoTime(duplicate.at),
    remote_address: duplicate.remoteAddress,
    source_id: sourceId,
    principal: duplicate.principal,
    by: duplicate.by,
  };
}

const holdOut = z.object({
  what: z.enum(['paused', 'disabled', 'breaker_open', 'suspended']),
  from: instant,
  until: instant.nullable().describe('null = it lasts'),
  reason: z.string().nullable(),
  by: z.string().describe('id of the API key, or gateway for what it did by itself'),
});

function holdView(hold: Hold): z.input<typeof holdOut> {
  return { ...hold, from: isoTime(hold.from), until: isoTimeOrNull(hold.until) };
}

const tracedDeliveryOut = deliveryOut.extend({
  attempts: z.array(attemptOut),
  held: z.array(holdOut).describe('times of its life in which its destination or its subscription was held'),
});

function tracedDeliveryView(
  explained: ExplainedDelivery,
  hide: (text: string) => string,
): z.input<typeof tracedDeliveryOut> {
  return {
    ...deliveryView(explained.delivery),
    attempts: explained.attempts.map((attempt) => attemptView(shownAttempt(attempt, hide))),
    held: explained.held.map((hold) => holdView(hold)),
  };
}

const trace = operation({
  name: 'events.trace',
  method: 'GET',
  path: '/v1/events/{id}/trace',
  scope: 'read',
  summary: 'Explain an event: how it was verified, which subscriptions took it and why, what became of it',
  params: idParams,
  query: nothing,
  body: nothing,
  output: z.object({
    event: eventSummaryOut,
    request_id: id,
    verification: verificationOut,
    dedupe_key: z.string().nullable(),
    dedupe: dedupeOut.nullable().describe('how a repetition is recognised; null = it is not'),
    duplicates: z
      .object({
        count: z.int().describe('all that came, also those that are not among the newest'),
        newest: z.array(duplicateOut).describe(`newest first, ${DUPLICATES_KEPT} at the most`),
      })
      .describe('requests that repeated it'),
    hops: z.int().describe('how many deliveries in a row led to it'),
    stopped: z.enum(['max_hops']).nullable().describe('why it owes nothing, whatever the subscriptions say'),
    schema: schemaOut,
    subscriptions: z.array(consideredOut),
    deliveries: z.array(tracedDeliveryOut),
    replays: z.array(replayOut).describe('those that made deliveries of it'),
    children: z.array(eventSummaryOut),
  }),
  status: 200,
  run: async (context, { params }) => {
    const found = await findEvent(context, params.id);
    await context.gateway.duplicates.flush();
    const explained = await context.gateway.explain.event(found);
    const { event, hide } = await context.gateway.redactions.shown(found);
    const hideOrNull = (text: string | null): string | null => (text === null ? null : hide(text));
    const children = await summariesOf(context, explained.children, undefined);
    return {
      event: eventSummary(event),
      request_id: event.origin.requestId,
      verification: verificationView(event.origin),
      dedupe_key: event.origin.dedupeKey,
      dedupe: explained.dedupe === null ? null : { ...explained.dedupe, key: hide(explained.dedupe.key) },
      duplicates: {
        count: explained.duplicates.count,
        newest: explained.duplicates.newest.map((duplicate) => duplicateView(duplicate, event.sourceId)),
      },
      hops: event.origin.hops ?? 0,
      stopped: event.origin.stopped ?? null,
      schema: eventSchemaView(event),
      subscriptions: explained.considered.map((considered) => {
        const view = consideredView(considered);
        const conversion =
          view.conversion === null ? null : { ...view.conversion, error: hideOrNull(view.conversion.error) };
        const order =
          view.order === null
            ? null
            : { key: hideOrNull(view.order.key), error: hideOrNull(view.order.error) };
        return { ...view, detail: hideOrNull(view.detail), conversion, order };
      }),
      deliveries: explained.deliveries.map((delivery) => tracedDeliveryView(delivery, hide)),
      replays: explained.replays.map((replay) => replayView(replay)),
      children: children.map(({ summary }) => summary),
    };
  },
});

/** The operation that answers "why". */
export const eventTraceOperations = [trace];
