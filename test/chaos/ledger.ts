/** Where deliveries go. `replayed` has no subscription: only replays send there. */
export const DESTINATIONS = ['plain', 'ordered', 'rough', 'replayed'] as const;
export type DestinationName = (typeof DESTINATIONS)[number];

/** The destinations whose subscription asks for order. */
const ORDERED: ReadonlySet<DestinationName> = new Set(['ordered', 'rough']);

/** One event as its sender knows it, whether or not it was ever acknowledged. */
export interface Sent {
  readonly ref: string;
  readonly key: string | null;
  /** Place among the events of its key, from 1. */
  readonly place: number;
  readonly type: 'chaos.plain' | 'chaos.rough';
  /** Of what must arrive, byte for byte. */
  readonly digest: string;
  readonly isPoison: boolean;
  eventId: string | null;
  isReplayOwed: boolean;
  isReplayAsked: boolean;
}

/** One request that a receiver got. */
export interface Receipt {
  readonly ref: string;
  readonly destination: DestinationName;
  readonly deliveryId: string;
  readonly attempt: number;
  readonly node: string;
  readonly beganAt: number;
  readonly beganAtMs: number;
  /** When it was answered or broke off; `null` while it is in flight. */
  endedAt: number | null;
  /** When it broke off without an answer, by `performance.now()`. */
  brokeOffAtMs: number | null;
  /** The receiver has said 2xx. */
  accepted: boolean;
}

/** A delivery that the gateway has given up, as its API tells. */
export interface DeadDelivery {
  readonly eventId: string;
  readonly deliveryId: string;
  readonly destination: DestinationName;
  readonly attemptCount: number;
  readonly attempts: readonly number[];
}

export type ViolationKind =
  'lost' | 'out_of_order' | 'two_in_flight' | 'unexpected' | 'unrecorded' | 'damaged' | 'ended_by_itself';

export interface Violation {
  readonly kind: ViolationKind;
  readonly what: string;
}

/** What arrives with a request, before anything is made of it. */
export interface Arrival {
  readonly ref: string;
  readonly digest: string;
  readonly eventId: string;
  readonly destination: DestinationName;
  readonly deliveryId: string;
  readonly attempt: number;
  readonly node: string;
}

/**
 * A busy receiver hears of a new request before it hears that an older connection is gone. What it has
 * answered itself it knows at once.
 */
const HEARD_LATE_MS = 200;

/** How many references of finished rounds are remembered, to tell a late delivery from an invented one. */
const REMEMBERED = 20_000;

/**
 * The books of one round: what was sent, acknowledged, received and given up. Counts moments instead of
 * reading a clock: what came before what is all that matters, and clocks are among the things that jump.
 */
export class Ledger {
  readonly violations: Violation[] = [];
  readonly sent = new Map<string, Sent>();
  readonly receipts = new Map<string, Receipt[]>();
  readonly dead = new Map<string, DeadDelivery>();
  readonly counts = { acknowledged: 0, delivered: 0, again: 0, late: 0, dead: 0 };
  readonly #finished = new Set<string>();
  readonly #open = new Map<string, Set<Receipt>>();
  readonly #paused = new Set<string>();
  readonly #outliving = new Set<string>();
  #overlaps: { readonly receipt: Receipt; readonly other: Receipt; readonly lane: string }[] = [];
  #moment = 0;

  plan(sent: Omit<Sent, 'eventId' | 'isReplayOwed' | 'isReplayAsked'>): Sent {
    const whole: Sent = { ...sent, eventId: null, isReplayOwed: false, isReplayAsked: false };
    this.sent.set(sent.ref, whole);
    return whole;
  }

  violate(kind: ViolationKind, what: string): void {
    if (this.violations.length < 1_000) this.violations.push({ kind, what });
  }

  /** The sender was told that the event is kept. */
  acknowledge(sent: Sent, eventId: string): void {
    if (sent.eventId === null) this.counts.acknowledged += 1;
    this.#identify(sent, eventId, 'acknowledged');
    this.acknowledged.add(sent.ref);
  }

  /** References that were acknowledged, also those whose id was first seen at a receiver. */
  readonly acknowledged = new Set<string>();

  /** A request has come. `null`: nothing that can be booked. */
  arrive(arrival: Arrival): Receipt | null {
    const sent = this.sent.get(arrival.ref);
    const name = `${arrival.ref} at ${arrival.destination} (${arrival.deliveryId}, attempt ${arrival.attempt})`;
    if (sent === undefined) {
      const what = this.#finished.has(arrival.ref) ? 'came after its end' : 'was never sent';
      this.violate('unexpected', `${name} ${what}`);
      return null;
    }
    this.#identify(sent, arrival.eventId, 'delivered');
    if (arrival.digest !== sent.digest) this.violate('unexpected', `${name} has another body than was sent`);
    if (!wants(arrival.destination, sent)) this.violate('unexpected', `${name} is not what was asked for`);
    const before = this.receiptsOf(arrival.ref, arrival.destination);
    const first = before[0];
    if (first !== undefined && first.deliveryId !== arrival.deliveryId) {
      this.violate('unexpected', `${name} is a second delivery, beside ${first.deliveryId}`);
    }
    if (before.some(({ attempt }) => attempt === arrival.attempt)) {
      this.violate('unexpected', `${name} made the same attempt twice`);
    }
    if (before.some(({ attempt }) => attempt > arrival.attempt) && !this.#paused.has(arrival.node)) {
      this.violate('unexpected', `${name} came after a later attempt`);
    }
    const { destination, deliveryId, attempt, node, ref } = arrival;
    const receipt: Receipt = {
      ref,
      destination,
      deliveryId,
      attempt,
      node,
      beganAt: this.#next(),
      beganAtMs: performance.now(),
      endedAt: null,
      brokeOffAtMs: null,
      accepted: false,
    };
    this.#checkOrder(receipt, sent, before);
    if (before.some(({ accepted }) => accepted)) this.counts.again += 1;
    this.receipts.set(arrival.ref, [...(this.receipts.get(arrival.ref) ?? []), receipt]);
    return receipt;
  }

  /** The receiver answers, or the connection is gone. Only the first end counts. */
  end(receipt: Receipt, how: 'accepted' | 'refused' | 'broke_off'): void {
    if (receipt.endedAt !== null) return;
    receipt.endedAt = this.#next();
    if (how === 'broke_off') receipt.brokeOffAtMs = performance.now();
    if (how === 'accepted') {
      const before = this.receiptsOf(receipt.ref, receipt.destination);
      if (!before.some((other) => other.accepted)) this.counts.delivered += 1;
      receipt.accepted = true;
    }
    for (const open of this.#open.values()) open.delete(receipt);
  }

  /**
   * The leases of a node have passed while it stood still (or its clock ran away): what it has in flight
   * may be attempted by others, and what it still sends comes too late. At least once allows both.
   */
  outlived(node: string): void {
    this.#paused.add(node);
    this.#outliving.delete(node);
    for (const open of this.#open.values()) {
      for (const receipt of open) if (receipt.node === node) open.delete(receipt);
    }
  }

  /**
   * From here until `outlived` it is not known on which side of that moment a request of the node lies:
   * what it has sent before it may arrive after it.
   */
  outliving(node: string): void {
    this.outlived(node);
    this.#outliving.add(node);
  }

  receiptsOf(ref: string, destination: DestinationName): readonly Receipt[] {
    return (this.receipts.get(ref) ?? []).filter((receipt) => receipt.destination === destination);
  }

  /** Accepted requests after which the same delivery came again. */
  repeated(): Receipt[] {
    return [...this.receipts.values()].flatMap((receipts) =>
      receipts.filter(
        (one, index) =>
          one.accepted && receipts.slice(index + 1).some(({ deliveryId }) => deliveryId === one.deliveryId),
      ),
    );
  }

  /** What is acknowledged and has neither been received nor given up. */
  unresolved(): { readonly sent: Sent; readonly destination: DestinationName }[] {
    const owed = [];
    for (const sent of this.sent.values()) {
      if (!this.acknowledged.has(sent.ref)) continue;
      for (const destination of DESTINATIONS) {
        if (owes(destination, sent) && !this.isResolved(sent, destination)) owed.push({ sent, destination });
      }
    }
    return owed;
  }

  isResolved(sent: Sent, destination: DestinationName): boolean {
    if (this.receiptsOf(sent.ref, destination).some(({ accepted }) => accepted)) return true;
    return sent.eventId !== null && this.dead.has(`${sent.eventId} ${destination}`);
  }

  /** The gateway says that it has given a delivery up: every attempt that was made must be on record. */
  giveUp(delivery: DeadDelivery): void {
    const name = `${delivery.eventId} ${delivery.destination}`;
    if (this.dead.has(name)) return;
    this.dead.set(name, delivery);
    this.counts.dead += 1;
    const recorded = new Set(delivery.attempts);
    const sent = [...this.sent.values()].find(({ eventId }) => eventId === delivery.eventId);
    const made = sent === undefined ? [] : this.receiptsOf(sent.ref, delivery.destination);
    const missing = made.map(({ attempt }) => attempt).filter((attempt) => !recorded.has(attempt));
    if (recorded.size === 0 || recorded.size !== delivery.attemptCount || missing.length > 0) {
      this.violate(
        'unrecorded',
        `${delivery.deliveryId} is dead after ${delivery.attemptCount} attempts; recorded: ` +
          `${delivery.attempts.join(', ') || 'none'}; seen by the receiver: ${made.map((one) => one.attempt).join(', ')}`,
      );
    }
  }

  /** Tells which requests of one key were in flight together. Asked when the round has come to its end. */
  judgeOverlaps(): void {
    for (const { receipt, other, lane } of this.#overlaps) {
      const { brokeOffAtMs } = other;
      if (brokeOffAtMs !== null && brokeOffAtMs - receipt.beganAtMs < HEARD_LATE_MS) continue;
      this.violate('two_in_flight', `${receipt.ref} came to ${lane} while ${other.ref} was in flight there`);
    }
    this.#overlaps = [];
  }

  /** Closes the books of a round: whoever comes later comes after its end. */
  close(): void {
    for (const ref of this.sent.keys()) this.#finished.add(ref);
    for (const ref of this.#finished) {
      if (this.#finished.size <= REMEMBERED) break;
      this.#finished.delete(ref);
    }
    this.sent.clear();
    this.receipts.clear();
    this.dead.clear();
    this.acknowledged.clear();
    this.#open.clear();
    this.#paused.clear();
  }

  #next(): number {
    this.#moment += 1;
    return this.#moment;
  }

  /** One reference is one event, whoever tells of it first. */
  #identify(sent: Sent, eventId: string, how: string): void {
    if (sent.eventId === null) sent.eventId = eventId;
    else if (sent.eventId !== eventId) {
      this.violate('unexpected', `${sent.ref} is two events: ${sent.eventId}, and ${how} as ${eventId}`);
    }
  }

  #checkOrder(receipt: Receipt, sent: Sent, before: readonly Receipt[]): void {
    if (sent.key === null || !ORDERED.has(receipt.destination)) return;
    const lane = `${receipt.destination} ${sent.key}`;
    const open = this.#open.get(lane) ?? new Set();
    this.#open.set(lane, open);
    const isStale = before.some(({ attempt }) => attempt > receipt.attempt);
    if (isStale && this.#paused.has(receipt.node)) {
      // From before the pause: the gateway knows that nothing it records will count.
      this.counts.late += 1;
      return;
    }
    for (const other of open) this.#overlaps.push({ receipt, other, lane });
    if (!this.#outliving.has(receipt.node)) open.add(receipt);
  }
}

/** Whether a destination may get an event. */
export function wants(destination: DestinationName, sent: Sent): boolean {
  if (destination === 'rough') return sent.type === 'chaos.rough';
  return destination === 'replayed' ? sent.isReplayAsked : true;
}

/** Whether a destination must get an event that was acknowledged. */
export function owes(destination: DestinationName, sent: Sent): boolean {
  return destination === 'replayed' ? sent.isReplayOwed : wants(destination, sent);
}
