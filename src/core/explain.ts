import type { Attempt, Delivery } from '../domain/delivery.ts';
import type { LoggedEvent } from '../domain/event.ts';
import { matchSubscription, type MatchVerdict } from '../domain/match.ts';
import type { Subscription } from '../domain/settings.ts';
import type { Duplicate, Replay } from '../domain/records.ts';
import type { DestinationHealth } from './destination-health.ts';
import type { Directory } from './directory.ts';
import type { Conversion, EventViews } from './event-views.ts';
import { type Hold, holdsOf, holdsWithin, suspensionsOf } from './holds.ts';
import { filterAnswer, type OrderPlace, orderPlaceOf } from './owed-deliveries.ts';
import type { Services } from './services.ts';

export interface ConsideredSubscription {
  readonly subscription: Subscription;
  readonly verdict: MatchVerdict;
  /** To the version that the subscription asks for, by the catalogue as it is now; `null` = none is needed. */
  readonly conversion: Conversion | null;
  /** `null` = it did not take the event, or asks for no order. */
  readonly order: OrderPlace | null;
}

/** One delivery with all that was done for it, and when nothing was. */
export interface ExplainedDelivery {
  readonly delivery: Delivery;
  readonly attempts: readonly Attempt[];
  /** Times of its life in which its destination or its subscription was held. */
  readonly held: readonly Hold[];
}

/** By what a repetition of the event would be recognised, and whether it still would be. */
export interface DedupeExplanation {
  readonly key: string;
  readonly by: 'provider_event_id' | 'expression' | 'body' | 'publisher_event_id' | 'idempotency_key';
  /** False once the window has passed. */
  readonly held: boolean;
}

/** A request that repeated the event, and by what that was seen. */
export interface ExplainedDuplicate extends Duplicate {
  readonly by: DedupeExplanation['by'];
}

export interface Explanation {
  readonly event: LoggedEvent;
  readonly dedupe: DedupeExplanation | null;
  readonly duplicates: { readonly count: number; readonly newest: readonly ExplainedDuplicate[] };
  readonly considered: readonly ConsideredSubscription[];
  readonly deliveries: readonly ExplainedDelivery[];
  readonly replays: readonly Replay[];
  readonly children: readonly LoggedEvent[];
}

const MOST = 200;
/** Replays of one event that are told of, the newest. */
const MOST_REPLAYS = 50;

/**
 * Answers "why": how an event got in, what each subscription of that time said to it, and what became
 * of its deliveries. The match is computed again from the settings as they were when it was accepted.
 */
export class Explain {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #health: DestinationHealth;
  readonly #views: EventViews;

  constructor(services: Services, directory: Directory, health: DestinationHealth, views: EventViews) {
    this.#views = views;
    this.#services = services;
    this.#directory = directory;
    this.#health = health;
  }

  async event(event: LoggedEvent): Promise<Explanation> {
    const { queries, settings } = this.#services.store;
    const page = { limit: MOST, before: null };
    const subscriptions = await settings.asOf('subscription', event.settingsVersion);
    const { items } = await queries.deliveries({ eventId: event.id }, page);
    return {
      event,
      dedupe: await this.#dedupe(event),
      duplicates: await this.#duplicates(event),
      considered: this.consider(event, subscriptions),
      deliveries: await this.#deliveries(items.toReversed()),
      replays: await this.#replays(items),
      children: await this.#children(event),
    };
  }

  async #deliveries(deliveries: readonly Delivery[]): Promise<ExplainedDelivery[]> {
    const { queries } = this.#services.store;
    const destinations = new Map(deliveries.map(({ destinationId: id, tenant }) => [id, { id, tenant }]));
    const holds = new Map(
      await Promise.all(
        Array.from(
          destinations.values(),
          async (destination) =>
            [destination.id, await holdsOf(destination, this.#services, this.#health)] as const,
        ),
      ),
    );
    const subscriptionIds = new Set(
      deliveries.flatMap(({ subscriptionId: id }) => (id === null ? [] : [id])),
    );
    const suspensions = new Map(
      await Promise.all(
        Array.from(subscriptionIds, async (id) => [id, await suspensionsOf(id, this.#services)] as const),
      ),
    );
    const now = this.#services.clock.now();
    return Promise.all(
      deliveries.map(async (delivery) => {
        const isOpen = delivery.state === 'pending' || delivery.state === 'leased';
        const until = isOpen ? now : delivery.updatedAt;
        const all = [
          ...(holds.get(delivery.destinationId) ?? []),
          ...(suspensions.get(delivery.subscriptionId ?? '') ?? []),
        ].toSorted((left, right) => left.from - right.from);
        return {
          delivery,
          attempts: await queries.attempts(delivery.id),
          held: holdsWithin(all, delivery.createdAt, until),
        };
      }),
    );
  }

  async #replays(deliveries: readonly Delivery[]): Promise<Replay[]> {
    const ids = new Set(deliveries.flatMap(({ replayId }) => (replayId === null ? [] : [replayId])));
    const { queries } = this.#services.store;
    const found = await Promise.all([...ids].slice(0, MOST_REPLAYS).map((id) => queries.replay(id)));
    return found.filter((replay) => replay !== null).toReversed();
  }

  /** Those that name it as their cause: in its chain, or in the one that begins with it. */
  async #children(event: LoggedEvent): Promise<LoggedEvent[]> {
    const { queries } = this.#services.store;
    const chains = new Set([event.correlationId ?? event.id, event.id]);
    const pages = await Promise.all(
      Array.from(chains, (correlationId) =>
        queries.events({ tenant: event.tenant, correlationId }, { limit: MOST, before: null }),
      ),
    );
    return pages
      .flatMap(({ items }) => items)
      .filter((child) => child.causationId === event.id)
      .toSorted((left, right) => right.seq - left.seq);
  }

  async #dedupe(event: LoggedEvent): Promise<DedupeExplanation | null> {
    const { dedupeKey: key } = event.origin;
    if (key === null) return null;
    const by = dedupedBy(event, key);
    const scope =
      by === 'idempotency_key'
        ? `idempotency:${event.tenant}`
        : (event.sourceId ?? `publish:${event.tenant}:${event.source}`);
    const holder = await this.#services.store.queries.dedupeHolder(scope, key);
    return { key, by, held: holder === event.id };
  }

  async #duplicates(event: LoggedEvent): Promise<Explanation['duplicates']> {
    const { count, newest } = await this.#services.store.queries.duplicates(event.id);
    return { count, newest: newest.map((one) => ({ ...one, by: repeatedBy(event, one) })) };
  }

  /** What each subscription of the event's tenant says to it. */
  consider(event: LoggedEvent, subscriptions: readonly Subscription[]): ConsideredSubscription[] {
    const input = this.#views.of(event);
    return subscriptions
      .filter((subscription) => subscription.tenant === event.tenant)
      .map((subscription) => {
        const filter = this.#directory.evaluable(subscription.filter);
        const seen = this.#views.seenBy(subscription, event, input);
        const test = filter === null ? null : () => filterAnswer(filter.evaluate(seen));
        const verdict = stoppedVerdict(event, matchSubscription(event, subscription, test));
        const sessionKey = this.#directory.evaluable(subscription.sessionKey);
        return {
          subscription,
          verdict,
          conversion: this.#views.conversion(subscription, event, input),
          order: verdict.matched ? orderPlaceOf(event, { subscription, sessionKey }, seen) : null,
        };
      });
  }
}

function dedupedBy(event: LoggedEvent, key: string): DedupeExplanation['by'] {
  if (event.sourceId === null) return key === event.externalId ? 'publisher_event_id' : 'idempotency_key';
  if (key === event.externalId) return 'provider_event_id';
  return key.startsWith('body:') ? 'body' : 'expression';
}

/** Of a publisher's two names for an event the repetition may have had another key, and the same id. */
function repeatedBy(event: LoggedEvent, { idempotencyKey }: Duplicate): DedupeExplanation['by'] {
  const { dedupeKey } = event.origin;
  const isSameKey = idempotencyKey !== null && idempotencyKey === dedupeKey;
  if (event.sourceId === null && !isSameKey) return 'publisher_event_id';
  return dedupedBy(event, dedupeKey ?? '');
}

/** What would have taken the event did not, when its chain had gone on for too long. */
function stoppedVerdict(event: LoggedEvent, verdict: MatchVerdict): MatchVerdict {
  if (!verdict.matched || event.origin.stopped === undefined) return verdict;
  const detail = `after ${event.origin.hops ?? 0} deliveries in a row its chain was ended`;
  return { matched: false, reason: 'chain_stopped', detail };
}
