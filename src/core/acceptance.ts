import type { Event } from '../domain/event.ts';
import { Problem } from '../domain/problem.ts';
import type { Duplicate } from '../domain/records.ts';
import type {
  Appended,
  AppendRequest,
  DedupeClaim,
  LeasedDelivery,
  NewDelivery,
} from '../ports/event-log.ts';
import type { Chains } from './chains.ts';
import type { Dispatcher } from './dispatch.ts';
import type { Duplicates } from './duplicates.ts';
import type { OwedDeliveries } from './owed-deliveries.ts';
import type { Services } from './services.ts';

/** An event that is about to be kept, with its body as JSON where someone has parsed it. */
export interface IncomingEvent {
  readonly event: Event;
  readonly parsed: { readonly value: unknown } | undefined;
}

/** What came of one accepted event. */
export interface Accepted {
  readonly eventId: string;
  readonly duplicate: boolean;
  readonly deliveries: number;
}

/**
 * The promise of the product: event, de-duplication key and all deliveries in one commit, and only then
 * an answer. Ingest and publish both end here.
 */
export class Acceptance {
  readonly #services: Services;
  readonly #owed: OwedDeliveries;
  readonly #dispatcher: Dispatcher;
  readonly #chains: Chains;
  readonly #duplicates: Duplicates;
  readonly #listeners = new Set<() => void>();

  constructor(
    services: Services,
    owed: OwedDeliveries,
    dispatcher: Dispatcher,
    chains: Chains,
    duplicates: Duplicates,
  ) {
    this.#duplicates = duplicates;
    this.#chains = chains;
    this.#services = services;
    this.#owed = owed;
    this.#dispatcher = dispatcher;
  }

  /** Keeps one event. Rejects with a `Problem` when it could not be kept: nothing was answered yet. */
  async accept(
    incoming: IncomingEvent,
    dedupe: DedupeClaim | null,
    provider: string,
    idempotency?: DedupeClaim,
  ): Promise<Accepted> {
    const planned = this.#request(incoming, dedupe);
    const request = idempotency === undefined ? planned : { ...planned, idempotency };
    let appended: Appended;
    try {
      appended = await this.#services.store.log.append(request);
    } catch (error) {
      throw this.#notKept([request], error);
    }
    return this.#appended(request, appended, provider);
  }

  /** Keeps all of them or none. */
  async acceptAll(
    incoming: readonly { readonly event: IncomingEvent; readonly dedupe: DedupeClaim | null }[],
    provider: string,
  ): Promise<Accepted[]> {
    const requests = incoming.map(({ event, dedupe }) => this.#request(event, dedupe));
    let appended: readonly Appended[];
    try {
      appended = await this.#services.store.log.appendAll(requests);
    } catch (error) {
      throw this.#notKept(requests, error);
    }
    return requests.map((request, index) => {
      const result = appended[index];
      if (result === undefined) throw new Error('the store answered fewer appends than it was given');
      return this.#appended(request, result, provider);
    });
  }

  /** Calls `listener` after each commit that added an event. Returns how to stop that. */
  onAppended(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Another node has added events: who follows the log has something to read. */
  appendedElsewhere(): void {
    for (const listener of this.#listeners) listener();
  }

  #request(incoming: IncomingEvent, dedupe: DedupeClaim | null): AppendRequest {
    const event = this.#chains.judge(incoming.event);
    const isStopped = event.origin.stopped !== undefined;
    return { event, dedupe, deliveries: isStopped ? [] : this.#owed.plan(event, incoming.parsed) };
  }

  #appended(request: AppendRequest, appended: Appended, provider: string): Accepted {
    const { event, deliveries } = request;
    if (appended.duplicate) {
      this.#release(request);
      this.#services.metrics.eventDuplicate(provider);
      if (appended.conflict) {
        throw new Problem(
          'idempotency_conflict',
          `the key was used for another request: ${appended.eventId}`,
        );
      }
      this.#services.log.info('event.duplicate', {
        event_id: appended.eventId,
        request_id: event.origin.requestId,
        source: event.source,
      });
      this.#duplicates.note(appended.eventId, asDuplicate(event), event.sourceId ?? `api:${event.tenant}`);
      return { eventId: appended.eventId, duplicate: true, deliveries: 0 };
    }
    const durationMs = this.#services.clock.now() - event.receivedAt;
    this.#services.metrics.eventAccepted(provider, event.body.byteLength, durationMs);
    this.#services.log.info('event.accepted', {
      event_id: event.id,
      request_id: event.origin.requestId,
      type: event.type,
      source: event.source,
      tenant: event.tenant,
      body_bytes: event.body.byteLength,
      deliveries: deliveries.length,
      duration_ms: durationMs,
    });
    for (const delivery of deliveries) this.#dispatcher.written(delivery, () => lease(event, delivery));
    for (const listener of this.#listeners) listener();
    if (event.origin.stopped !== undefined) this.#chains.tell(event);
    return { eventId: event.id, duplicate: false, deliveries: deliveries.length };
  }

  #release({ event, deliveries }: AppendRequest): void {
    for (const delivery of deliveries) this.#dispatcher.unreserve(delivery, event.body.byteLength);
  }

  /** Lets go of the places reserved. Our own failures are 503, never 4xx, so that the sender tries again. */
  #notKept(requests: readonly AppendRequest[], error: unknown): Problem {
    for (const request of requests) this.#release(request);
    if (error instanceof Problem) return error;
    this.#services.log.error('append.failed', {}, error);
    return new Problem('store_unavailable', 'the event could not be stored', {
      retryAfterS: 5,
      cause: error,
    });
  }
}

/** What is kept of the request of an event that was not written, for it was there already. */
function asDuplicate({ receivedAt, sourceId, externalId, origin }: Event): Duplicate {
  const { requestId, remoteAddress, dedupeKey, verification } = origin;
  return {
    requestId,
    at: receivedAt,
    remoteAddress,
    principal: verification.principal ?? null,
    idempotencyKey: sourceId === null && dedupeKey !== externalId ? dedupeKey : null,
  };
}

function lease(event: Event, delivery: NewDelivery): LeasedDelivery {
  if (delivery.initial.state !== 'leased') throw new Error('only a leased delivery can be attempted');
  return {
    id: delivery.id,
    tenant: event.tenant,
    subscriptionId: delivery.subscriptionId,
    destinationId: delivery.destinationId,
    createdAt: event.receivedAt,
    replayOf: null,
    attempt: 1,
    token: delivery.initial.token,
    leaseUntil: delivery.initial.leaseUntil,
    event,
  };
}
