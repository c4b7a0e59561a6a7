import { z } from 'zod';
import { isRecord } from '../domain/json-record.ts';
import type { PublishCall, PublishedEvent } from '../core/publish.ts';
import { headerValue } from '../domain/event.ts';
import { Problem } from '../domain/problem.ts';
import { isEventType } from '../domain/type-pattern.ts';
import { batchMode, binaryMode, structuredMode } from './cloud-events.ts';
import { id, instantIn, nothing, tenant } from './fields.ts';
import { operation, type OperationContext } from './operation.ts';
import { tenantFor } from './tenancy.ts';

const ENCODER = new TextEncoder();
const BATCH_LIMIT = 1_000;

const eventBody = z.strictObject({
  type: z
    .string()
    .refine(isEventType, 'must be segments of letters, digits, "_" and "-" joined by "."')
    .describe('what happened, e.g. invoice.paid'),
  data: z.unknown().describe('the payload, any JSON'),
  type_version: z
    .int()
    .min(1)
    .optional()
    .describe('version of the type in the catalogue that the payload is of, default the newest'),
  id: z.string().min(1).max(512).optional().describe('your own id: publishing it again is a duplicate'),
  source: z.string().min(1).max(128).optional().describe('who says so, default "api"'),
  subject: z.string().max(512).optional().describe('what it is about'),
  key: z.string().max(512).optional().describe('what events have in common that belong together'),
  time: instantIn.optional().describe('RFC 3339 time at which it happened, default now'),
  tenant: tenant.optional(),
  causation_id: z.string().max(128).optional().describe('id of the event that led to this one'),
  correlation_id: z.string().max(128).optional().describe('id of the first event of the chain'),
});

const acceptedOut = z.object({ id, duplicate: z.boolean(), deliveries: z.int() });
const batchOut = z.object({ data: z.array(acceptedOut) });

function published(context: OperationContext, body: z.output<typeof eventBody>): PublishedEvent {
  const occurredAt = body.time ?? null;
  const timestamp = new Date(occurredAt ?? context.gateway.services.clock.now()).toISOString();
  // The payload shape that Standard Webhooks 1.0.0 recommends ("Payload structure").
  const value = { type: body.type, timestamp, data: body.data ?? null };
  return {
    tenant: tenantFor(context.caller.principal, body.tenant),
    type: body.type,
    source: body.source ?? 'api',
    externalId: body.id ?? null,
    subject: body.subject ?? null,
    key: body.key ?? null,
    occurredAt,
    correlationId: body.correlation_id ?? null,
    causationId: body.causation_id ?? null,
    contentType: 'application/json',
    body: ENCODER.encode(JSON.stringify(value)),
    parsed: { value },
    ...(body.type_version === undefined ? {} : { typeVersion: body.type_version }),
  };
}

/** `fingerprint` tells a repeated request from another one under the same key. */
function call(context: OperationContext, fingerprint: () => string): PublishCall {
  const key = headerValue(context.headers, 'idempotency-key');
  if (key !== undefined && (key === '' || key.length > 256)) {
    const errors = [{ pointer: '/headers/idempotency-key', message: 'must be 1 to 256 characters' }];
    throw new Problem('validation_failed', 'the idempotency key cannot be used', { errors });
  }
  return {
    requestId: context.requestId,
    headers: context.headers,
    remoteAddress: context.caller.remoteAddress,
    principal: context.caller.principal,
    idempotency: key === undefined ? null : { key, fingerprint: fingerprint() },
  };
}

const publish = operation({
  name: 'events.publish',
  method: 'POST',
  path: '/v1/events',
  scope: 'publish',
  summary: 'Publish an event; also takes CloudEvents 1.0 (structured, binary or batch)',
  description:
    'The answer comes when the event and all deliveries that it owes are on disk. `Idempotency-Key` makes ' +
    'a repeated request answer as the first did, for 24 hours.',
  params: nothing,
  query: nothing,
  body: eventBody,
  output: z.union([acceptedOut, batchOut]),
  status: 202,
  rawTypes: ['application/cloudevents+json', 'application/cloudevents-batch+json'],
  raw: (context, body) => publishCloudEvents(context, body),
  run: async (context, { body }) => {
    const { services } = context.gateway;
    const fingerprint = () => services.secrets.digest(JSON.stringify(body));
    const accepted = await context.gateway.publish.one(published(context, body), call(context, fingerprint));
    return answer(accepted);
  },
});

const publishBatch = operation({
  name: 'events.publish-batch',
  method: 'POST',
  path: '/v1/events/batch',
  scope: 'publish',
  summary: 'Publish up to 1,000 events, all or none of them',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    events: z.array(eventBody).min(1).max(BATCH_LIMIT).describe('each as for publish'),
  }),
  output: batchOut,
  status: 202,
  run: async (context, { body }) => {
    const events = body.events.map((event) => published(context, event));
    const accepted = await context.gateway.publish.all(
      events,
      call(context, () => ''),
    );
    return { data: accepted.map((one) => answer(one)) };
  },
});

function publishCloudEvents(context: OperationContext, body: Uint8Array) {
  const given = headerValue(context.headers, 'content-type') ?? '';
  const contentType = given.toLowerCase();
  const of = tenantFor(context.caller.principal, undefined);
  if (contentType.startsWith('application/cloudevents-batch+json')) {
    const events = batchMode(json(body), BATCH_LIMIT).map((event) => ({ ...event, tenant: of }));
    return context.gateway.publish
      .all(
        events,
        call(context, () => ''),
      )
      .then((accepted) => ({ data: accepted.map((one) => answer(one)) }));
  }
  const one = contentType.startsWith('application/cloudevents+json')
    ? structuredMode(json(body), body, given)
    : headerValue(context.headers, 'ce-specversion') === undefined
      ? undefined
      : binaryMode(context.headers, body);
  if (one === undefined) return undefined;
  // In binary mode the body alone does not say which event it is.
  const { body: _body, parsed: _parsed, ...attributes } = one;
  const fingerprint = () =>
    context.gateway.services.secrets.digest(
      JSON.stringify(attributes) + Buffer.from(body).toString('latin1'),
    );
  return context.gateway.publish.one({ ...one, tenant: of }, call(context, fingerprint)).then(answer);
}

function json(body: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    if (isRecord(value) || Array.isArray(value)) return value;
  } catch {
    // Told below, as for JSON of the wrong shape.
  }
  throw new Problem('body_malformed', 'the body is not a JSON object or list in UTF-8');
}

function answer(accepted: { eventId: string; duplicate: boolean; deliveries: number }) {
  return { id: accepted.eventId, duplicate: accepted.duplicate, deliveries: accepted.deliveries };
}

/** Operations that publish: one event, or a batch of them. */
export const publishOperations = [publish, publishBatch];
