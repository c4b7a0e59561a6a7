import { z } from 'zod';
import type { Destination } from '../domain/settings.ts';
import { formatDuration } from '../domain/units.ts';
import type { DestinationBacklog } from '../ports/queries.ts';
import { id, instant, isoTime, isoTimeOrNull, nothing, tenant } from './fields.ts';
import { operation, type OperationContext } from './operation.ts';
import { tenantFilter } from './tenancy.ts';

const stuckOut = z.object({
  what: z.enum(['destination', 'subscription', 'source']),
  id,
  name: z.string(),
  problem: z
    .enum(['disabled', 'paused', 'breaker_open', 'failing', 'backlog', 'expired', 'suspended', 'silent'])
    .describe('the gravest thing that is wrong with it'),
  since: instant.nullable(),
  why: z.string(),
  fix: z.string(),
  command: z.string().nullable().describe('what lets it go, as a command; null when nobody can from here'),
  pending: z.int().nullable(),
});

type Stuck = z.input<typeof stuckOut>;
type Trouble = Pick<Stuck, 'problem' | 'since' | 'why' | 'fix' | 'command'>;

/** Deliveries that are overdue by less than this are on their way, not stuck. */
const OVERDUE_MS = 60_000;

/** What is wrong with a destination, the gravest first; `null` when nothing is. */
function destinationTrouble(
  context: OperationContext,
  destination: Destination,
  backlog: DestinationBacklog | undefined,
): Trouble | null {
  const { health, services } = context.gateway;
  const now = services.clock.now();
  const changedAt = isoTime(destination.stateChangedAt);
  const reason = destination.stateReason ?? destination.state;
  if (destination.state === 'disabled') {
    const fix = 'mend the receiver, then enable the destination and replay what is dead';
    const command = `ringback destinations enable ${destination.id}`;
    return { problem: 'disabled', since: changedAt, why: reason, fix, command };
  }
  if (destination.state === 'paused') {
    const command = `ringback destinations resume ${destination.id}`;
    return { problem: 'paused', since: changedAt, why: reason, fix: 'resume the destination', command };
  }
  const failingSince = health.failingSince(destination.id);
  const breaker = health.breaker(destination.id);
  if (breaker.state(now) !== 'closed') {
    const nextProbe = isoTimeOrNull(breaker.waitsUntil(now)) ?? 'now';
    const why = `it keeps failing; the next try is at ${nextProbe}`;
    const fix = 'mend the receiver: deliveries go on by themselves; enabling it tries at once';
    const command = `ringback destinations enable ${destination.id}`;
    return { problem: 'breaker_open', since: isoTimeOrNull(failingSince), why, fix, command };
  }
  if (failingSince !== null) {
    const why = 'no attempt has succeeded since then';
    const fix = 'look at its deliveries to see what it answers';
    const command = `ringback deliveries list --destination ${destination.id} --state pending`;
    return { problem: 'failing', since: isoTime(failingSince), why, fix, command };
  }
  const oldest = backlog?.oldestDueAt ?? null;
  if (oldest === null || now - oldest < OVERDUE_MS) return null;
  const why = 'deliveries come in faster than it takes them';
  const fix = 'raise max_in_flight or rate_limit, or make the receiver faster';
  const { rateLimit } = destination;
  if (rateLimit !== null) {
    const rate = `{"limit":${rateLimit.limit * 2},"period":"${formatDuration(rateLimit.periodMs)}"}`;
    const command = `ringback destinations update ${destination.id} --rate-limit '${rate}'`;
    return { problem: 'backlog', since: isoTime(oldest), why, fix, command };
  }
  const more = Math.min(1_000, destination.maxInFlight * 2);
  const command = `ringback destinations update ${destination.id} --max-in-flight ${more}`;
  return { problem: 'backlog', since: isoTime(oldest), why, fix, command };
}

function stuckDestinations(
  context: OperationContext,
  of: string | undefined,
  backlogs: readonly DestinationBacklog[],
): Stuck[] {
  const byId = new Map(backlogs.map((backlog) => [backlog.destinationId, backlog]));
  return context.gateway.directory
    .list('destination')
    .filter((destination) => of === undefined || destination.tenant === of)
    .flatMap((destination): Stuck[] => {
      const backlog = byId.get(destination.id);
      const trouble = destinationTrouble(context, destination, backlog);
      if (trouble === null) return [];
      const { id: destinationId, name } = destination;
      return [{ what: 'destination', id: destinationId, name, pending: backlog?.pending ?? 0, ...trouble }];
    });
}

function switchedOff(context: OperationContext, of: string | undefined): Stuck[] {
  const { directory } = context.gateway;
  const off = (what: 'subscription' | 'source') =>
    directory
      .list(what)
      .filter((setting) => !setting.enabled && (of === undefined || setting.tenant === of))
      .map((setting): Stuck => ({
        what,
        id: setting.id,
        name: setting.name,
        problem: 'disabled',
        since: isoTime(setting.updatedAt),
        why: 'switched off by an operator',
        fix: `enable the ${what}`,
        command: `ringback ${what}s update ${setting.id} --enabled`,
        pending: null,
      }));
  return [
    ...off('source'),
    ...off('subscription'),
    ...expired(context, of),
    ...suspended(context, of),
    ...silent(context, of),
  ];
}

/** Sources that have brought nothing for longer than they say they would. */
function silent(context: OperationContext, of: string | undefined): Stuck[] {
  const { directory, silence } = context.gateway;
  return directory.list('source').flatMap((source): Stuck[] => {
    const since = silence.silentSince(source);
    if (since === null || (of !== undefined && source.tenant !== of)) return [];
    return [
      {
        what: 'source',
        id: source.id,
        name: source.name,
        problem: 'silent',
        since: isoTime(since),
        why: `it has brought nothing since, and expect_every is ${formatDuration(source.expectEveryMs ?? 0)}`,
        fix: 'look whether its requests are refused; else look at the sender',
        command: `ringback rejections list --source ${source.id}`,
        pending: null,
      },
    ];
  });
}

/** Subscriptions of which everything is held. */
function suspended(context: OperationContext, of: string | undefined): Stuck[] {
  return context.gateway.directory.list('subscription').flatMap((subscription): Stuck[] => {
    const { id: subscriptionId, name, suspended: hold } = subscription;
    if (hold === undefined || hold === null || (of !== undefined && subscription.tenant !== of)) return [];
    const byItself = hold.reason === 'failing_for_an_hour';
    return [
      {
        what: 'subscription',
        id: subscriptionId,
        name,
        problem: 'suspended',
        since: isoTime(hold.at),
        why: byItself ? 'more than 95 % of its attempts failed over an hour' : hold.reason,
        fix: 'mend the receiver, the filter or the transform, then resume it: what was held goes out',
        command: `ringback subscriptions resume ${subscriptionId}`,
        pending: null,
      },
    ];
  });
}

/** Subscriptions that take nothing any more although nobody switched them off. */
function expired(context: OperationContext, of: string | undefined): Stuck[] {
  const { directory, services } = context.gateway;
  const now = services.clock.now();
  return directory.list('subscription').flatMap((subscription): Stuck[] => {
    const { id: subscriptionId, name, expiresAt, enabled } = subscription;
    if (!enabled || expiresAt === null || expiresAt > now) return [];
    if (of !== undefined && subscription.tenant !== of) return [];
    return [
      {
        what: 'subscription',
        id: subscriptionId,
        name,
        problem: 'expired',
        since: isoTime(expiresAt),
        why: 'its expires_at has passed, so it takes no new events',
        fix: 'give it a later expires_at, or delete it',
        command: `ringback subscriptions update ${subscriptionId} --expires-at 30d`,
        pending: null,
      },
    ];
  });
}

const show = operation({
  name: 'status.show',
  method: 'GET',
  path: '/v1/status',
  scope: 'read',
  summary: 'Show what is stuck, since when, why, and what to do about it',
  params: nothing,
  query: z.strictObject({ tenant: tenant.optional() }),
  body: nothing,
  output: z.object({
    status: z.enum(['ok', 'attention']),
    stuck: z.array(stuckOut),
    pending: z.int().describe('deliveries that wait for their turn'),
    in_flight: z.int(),
    checked_at: instant,
  }),
  status: 200,
  run: async (context, { query }) => {
    const { services, dispatcher, directory } = context.gateway;
    const of = tenantFilter(context.caller.principal, query.tenant).tenant;
    const backlogs = (await services.store.queries.backlogs()).filter(
      ({ destinationId }) => of === undefined || directory.destination(destinationId)?.tenant === of,
    );
    const stuck = [...stuckDestinations(context, of, backlogs), ...switchedOff(context, of)];
    return {
      status: stuck.length === 0 ? ('ok' as const) : ('attention' as const),
      stuck,
      pending: backlogs.reduce((sum, { pending }) => sum + pending, 0),
      in_flight: of === undefined ? dispatcher.load().inFlight : 0,
      checked_at: isoTime(services.clock.now()),
    };
  },
});

/** The answer to "what is stuck, since when, and why?". */
export const statusOperations = [show];
