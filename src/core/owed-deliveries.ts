import { matchCandidate } from '../domain/match.ts';
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

/** Where a delivery stands in its subscription's order. */
export interface OrderPlace {
  /** `null` = it goes as it can, because the event has no key or `error` says why none was found. */
  readonly key: string | null;
  readonly error: string | null;
}

/** `null` = the subscription asks for no order. Else by its session key, or by the event's key. */
export function orderPlaceOf(
  event: Event,
  { subscription, sessionKey }: Pick<ActiveSubscription, 'subscription' | 'sessionKey'>,
  input: ExpressionInput,
): OrderPlace | null {
  if (subscription.ordering === 'none') return null;
  if (sessionKey === null) return { key: keyOrNull(event.key), error: null };
  const result = sessionKey.evaluate(input);
  return result.ok ? { key: keyOrNull(result.value), error: null } : { key: null, error: result.error };
}

/** The name under which a delivery keeps its turn, within the subscription. `null` = it goes as it can. */
export function orderKeyOf(event: Event, active: ActiveSubscription, input: ExpressionInput): string | null {
  const key = orderPlaceOf(event, active, input)?.key ?? null;
  return key === null ? null : `${active.subscription.id}/${key}`;
}

const MAX_KEY_CHARS = 512;

function keyOrNull(value: unknown): string | null {
  if (value === null || value === undefined || value === '') return null;
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, MAX_KEY_CHARS);
}

/** Whether one of the directory's candidates for an event wants it. */
export function wants(event: Event, active: ActiveSubscription, input: ExpressionInput): boolean {
  const { filter } = active;
  return matchCandidate(
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
