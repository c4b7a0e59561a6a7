import type { Event } from './event.ts';
import type { Subscription } from './settings.ts';
import { typeMatches } from './type-pattern.ts';

/** Why a subscription did or did not take an event. */
export type MatchReason =
  | 'matched'
  | 'disabled'
  | 'expired'
  | 'source_differs'
  | 'type_differs'
  | 'filter_false'
  | 'filter_failed'
  | 'chain_stopped';

/** One subscription's answer to one event. */
export interface MatchVerdict {
  readonly matched: boolean;
  readonly reason: MatchReason;
  /** For `filter_failed`: what the filter could not do, e.g. a field that is not there. */
  readonly detail?: string;
}

/** A filter's answer about one event: yes, no, or why it could not be evaluated. */
export type FilterAnswer = { readonly value: boolean } | { readonly error: string };

/** Evaluates a compiled filter; called only when everything cheaper has said yes. */
export type FilterTest = () => FilterAnswer;

const MATCHED: MatchVerdict = { matched: true, reason: 'matched' };

/**
 * Whether `subscription` wants `event`: the cheap questions first, the filter last.
 *
 * A filter that cannot be evaluated (a field is absent, types differ) is a no that is explained:
 * delivering what the filter was meant to keep out would be worse than not delivering.
 */
export function matchSubscription(
  event: Pick<Event, 'sourceId' | 'type' | 'receivedAt'>,
  subscription: Subscription,
  testFilter: FilterTest | null,
): MatchVerdict {
  const ended = endedVerdict(event, subscription);
  if (ended !== null) return ended;
  if (!sourceMatches(event.sourceId, subscription)) return no('source_differs');
  if (!anyTypeMatches(event.type, subscription.types)) return no('type_differs');
  return filterVerdict(testFilter);
}

/** The rest of the match for a subscription that is known to be a candidate. */
export function matchCandidate(
  event: Pick<Event, 'receivedAt'>,
  subscription: Subscription,
  testFilter: FilterTest | null,
): MatchVerdict {
  return endedVerdict(event, subscription) ?? filterVerdict(testFilter);
}

function endedVerdict(
  { receivedAt }: Pick<Event, 'receivedAt'>,
  { enabled, expiresAt }: Subscription,
): MatchVerdict | null {
  if (!enabled) return no('disabled');
  return expiresAt !== null && expiresAt <= receivedAt ? no('expired') : null;
}

function filterVerdict(testFilter: FilterTest | null): MatchVerdict {
  if (testFilter === null) return MATCHED;
  const answer = testFilter();
  if ('error' in answer) return { matched: false, reason: 'filter_failed', detail: answer.error };
  return answer.value ? MATCHED : no('filter_false');
}

/** The part of the match that depends on source and type alone, so that its result can be cached. */
export function isCandidate(sourceId: string | null, type: string, subscription: Subscription): boolean {
  return sourceMatches(sourceId, subscription) && anyTypeMatches(type, subscription.types);
}

function sourceMatches(sourceId: string | null, subscription: Subscription): boolean {
  if (subscription.sources.length === 0) return true;
  return sourceId !== null && subscription.sources.includes(sourceId);
}

function anyTypeMatches(type: string, patterns: readonly string[]): boolean {
  return patterns.length === 0 || patterns.some((pattern) => typeMatches(pattern, type));
}

function no(reason: MatchReason): MatchVerdict {
  return { matched: false, reason };
}
