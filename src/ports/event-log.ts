import type { Attempt } from '../domain/delivery.ts';
import type { Event } from '../domain/event.ts';

/** A delivery to be written together with its event. */
export interface NewDelivery {
  readonly id: string;
  readonly subscriptionId: string | null;
  readonly destinationId: string;
  /**
   * Deliveries with one order key go one after the other, in the order in which they were written: while
   * an earlier one is unfinished this one waits, with no `dueAt` and the reason `waits_for_order`. Absent
   * = no order. Never together with `leased`.
   */
  readonly orderKey?: string;
  /**
   * `leased`: the appending process attempts it at once and attempt 1 is counted here.
   * `pending`: `claimDue` will find it, or, without a `dueAt`, it is held until `releaseHeld`. `dead`: owed, but not deliverable; kept to be seen.
   */
  readonly initial:
    | { readonly state: 'leased'; readonly token: string; readonly leaseUntil: number }
    | { readonly state: 'pending'; readonly dueAt: number }
    | { readonly state: 'pending'; readonly dueAt: null; readonly reason: string }
    | { readonly state: 'dead'; readonly reason: string };
}

/** A claim on a name: while it lasts, a second append with the same one is a duplicate. */
export interface DedupeClaim {
  /** Whose keys these are, e.g. a source's id: the same key elsewhere is another key. */
  readonly scope: string;
  readonly key: string;
  readonly expiresAt: number;
  /** Digest of the request, for keys that must not be used for two different ones; else empty. */
  readonly fingerprint: string;
}

/** What one commit keeps: an event, the name that it takes and the deliveries that it owes. */
export interface AppendRequest {
  readonly event: Event;
  readonly dedupe: DedupeClaim | null;
  /**
   * A second name that must be free too, and is looked at first: the idempotency key of a request whose
   * event has an id of its own. Taken only when the event is written. Absent = there is none.
   */
  readonly idempotency?: DedupeClaim;
  readonly deliveries: readonly NewDelivery[];
}

/** What became of one append. */
export interface Appended {
  /** The event's id, or the first event's when this one is a duplicate. */
  readonly eventId: string;
  readonly duplicate: boolean;
  /** True when the key is the same but the fingerprint differs: nothing was appended. */
  readonly conflict: boolean;
  /** Position in the log; 0 for duplicates. */
  readonly seq: number;
}

/** How many deliveries a destination can take now, and for how long each would be leased. */
export interface LaneRequest {
  readonly destinationId: string;
  readonly limit: number;
  readonly leaseMs: number;
}

/** What a worker can take on now. Lanes are served in the order given. */
export interface ClaimRequest {
  readonly nowMs: number;
  readonly token: string;
  readonly lanes: readonly LaneRequest[];
  /** Stop once the claimed bodies exceed this; at least one is claimed. */
  readonly maxBytes: number;
}

/** A delivery that one worker may attempt until `leaseUntil`, with the event that it owes. */
export interface LeasedDelivery {
  readonly id: string;
  readonly tenant: string;
  readonly subscriptionId: string | null;
  readonly destinationId: string;
  readonly createdAt: number;
  readonly replayOf: string | null;
  /** The attempt that this lease is for, from 1; already counted. */
  readonly attempt: number;
  readonly token: string;
  readonly leaseUntil: number;
  readonly event: Event;
}

/** What a claim gave, and when to ask again. */
export interface ClaimResult {
  readonly leased: readonly LeasedDelivery[];
  /** For each lane asked for, and each in which a lost lease was found: when its next delivery is due. */
  readonly lanes: readonly { readonly destinationId: string; readonly nextDueAt: number | null }[];
  /** Leases that had run out: their attempts are now recorded as `abandoned`. */
  readonly abandoned: number;
}

/** What became of a leased delivery. */
export interface Settlement {
  readonly deliveryId: string;
  readonly token: string;
  readonly atMs: number;
  /** The attempt made; `null` gives the delivery back unattempted, and uncounts the attempt. */
  readonly attempt: Attempt | null;
  readonly next:
    | { readonly state: 'succeeded' }
    | { readonly state: 'pending'; readonly dueAt: number; readonly reason: string | null }
    /** Held: nobody claims it until `releaseHeld`. */
    | { readonly state: 'pending'; readonly dueAt: null; readonly reason: string }
    | { readonly state: 'dead' | 'cancelled'; readonly reason: string };
}

/** Which unfinished deliveries to end. Exactly one of the ids is set. */
export interface EndRequest {
  readonly deliveryId?: string;
  readonly destinationId?: string;
  readonly subscriptionId?: string;
  readonly state: 'dead' | 'cancelled';
  readonly reason: string;
  readonly atMs: number;
  /** At most this many in one transaction, so that nobody waits long behind it. */
  readonly limit: number;
}

/** Which held deliveries to let go. */
export interface ReleaseRequest {
  readonly subscriptionId: string;
  /** Why they are held: others stay. */
  readonly reason: string;
  readonly atMs: number;
  /** At most this many in one transaction, so that nobody waits long behind it. */
  readonly limit: number;
}

/** The durable log of events and the deliveries that they owe. The only truth about a delivery. */
export interface EventLog {
  /**
   * Writes event, de-duplication key and deliveries in one transaction.
   *
   * When the promise resolves they are on disk: no crash of process, kernel or power loses them.
   * When it rejects, nothing was written, or (if the failure came while committing) it may have been:
   * the sender tries again and the de-duplication key makes that safe. Requests that wait together
   * share one commit; each still succeeds or fails alone.
   */
  append(request: AppendRequest): Promise<Appended>;

  /** As `append`, for all or none of them. Duplicates among them are told, not failures. */
  appendAll(requests: readonly AppendRequest[]): Promise<readonly Appended[]>;

  /**
   * Leases pending deliveries whose `dueAt` has passed, oldest first in each lane.
   *
   * The attempt is counted here, before it is made: a worker that dies mid-request has still used
   * one, so a delivery that kills its worker cannot be retried for ever.
   *
   * Leases that ran out are taken back first: the lost attempt is recorded as `abandoned` and the
   * delivery is due at once. A lease is exclusive until `leaseUntil`; afterwards `settle` with the old
   * token answers `lease_lost`. Delivery is therefore at least once; nothing here makes it exactly once.
   *
   * The cost does not grow with the number of deliveries that are pending.
   */
  claimDue(request: ClaimRequest): Promise<ClaimResult>;

  /**
   * Records what became of a leased delivery. `lease_lost`: someone else has or had it, nothing was
   * written. Settlements share commits with appends.
   *
   * The end of a delivery with an order key makes the next one of its key due, in the same transaction.
   */
  settle(settlement: Settlement): Promise<'settled' | 'lease_lost'>;

  /** The destinations that have pending deliveries, with the earliest `dueAt` of each. */
  pendingLanes(): Promise<readonly { readonly destinationId: string; readonly nextDueAt: number }[]>;

  /**
   * Ends up to `limit` pending deliveries; leased ones go on to their own end. Returns how many. What
   * waited behind one of them for its turn is due then.
   */
  endPending(request: EndRequest): Promise<number>;

  /**
   * Makes up to `limit` held deliveries due as of when they were made, so that they go out in that order
   * and before what came later. Answers how many, and where they go.
   */
  releaseHeld(
    request: ReleaseRequest,
  ): Promise<{ readonly released: number; readonly destinationIds: readonly string[] }>;

  /** Makes a pending delivery due at `atMs`, unless it is held or waits for its turn. Returns its state before, `null` when there is no such one. */
  bringForward(deliveryId: string, atMs: number): Promise<string | null>;
}
