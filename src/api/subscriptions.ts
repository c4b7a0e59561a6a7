import { z } from 'zod';
import { type FieldError, Problem } from '../domain/problem.ts';
import {
  DEFAULT_MAX_DELAY_MS,
  DEFAULT_RETRY_POLICY,
  exponentialSchedule,
  type RetryPolicy,
} from '../domain/retry-schedule.ts';
import type { Subscription } from '../domain/settings.ts';
import { isTypePattern } from '../domain/type-pattern.ts';
import { formatDuration } from '../domain/units.ts';
import {
  durationField,
  id,
  idParams,
  instant,
  instantIn,
  isoTime,
  isoTimeOrNull,
  keep,
  listOf,
  name,
  nothing,
  pageFields,
  settingsList,
  tenant,
} from './fields.ts';
import { operation, type OperationContext } from './operation.ts';
import { checkExpression } from './setting-checks.ts';
import { tenantFor } from './tenancy.ts';
import { getSetting, removeSetting, settingsSeen } from './setting-operations.ts';

const MAX_ATTEMPTS = 100;

const typePattern = z.string().refine(isTypePattern, {
  message: 'must be segments of letters, digits, "_" and "-" joined by ".", or "*" and "**" as segments',
});

const retryIn = z
  .strictObject({
    max_attempts: z.int().min(1).max(MAX_ATTEMPTS).optional().describe('counts the first'),
    schedule: z
      .array(durationField('0ms', '7d'))
      .min(1)
      .max(MAX_ATTEMPTS)
      .optional()
      .describe('waits between attempts, each a duration'),
    base: durationField('1ms', '24h')
      .optional()
      .describe('duration of the first wait, instead of a schedule'),
    factor: z.number().min(1).max(10).optional().describe('each wait is this many times the one before'),
    max_delay: durationField('1ms', '7d').optional().describe('longest wait, a duration'),
    jitter: z.number().min(0).max(1).optional().describe('part of a wait that chance may take off, 0 to 1'),
  })
  .refine((retry) => retry.schedule === undefined || (retry.base ?? retry.factor) === undefined, {
    message: 'give either "schedule" or "base" and "factor", not both',
  })
  .refine((retry) => retry.factor === undefined || retry.base !== undefined, {
    message: '"factor" needs a "base" to multiply',
    path: ['factor'],
  })
  .transform((retry) => retryPolicy(retry));

const expression = z.string().min(1).max(4_096).nullable();

/** A number; the command line gives it as text. */
const versionNumber = z.union([
  z.int().min(1),
  z
    .string()
    .regex(/^[1-9]\d{0,6}$/)
    .transform(Number),
]);

const changeable = {
  name,
  destination_id: id.describe('where the events go'),
  sources: z.array(z.string().min(1)).max(100).describe('ids or names; empty = all'),
  types: z.array(typePattern).max(100).describe('patterns such as invoice.*; empty = all'),
  type_versions: z
    .record(z.string().max(256), versionNumber)
    .describe('event type -> the version of the catalogue in which its events are delivered'),
  filter: expression.describe('CEL over event, headers, data'),
  session_key: expression.describe('CEL to a string'),
  transform: expression.describe('CEL to a map that is sent instead of the body'),
  ordering: z.enum(['none', 'key']).describe('key: one at a time per session key, else per event key'),
  delay: durationField('0s', '30d').describe('how long the first attempt waits'),
  delivery_expiry: durationField('1s', '90d').nullable().describe('age at which a delivery is given up'),
  retry: retryIn.describe('when and how often a failed attempt is repeated'),
  on_client_error: z
    .enum(['retry', 'dead'])
    .describe('what a 4xx answer means; receivers give them while they deploy'),
  enabled: z.boolean().describe('a disabled subscription takes no events'),
  expires_at: instantIn.nullable().describe('RFC 3339 time after which it takes no events'),
};

const createBody = z
  .strictObject({ ...changeable, tenant })
  .partial()
  .required({ name: true, destination_id: true });
const changeBody = z.strictObject(changeable).partial();

/** A subscription as JSON, with every default filled in. */
export const subscriptionOut = z.object({
  id,
  name: z.string(),
  tenant: z.string(),
  destination_id: id,
  sources: z.array(z.string()),
  types: z.array(z.string()),
  type_versions: z.record(z.string(), z.int()),
  filter: z.string().nullable(),
  session_key: z.string().nullable(),
  transform: z.string().nullable(),
  ordering: z.enum(['none', 'key']),
  delay: z.string(),
  delivery_expiry: z.string().nullable(),
  retry: z.object({
    max_attempts: z.int(),
    schedule: z.array(z.string()),
    max_delay: z.string(),
    jitter: z.number(),
  }),
  on_client_error: z.enum(['retry', 'dead']),
  enabled: z.boolean(),
  expires_at: instant.nullable(),
  suspended: z
    .object({ since: instant, reason: z.string() })
    .nullable()
    .describe('what it is owed is held; resume lets it go'),
  created_at: instant,
  updated_at: instant,
});

function retryPolicy(retry: {
  max_attempts?: number | undefined;
  schedule?: number[] | undefined;
  base?: number | undefined;
  factor?: number | undefined;
  max_delay?: number | undefined;
  jitter?: number | undefined;
}): RetryPolicy {
  // A schedule is meant as it is written: the default must not cut what the caller said.
  const maxDelayMs = retry.max_delay ?? Math.max(DEFAULT_MAX_DELAY_MS, ...(retry.schedule ?? []));
  const jitter = retry.jitter ?? DEFAULT_RETRY_POLICY.jitter;
  if (retry.schedule !== undefined) {
    const maxAttempts = retry.max_attempts ?? retry.schedule.length + 1;
    return { maxAttempts, scheduleMs: retry.schedule, jitter, maxDelayMs };
  }
  const maxAttempts = retry.max_attempts ?? DEFAULT_RETRY_POLICY.maxAttempts;
  if (retry.base === undefined) {
    return { maxAttempts, scheduleMs: DEFAULT_RETRY_POLICY.scheduleMs, jitter, maxDelayMs };
  }
  const settings = { baseMs: retry.base, factor: retry.factor ?? 2, maxDelayMs, maxAttempts };
  return { maxAttempts, scheduleMs: exponentialSchedule(settings), jitter, maxDelayMs };
}

/** A subscription as `subscriptionOut` describes it. */
export function subscriptionView(subscription: Subscription): z.input<typeof subscriptionOut> {
  const { retry } = subscription;
  return {
    id: subscription.id,
    name: subscription.name,
    tenant: subscription.tenant,
    destination_id: subscription.destinationId,
    sources: [...subscription.sources],
    types: [...subscription.types],
    type_versions: { ...subscription.typeVersions },
    filter: subscription.filter,
    session_key: subscription.sessionKey,
    transform: subscription.transform,
    ordering: subscription.ordering,
    delay: formatDuration(subscription.delayMs),
    delivery_expiry:
      subscription.deliveryExpiryMs === null ? null : formatDuration(subscription.deliveryExpiryMs),
    retry: {
      max_attempts: retry.maxAttempts,
      schedule: retry.scheduleMs.map((ms) => formatDuration(ms)),
      max_delay: formatDuration(retry.maxDelayMs),
      jitter: retry.jitter,
    },
    on_client_error: subscription.onClientError,
    enabled: subscription.enabled,
    expires_at: isoTimeOrNull(subscription.expiresAt),
    suspended: suspendedView(subscription),
    created_at: isoTime(subscription.createdAt),
    updated_at: isoTime(subscription.updatedAt),
  };
}

function suspendedView({ suspended }: Subscription): z.input<typeof subscriptionOut>['suspended'] {
  if (suspended === undefined || suspended === null) return null;
  return { since: isoTime(suspended.at), reason: suspended.reason };
}

function changed(
  context: OperationContext,
  subscription: Subscription,
  change: z.output<typeof changeBody>,
): Subscription {
  return {
    ...subscription,
    name: keep(change.name, subscription.name),
    destinationId: keep(change.destination_id, subscription.destinationId),
    sources:
      change.sources === undefined ? subscription.sources : sourceIds(context, subscription, change.sources),
    types: keep(change.types, subscription.types),
    typeVersions: keep(change.type_versions, subscription.typeVersions ?? {}),
    filter: keep(change.filter, subscription.filter),
    sessionKey: keep(change.session_key, subscription.sessionKey),
    transform: keep(change.transform, subscription.transform),
    ordering: keep(change.ordering, subscription.ordering),
    delayMs: keep(change.delay, subscription.delayMs),
    deliveryExpiryMs: keep(change.delivery_expiry, subscription.deliveryExpiryMs),
    retry: keep(change.retry, subscription.retry),
    onClientError: keep(change.on_client_error, subscription.onClientError),
    enabled: keep(change.enabled, subscription.enabled),
    expiresAt: keep(change.expires_at, subscription.expiresAt),
    updatedAt: context.gateway.services.clock.now(),
  };
}

/** Sources may be named; what is kept is the id, so that renaming one changes nothing. */
function sourceIds(
  context: OperationContext,
  subscription: Subscription,
  wanted: readonly string[],
): string[] {
  const known = context.gateway.directory
    .list('source')
    .filter(({ tenant: of }) => of === subscription.tenant);
  const errors: FieldError[] = [];
  const ids = wanted.flatMap((text, index) => {
    const source = known.find((candidate) => candidate.id === text || candidate.name === text);
    if (source !== undefined) return [source.id];
    errors.push({ pointer: `/sources/${index}`, message: `there is no source "${text}"` });
    return [];
  });
  if (errors.length > 0) throw new Problem('validation_failed', 'unknown sources', { errors });
  return ids;
}

/** Everything that would make the subscription unusable, told now and not at the first event. */
function check(context: OperationContext, subscription: Subscription): Subscription {
  const { directory } = context.gateway;
  const destination = directory.destination(subscription.destinationId);
  if (destination === undefined || destination.tenant !== subscription.tenant) {
    const message = `there is no destination ${subscription.destinationId}`;
    throw new Problem('validation_failed', message, { errors: [{ pointer: '/destination_id', message }] });
  }
  const errors = context.gateway.eventTypeChecks.subscriptionMistakes(subscription);
  if (errors.length > 0) {
    throw new Problem('validation_failed', 'versions that cannot be delivered', { errors });
  }
  checkExpression(directory, subscription.filter, '/filter');
  checkExpression(directory, subscription.sessionKey, '/session_key');
  checkExpression(directory, subscription.transform, '/transform');
  return subscription;
}

const create = operation({
  name: 'subscriptions.create',
  method: 'POST',
  path: '/v1/subscriptions',
  scope: 'manage',
  summary: 'Create a subscription: which events go to which destination, under which policy',
  params: nothing,
  query: nothing,
  body: createBody,
  output: subscriptionOut,
  status: 201,
  run: async (context, { body }) => {
    const { services } = context.gateway;
    const now = services.clock.now();
    const blank: Subscription = {
      id: services.ids.make('sub'),
      tenant: tenantFor(context.caller.principal, body.tenant),
      name: body.name,
      destinationId: body.destination_id,
      sources: [],
      types: [],
      filter: null,
      sessionKey: null,
      transform: null,
      ordering: 'none',
      delayMs: 0,
      deliveryExpiryMs: null,
      retry: DEFAULT_RETRY_POLICY,
      onClientError: 'retry',
      enabled: true,
      expiresAt: null,
      createdAt: now,
      updatedAt: now,
    };
    const subscription = check(context, changed(context, blank, body));
    await context.gateway.settings.save('subscription', subscription, context.caller);
    return subscriptionView(subscription);
  },
});

const list = operation({
  name: 'subscriptions.list',
  method: 'GET',
  path: '/v1/subscriptions',
  scope: 'read',
  summary: 'List subscriptions, newest first',
  params: nothing,
  query: z.strictObject({ ...pageFields, tenant: tenant.optional(), destination: id.optional() }),
  body: nothing,
  output: listOf(subscriptionOut),
  status: 200,
  run: async (context, { query }) => {
    const subscriptions = settingsSeen('subscription', context, query.tenant).filter(
      ({ destinationId }) => query.destination === undefined || destinationId === query.destination,
    );
    return settingsList(subscriptions, query, subscriptionView);
  },
});

const shown = {
  kind: 'subscription',
  resource: 'subscriptions',
  output: subscriptionOut,
  view: subscriptionView,
} as const;
const get = getSetting(shown, 'Show a subscription');

const update = operation({
  name: 'subscriptions.update',
  method: 'PATCH',
  path: '/v1/subscriptions/{id}',
  scope: 'manage',
  summary: 'Change fields of a subscription; the others stay',
  params: idParams,
  query: nothing,
  body: changeBody,
  output: subscriptionOut,
  status: 200,
  run: async (context, { params, body }) => {
    const subscription = await context.gateway.settings.change(
      'subscription',
      params.id,
      context.caller,
      (before) => check(context, changed(context, before, body)),
    );
    return subscriptionView(subscription);
  },
});

const remove = removeSetting(shown, 'Delete a subscription; its unfinished deliveries are cancelled');

/** Operations on subscriptions: create, list, get, update, delete. */
export const subscriptionOperations = [create, list, get, update, remove];
