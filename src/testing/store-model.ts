import type { AttemptOutcome, DeliveryState } from '../domain/delivery.ts';
import type { Event } from '../domain/event.ts';
import type {
  Appended,
  AppendRequest,
  ClaimRequest,
  EndRequest,
  NewDelivery,
  Settlement,
} from '../ports/event-log.ts';
import { START_MS } from './builders.ts';

/** What the model knows of an attempt. */
export interface ModelAttempt {
  readonly number: number;
  readonly outcome: AttemptOutcome;
  readonly status: number | null;
}

/** What the model knows of a delivery. */
export interface ModelDelivery {
  readonly id: string;
  readonly eventId: string;
  readonly destinationId: string;
  readonly subscriptionId: string | null;
  readonly replayOf: string | null;
  readonly replayId: string | null;
  state: DeliveryState;
  attempts: number;
  dueAt: number;
  lease: { readonly token: string; readonly leaseUntil: number } | null;
  /** `undefined` where the ports do not say what it is. */
  reason: string | null | undefined;
  readonly made: ModelAttempt[];
}

/** What a claim must answer. */
export interface ModelClaim {
  readonly leased: readonly (readonly [id: string, attempt: number])[];
  readonly lanes: ReadonlyMap<string, number | null>;
  readonly abandoned: number;
}

/**
 * What a store must do, said a second time in the plainest way: one process, no failures, no I/O.
 *
 * Random commands run against it and against a store; wherever the two differ, one of them is wrong.
 * Maps keep the order of insertion, which is the order of the log.
 */
export class StoreModel {
  nowMs = START_MS;
  readonly events = new Map<string, Event>();
  readonly deliveries = new Map<string, ModelDelivery>();
  readonly keys = new Map<string, { readonly eventId: string; readonly expiresAt: number }>();
  /** Tokens that no longer hold the delivery that they once held. */
  readonly oldTokens: { readonly deliveryId: string; readonly token: string }[] = [];
  replay = { id: '', cursor: 0, created: 0 };
  #tokens = 0;

  nextToken(): string {
    this.#tokens += 1;
    return `token-${this.#tokens}`;
  }

  append(request: AppendRequest): Omit<Appended, 'seq'> {
    const { dedupe, event } = request;
    const holder = dedupe === null ? undefined : this.keys.get(dedupe.key);
    if (holder !== undefined && this.nowMs < holder.expiresAt) {
      return { eventId: holder.eventId, duplicate: true, conflict: false };
    }
    if (dedupe !== null) this.keys.set(dedupe.key, { eventId: event.id, expiresAt: dedupe.expiresAt });
    this.events.set(event.id, event);
    for (const owed of request.deliveries) this.owe(owed, event.id, null, null);
    return { eventId: event.id, duplicate: false, conflict: false };
  }

  owe(owed: NewDelivery, eventId: string, replayOf: string | null, replayId: string | null): void {
    const { initial, id, destinationId, subscriptionId } = owed;
    const lease =
      initial.state === 'leased' ? { token: initial.token, leaseUntil: initial.leaseUntil } : null;
    this.deliveries.set(id, {
      id,
      eventId,
      destinationId,
      subscriptionId,
      replayOf,
      replayId,
      state: initial.state,
      attempts: lease === null ? 0 : 1,
      dueAt: initial.state === 'pending' ? (initial.dueAt ?? Number.NaN) : Number.NaN,
      lease,
      reason: initial.state === 'dead' ? initial.reason : null,
      made: [],
    });
  }

  claim(request: ClaimRequest): ModelClaim {
    const touched = new Set(request.lanes.map((lane) => lane.destinationId));
    const lost = this.inState('leased').filter(({ lease }) => (lease?.leaseUntil ?? 0) <= this.nowMs);
    for (const delivery of lost) {
      this.#forgetLease(delivery);
      delivery.made.push({ number: delivery.attempts, outcome: 'abandoned', status: null });
      delivery.state = 'pending';
      delivery.dueAt = this.nowMs;
      delivery.reason = undefined;
      touched.add(delivery.destinationId);
    }
    const leased = request.lanes.flatMap((lane) =>
      this.#waitingFor(lane.destinationId)
        .filter((delivery) => delivery.dueAt <= this.nowMs)
        .slice(0, lane.limit)
        .map((delivery) => {
          delivery.state = 'leased';
          delivery.attempts += 1;
          delivery.lease = { token: request.token, leaseUntil: this.nowMs + lane.leaseMs };
          return [delivery.id, delivery.attempts] as const;
        }),
    );
    const lanes = new Map([...touched].map((id) => [id, this.#waitingFor(id)[0]?.dueAt ?? null]));
    return { leased, lanes, abandoned: lost.length };
  }

  settle({ deliveryId, token, attempt, next }: Settlement): 'settled' | 'lease_lost' {
    const delivery = this.deliveries.get(deliveryId);
    if (delivery?.lease?.token !== token) return 'lease_lost';
    this.#forgetLease(delivery);
    if (attempt === null) delivery.attempts -= 1;
    else delivery.made.push({ number: attempt.number, outcome: attempt.outcome, status: attempt.status });
    delivery.state = next.state;
    delivery.reason = next.state === 'succeeded' ? null : next.reason;
    if (next.state === 'pending') delivery.dueAt = next.dueAt ?? Number.NaN;
    return 'settled';
  }

  /** How many must end. Which ones, when the limit leaves a choice, the store says: see `end`. */
  countEnding(request: EndRequest): number {
    const meant = this.inState('pending').filter(
      (delivery) =>
        delivery.id === request.deliveryId ||
        delivery.destinationId === request.destinationId ||
        delivery.subscriptionId === request.subscriptionId,
    );
    return Math.min(meant.length, request.limit);
  }

  end(deliveryId: string, request: EndRequest): void {
    const delivery = this.deliveries.get(deliveryId);
    if (delivery?.state !== 'pending') throw new Error(`${deliveryId} was not pending`);
    delivery.state = request.state;
    delivery.reason = request.reason;
  }

  bringForward(deliveryId: string): DeliveryState | null {
    const delivery = this.deliveries.get(deliveryId);
    if (delivery?.state === 'pending') delivery.dueAt = this.nowMs;
    return delivery?.state ?? null;
  }

  /** How many events go; with them go their deliveries. */
  prune(receivedBefore: number): number {
    const owing = new Set(
      [...this.inState('pending'), ...this.inState('leased')].map((delivery) => delivery.eventId),
    );
    const gone = [...this.events.values()].filter(
      (event) => event.receivedAt < receivedBefore && !owing.has(event.id),
    );
    for (const { id } of gone) {
      this.events.delete(id);
      for (const delivery of this.deliveries.values()) {
        if (delivery.eventId === id) this.deliveries.delete(delivery.id);
      }
    }
    return gone.length;
  }

  inState(state: DeliveryState): ModelDelivery[] {
    return [...this.deliveries.values()].filter((delivery) => delivery.state === state);
  }

  /** When every lease that is held now has run out. */
  leasesOverAt(): number {
    return Math.max(this.nowMs, ...this.inState('leased').map(({ lease }) => lease?.leaseUntil ?? 0));
  }

  #waitingFor(destinationId: string): ModelDelivery[] {
    return this.inState('pending')
      .filter((delivery) => delivery.destinationId === destinationId)
      .toSorted((one, other) => one.dueAt - other.dueAt);
  }

  #forgetLease(delivery: ModelDelivery): void {
    if (delivery.lease !== null) {
      this.oldTokens.push({ deliveryId: delivery.id, token: delivery.lease.token });
    }
    delivery.lease = null;
  }
}
