import type { DeliveryState } from './delivery.ts';
import type { ProblemCode } from './problem.ts';
import type { SettingKind } from './settings.ts';

/** A request refused at a source, kept for a while with its reason. */
export interface Rejection {
  readonly id: string;
  readonly tenant: string;
  readonly sourceId: string | null;
  readonly requestId: string;
  readonly at: number;
  readonly code: ProblemCode;
  /** The exact reason, finer than the code: `timestamp_too_old`, `malformed_signature`, ... */
  readonly reason: string;
  readonly remoteAddress: string | null;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  /** The start of the body, `REJECTION_BODY_LIMIT` bytes at the most. */
  readonly body: Uint8Array;
  readonly bodyBytes: number;
}

/** Bytes of a refused body that are kept: enough to see what it was, too little to fill a disk. */
export const REJECTION_BODY_LIMIT = 2_048;

/**
 * A request that repeated an event: it was answered with that event's id, and nothing new came of it. It came
 * the way the event came, to the same source or from publishers of the same tenant.
 */
export interface Duplicate {
  readonly requestId: string;
  readonly at: number;
  readonly remoteAddress: string | null;
  /** Who published it; `null` when it came to a source. */
  readonly principal: string | null;
  /** The `Idempotency-Key` that it was published under. */
  readonly idempotencyKey: string | null;
}

/** Duplicates of one event that are kept one by one, the newest; the others are only counted. */
export const DUPLICATES_KEPT = 20;

/** What a replay is asked for and the log no longer has. */
export interface ReplayLosses {
  /** How many of the ids that the filter names are not in the log: they never were, or retention took them. */
  readonly missing: number;
  /**
   * Retention has removed events received before this time, and the filter reaches back to there; `null` =
   * everything that it asks for is still there. What was not finished then is kept, so some may be found.
   */
  readonly cutBefore: number | null;
}

/** Which past events or deliveries a replay takes. At least one field is set. */
export interface ReplayFilter {
  readonly eventIds?: readonly string[];
  readonly deliveryIds?: readonly string[];
  readonly state?: DeliveryState;
  readonly type?: string;
  readonly sourceId?: string;
  readonly destinationId?: string;
  readonly subscriptionId?: string;
  /** Received at or after. */
  readonly from?: number;
  /** Received before. */
  readonly to?: number;
}

/** `running` moves on by itself, also after a restart; the other two are final. */
export type ReplayState = 'running' | 'completed' | 'cancelled';

/** Someone's request to deliver again. Durable: it goes on where it was after a restart. */
export interface Replay {
  readonly id: string;
  readonly tenant: string;
  readonly filter: ReplayFilter;
  /** Sends everything here instead of to each delivery's own destination. */
  readonly destinationId: string | null;
  readonly ratePerSecond: number | null;
  readonly state: ReplayState;
  /** How many the filter matched when the replay was made. */
  readonly matched: number;
  /** New deliveries made so far. */
  readonly created: number;
  /** What it goes through: past deliveries, or events (when the filter speaks of events alone). */
  readonly over: 'deliveries' | 'events';
  /** Everything up to this place has been looked at. */
  readonly cursor: number;
  /** Where it ends, so that the deliveries that it makes are not replayed by it. */
  readonly endSeq: number;
  /** What was gone already when it was made; `null` = made by a version that did not note it. */
  readonly losses: ReplayLosses | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly principal: string;
}

/** One change of a setting: who, what, when, from where. Never edited, kept for explanations. */
export interface SettingChange {
  /** The settings version that the change made. */
  readonly version: number;
  readonly kind: SettingKind;
  readonly settingId: string;
  readonly tenant: string;
  readonly action: 'created' | 'updated' | 'deleted';
  readonly at: number;
  readonly principal: string;
  readonly remoteAddress: string | null;
}
