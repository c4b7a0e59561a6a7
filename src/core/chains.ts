import { type Event, headerValue } from '../domain/event.ts';
import type { OperatorEvents } from './operator-events.ts';
import type { Services } from './services.ts';

/** Carries on a delivery how often its event was delivered on by a gateway before, this time included. */
export const HOPS_HEADER = 'ringback-hops';

/** The operator is told of one place where chains end at most this often. */
const TELL_AGAIN_MS = 3_600_000;

/**
 * Ends chains of events that feed themselves: two subscriptions, gateways or agents that answer each other
 * would otherwise go on for ever, faster than anyone looks.
 *
 * Each delivery says how many there were before it, whoever brings it back says so again, and over the
 * limit an event is kept but owes nothing. It cannot end a chain that goes through something that drops
 * the count; a source's `dedupe` and a subscription's `filter` can.
 */
export class Chains {
  readonly #services: Services;
  readonly #events: OperatorEvents;
  readonly #maxHops: number;
  /** When it was last told, by where the event came from. */
  readonly #toldAt = new Map<string, number>();

  constructor(services: Services, events: OperatorEvents, maxHops: number) {
    this.#services = services;
    this.#events = events;
    this.#maxHops = maxHops;
  }

  /** The event, marked when its chain has gone on for too long. */
  judge(event: Event): Event {
    const { hops } = event.origin;
    if (hops === undefined || hops <= this.#maxHops) return event;
    return { ...event, origin: { ...event.origin, stopped: 'max_hops' } };
  }

  /** How far along a published event is: as its publisher says, and one more than what caused it. */
  async hopsOf(
    headers: readonly string[],
    cause: { readonly id: string; readonly tenant: string } | null,
  ): Promise<number> {
    const said = hopsIn(headers);
    if (cause === null) return said;
    const parent = await this.#services.store.queries.event(cause.id);
    if (parent === null || parent.tenant !== cause.tenant) return said;
    return Math.max(said, (parent.origin.hops ?? 0) + 1);
  }

  /** Tells the operator of an event that was marked and is now kept. */
  tell(event: Event): void {
    // Not by the name that a publisher gives: those are without number.
    const place = event.sourceId ?? `published:${event.tenant}`;
    const now = this.#services.clock.now();
    const toldAt = this.#toldAt.get(place);
    if (toldAt !== undefined && now - toldAt < TELL_AGAIN_MS) return;
    this.#toldAt.set(place, now);
    // Told at the limit itself: it is delivered from here, but a gateway that it loops to goes no further.
    this.#events.tell(
      'chain.stopped',
      event.tenant,
      event.sourceId ?? event.source,
      {
        event_id: event.id,
        event_type: event.type,
        source_id: event.sourceId,
        source: event.source,
        hops: event.origin.hops ?? 0,
        max_hops: this.#maxHops,
      },
      this.#maxHops,
    );
  }
}

/** What a request says of its chain; 0 for what is not a number that we would write. */
export function hopsIn(headers: readonly string[]): number {
  const text = headerValue(headers, HOPS_HEADER);
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : 0;
}
