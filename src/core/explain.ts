import type { Attempt, Delivery } from '../domain/delivery.ts';
import type { LoggedEvent } from '../domain/event.ts';
import { matchSubscription, type MatchVerdict } from '../domain/match.ts';
import type { Subscription } from '../domain/settings.ts';
import type { Directory } from './directory.ts';
import { EventInput } from './expression-input.ts';
import { filterAnswer } from './owed-deliveries.ts';
import type { Services } from './services.ts';

export interface ConsideredSubscription {
  readonly subscription: Subscription;
  readonly verdict: MatchVerdict;
}

export interface Explanation {
  readonly event: LoggedEvent;
  readonly considered: readonly ConsideredSubscription[];
  readonly deliveries: readonly { readonly delivery: Delivery; readonly attempts: readonly Attempt[] }[];
  readonly children: readonly LoggedEvent[];
}

const MOST = 200;

/**
 * Answers "why": how an event got in, what each subscription of that time said to it, and what became
 * of its deliveries. The match is computed again from the settings as they were when it was accepted.
 */
export class Explain {
  readonly #services: Services;
  readonly #directory: Directory;

  constructor(services: Services, directory: Directory) {
    this.#services = services;
    this.#directory = directory;
  }

  async event(event: LoggedEvent): Promise<Explanation> {
    const { queries, settings } = this.#services.store;
    const page = { limit: MOST, before: null };
    const subscriptions = await settings.asOf('subscription', event.settingsVersion);
    const { items } = await queries.deliveries({ eventId: event.id }, page);
    const deliveries = await Promise.all(
      items.map(async (delivery) => ({ delivery, attempts: await queries.attempts(delivery.id) })),
    );
    const chain = { tenant: event.tenant, correlationId: event.correlationId ?? event.id };
    const chained = await queries.events(chain, page);
    return {
      event,
      considered: this.consider(event, subscriptions),
      deliveries: deliveries.toReversed(),
      children: chained.items.filter((child) => child.causationId === event.id),
    };
  }

  /** What each subscription of the event's tenant says to it. */
  consider(event: LoggedEvent, subscriptions: readonly Subscription[]): ConsideredSubscription[] {
    const input = new EventInput(event);
    return subscriptions
      .filter((subscription) => subscription.tenant === event.tenant)
      .map((subscription) => {
        const filter = this.#directory.evaluable(subscription.filter);
        const test = filter === null ? null : () => filterAnswer(filter.evaluate(input));
        return { subscription, verdict: matchSubscription(event, subscription, test) };
      });
  }
}
