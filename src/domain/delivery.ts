/** Every state that a delivery can be in. */
export const DELIVERY_STATES = ['pending', 'leased', 'succeeded', 'dead', 'cancelled'] as const;

/**
 * `pending` waits for its `dueAt`; `leased` is being attempted by one worker; the other three are final.
 */
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/**
 * `succeeded`: any 2xx. `retryable`: try again by the policy. `permanent`: trying again cannot help.
 * `abandoned`: the worker vanished while its lease ran; nobody knows what the receiver saw.
 */
export type AttemptOutcome = 'succeeded' | 'retryable' | 'permanent' | 'abandoned';

/** One event owed to one subscription. */
export interface Delivery {
  readonly id: string;
  readonly tenant: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly subscriptionId: string | null;
  readonly destinationId: string;
  readonly state: DeliveryState;
  /** Attempts made so far, counting one that is under way: it is counted before it is made. */
  readonly attempts: number;
  /** When the next attempt may start; `null` in a final state, while it is held, and while an earlier one of its key is unfinished. */
  readonly dueAt: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Why it ended as `dead` or `cancelled`, or why it waits: a code such as `attempts_exhausted`. */
  readonly reason: string | null;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  /** The delivery that this one repeats, when a replay made it. */
  readonly replayOf: string | null;
  readonly replayId: string | null;
}

/** The `reason` of a delivery that waits for an earlier one of its order key. */
export const WAITS_FOR_ORDER = 'waits_for_order';

/** The `reason` of a delivery that is held because its subscription is suspended. */
export const SUBSCRIPTION_SUSPENDED = 'subscription_suspended';

/** One try of a delivery, with its outcome. */
export interface Attempt {
  /** From 1. */
  readonly number: number;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly outcome: AttemptOutcome;
  /** HTTP status, `null` when no answer came. */
  readonly status: number | null;
  /** Category of the failure, e.g. `timeout`, `connection_refused`; `null` on success. */
  readonly error: string | null;
  readonly responseHeaders: readonly string[];
  /** The start of the answer's body, cut at `RESPONSE_BODY_LIMIT`. */
  readonly responseBody: string;
  readonly nextAttemptAt: number | null;
}

/** Bytes of a receiver's answer that are read and kept; the rest is not even read. */
export const RESPONSE_BODY_LIMIT = 16 * 1024;

/** `att_` id of an attempt, derived so that it needs no column: the delivery's body and the number. */
export function attemptId(deliveryId: string, attemptNumber: number): string {
  return `att_${deliveryId.slice(4)}_${attemptNumber}`;
}
