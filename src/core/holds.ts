import { isRecord } from '../domain/json-record.ts';
import type { LoggedEvent } from '../domain/event.ts';
import type { SettingKind } from '../domain/settings.ts';
import type { SettingVersion } from '../ports/store.ts';
import type { DestinationHealth } from './destination-health.ts';
import { parseJson } from './expression-input.ts';
import { OPERATOR_SOURCE } from './operator-events.ts';
import type { Services } from './services.ts';

/** A time in which nothing was attempted for a destination, and who or what wanted it so. */
export interface Hold {
  readonly what: 'paused' | 'disabled' | 'breaker_open' | 'suspended';
  readonly from: number;
  /** `null` = it lasts. */
  readonly until: number | null;
  readonly reason: string | null;
  /** Id of the API key that did it, or `gateway` for what it did by itself. */
  readonly by: string;
}

/** Versions and breaker events looked at: the newest, far more than one delivery lives through. */
const MOST = 500;

const GATEWAY = 'gateway';

/**
 * When a destination was held, from what is on disk: the audit log says who paused or disabled it, the
 * operator events say when its breaker opened and closed. Oldest first.
 */
export async function holdsOf(
  destination: { readonly id: string; readonly tenant: string },
  services: Services,
  health: DestinationHealth,
): Promise<Hold[]> {
  const { queries, settings } = services.store;
  const [versions, told] = await Promise.all([
    settings.history('destination', destination.id, MOST),
    // Operator events carry the id of what they are about as correlation id, and that has an index.
    queries.events(
      { tenant: destination.tenant, correlationId: destination.id, source: OPERATOR_SOURCE },
      { limit: MOST, before: null },
    ),
  ]);
  const byHand = stateHolds(versions.toReversed());
  const enabledAt = byHand.flatMap(({ until }) => (until === null ? [] : [until]));
  const isOpen = health.breaker(destination.id).state(services.clock.now()) !== 'closed';
  // A breaker lives in memory: one that was open when the process ended has ended with it.
  const ends = isOpen ? enabledAt : [...enabledAt, health.startedAt];
  return [...byHand, ...breakerHolds(told.items.toReversed(), ends)].toSorted(
    (left, right) => left.from - right.from,
  );
}

/** When what a subscription is owed was held, oldest first. */
export async function suspensionsOf(subscriptionId: string, services: Services): Promise<Hold[]> {
  const versions = await services.store.settings.history('subscription', subscriptionId, MOST);
  return intervals(versions.toReversed(), ({ change, setting }) => {
    const suspended = setting?.suspended ?? null;
    return suspended === null
      ? null
      : { what: 'suspended', from: change.at, until: null, reason: suspended.reason, by: change.principal };
  });
}

/** Those that have something of the time between the two in them. */
export function holdsWithin(holds: readonly Hold[], from: number, until: number): Hold[] {
  return holds.filter((hold) => hold.from <= until && (hold.until === null || hold.until >= from));
}

function stateHolds(versions: readonly SettingVersion<'destination'>[]): Hold[] {
  return intervals(versions, ({ change, setting }) => {
    if (setting === null || setting.state === 'enabled') return null;
    const { state, stateReason } = setting;
    return { what: state, from: change.at, until: null, reason: stateReason, by: change.principal };
  });
}

/** Versions, oldest first, as the times in which something was held; versions that change nothing of it are one. */
function intervals<Kind extends SettingKind>(
  versions: readonly SettingVersion<Kind>[],
  holdOf: (version: SettingVersion<Kind>) => Hold | null,
): Hold[] {
  const holds: Hold[] = [];
  for (const version of versions) {
    const hold = holdOf(version);
    const last = holds.at(-1);
    const open = last?.until === null ? last : null;
    if ((hold?.what ?? null) === (open?.what ?? null)) continue;
    if (open !== null) holds[holds.length - 1] = { ...open, until: version.change.at };
    if (hold !== null) holds.push(hold);
  }
  return holds;
}

/** `ends`: times at which any breaker that was open then was closed, whatever was told. */
function breakerHolds(told: readonly LoggedEvent[], ends: readonly number[]): Hold[] {
  const changes = told.filter(({ type }) => type === 'breaker.opened' || type === 'breaker.closed');
  return changes.flatMap((event, index): Hold[] => {
    if (event.type !== 'breaker.opened') return [];
    const next = changes[index + 1]?.receivedAt;
    const ended = ends.filter((at) => at > event.receivedAt);
    const candidates = next === undefined ? ended : [...ended, next];
    const until = candidates.length === 0 ? null : Math.min(...candidates);
    return [{ what: 'breaker_open', from: event.receivedAt, until, reason: errorOf(event), by: GATEWAY }];
  });
}

function errorOf(event: LoggedEvent): string | null {
  const body = parseJson(event.body);
  const data = isRecord(body) && isRecord(body['data']) ? body['data'] : {};
  return typeof data['error'] === 'string' ? data['error'] : null;
}
