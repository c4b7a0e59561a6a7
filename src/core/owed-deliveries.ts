import { matchSubscription } from '../domain/match.ts';
import type { Event } from '../domain/event.ts';
import type { NewDelivery } from '../ports/event-log.ts';
import type { ActiveSubscription, Directory } from './directory.ts';
import type { Dispatcher } from './dispatch.ts';
import { EventInput } from './expression-input.ts';
import type { Services } from './services.ts';

/** The deliveries that an event owes, decided by the settings as they are now. */
export class OwedDeliveries {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #dispatcher: Dispatcher;

  constructor(services: Services, directory: Directory, dispatcher: Dispatcher) {
    this.#services = services;
    this.#directory = directory;
    this.#dispatcher = dispatcher;
  }

  /** One delivery for each subscription that wants the event; leased at once where there is room. */
  plan(event: Event, parsed?: { readonly value: unknown }): NewDelivery[] {
    const input = new EventInput(event, parsed);
    const owed: NewDelivery[] = [];
    for (const active of this.#directory.candidates(event.tenant, event.sourceId, event.type)) {
      if (wants(event, active, input)) owed.push(this.#owe(event, active));
    }
    return owed;
  }

  #owe(event: Event, { subscription }: ActiveSubscription): NewDelivery {
    const destination = this.#directory.destination(subscription.destinationId);
    return {
      id: this.#services.ids.make('dlv'),
      subscriptionId: subscription.id,
      destinationId: subscription.destinationId,
      initial:
        destination === undefined || destination.state === 'disabled'
          ? { state: 'dead', reason: 'destination_disabled' }
          : this.#dispatcher.reserve(destination, event.body.byteLength),
    };
  }
}

export function wants(event: Event, active: ActiveSubscription, input: EventInput): boolean {
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
