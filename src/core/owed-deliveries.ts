import { matchSubscription } from '../domain/match.ts';
import { SUBSCRIPTION_SUSPENDED } from '../domain/delivery.ts';
import type { Event } from '../domain/event.ts';
import type { Subscription } from '../domain/settings.ts';
import type { NewDelivery } from '../ports/event-log.ts';
import type { ExpressionInput } from '../ports/expressions.ts';
import type { ActiveSubscription, Directory } from './directory.ts';
import type { Dispatcher } from './dispatch.ts';
import type { EventViews } from './event-views.ts';
import type { Services } from './services.ts';

/** The deliveries that an event owes, decided by the settings as they are now. */
export class OwedDeliveries {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #dispatcher: Dispatcher;
  readonly #views: EventViews;

  constructor(services: Services, directory: Directory, dispatcher: Dispatcher, views: EventViews) {
    this.#services = services;
    this.#directory = directory;
    this.#dispatcher = dispatcher;
    this.#views = views;
  }

  /** One delivery for each subscription that wants the event; leased at once where there is room. */
  plan(event: Event, parsed?: { readonly value: unknown }): NewDelivery[] {
    const input = this.#views.of(event, parsed);
    const owed: NewDelivery[] = [];
    for (const active of this.#directory.candidates(event.tenant, event.sourceId, event.type)) {
      const seen = this.#views.seenBy(active.subscription, event, input);
      if (wants(event, active, seen)) owed.push(this.#owe(event, active, seen));
    }
    return owed;
  }

  #owe(event: Event, active: ActiveSubscription, input: ExpressionInput): NewDelivery {
    const { subscription } = active;
    const orderKey = orderKeyOf(event, active, input);
    return {
      id: this.#services.ids.make('dlv'),
      subscriptionId: subscription.id,
      destinationId: subscription.destinationId,
      initial: this.#initial(event, subscription, orderKey !== null),
      ...(orderKey === null ? {} : { orderKey }),
    };
  }

  #initial(event: Event, subscription: Subscription, isOrdered: boolean): NewDelivery['initial'] {
    const destination = this.#directory.destination(subscription.destinationId);
    if (destination === undefined || destination.state === 'disabled') {
      return { state: 'dead', reason: 'destination_disabled' };
    }
    if ((subscription.suspended ?? null) !== null) {
      return { state: 'pending', dueAt: null, reason: SUBSCRIPTION_SUSPENDED };
    }
    // Only the store knows whether an earlier one of the key is unfinished, so an ordered delivery is
    // found by a claim; a delayed one has time for that anyway.
    if (isOrdered || subscription.delayMs > 0) {
      return { state: 'pending', dueAt: this.#services.clock.now() + subscription.delayMs };
    }
    return this.#dispatcher.reserve(destination, event.body.byteLength);
  }
}

/**
 * The name under which a delivery keeps its turn: the subscription's session key, else the event's key,
 * within the subscription. `null` = it goes as it can: nothing is ordered, or the event has no key.
 */
export function orderKeyOf(event: Event, active: ActiveSubscription, input: ExpressionInput): string | null {
  const { subscription, sessionKey } = active;
  if (subscription.ordering === 'none') return null;
  const key = sessionKey === null ? event.key : textOrNull(sessionKey.evaluate(input));
  return key === null || key === '' ? null : `${subscription.id}/${key.slice(0, MAX_KEY_CHARS)}`;
}

const MAX_KEY_CHARS = 512;

function textOrNull(result: { ok: true; value: unknown } | { ok: false; error: string }): string | null {
  if (!result.ok || result.value === null || result.value === undefined) return null;
  return typeof result.value === 'string' ? result.value : JSON.stringify(result.value);
}

export function wants(event: Event, active: ActiveSubscription, input: ExpressionInput): boolean {
  const { filter } = active;
  return matchSubscription(
    event,
    active.subscription,
    filter === null ? null : () => filterAnswer(filter.evaluate(input)),
  ).matched;
}

/** A filter's result as an answer: anything but true or false is a mistake that is told. */
export function filterAnswer(result: { ok: true; value: unknown } | { ok: false; error: string }) {
  if (!result.ok) return { error: result.error };
  if (typeof result.value === 'boolean') return { value: result.value };
  return { error: `the filter gave ${typeof result.value}, not true or false` };
}
