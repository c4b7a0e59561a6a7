import type { Attempt, Delivery, DeliveryState } from '../domain/delivery.ts';
import type { LoggedEvent } from '../domain/event.ts';
import type { Duplicate, Rejection, Replay, ReplayFilter } from '../domain/records.ts';

/** One page of a list, newest first. */
export interface PageRequest {
  /** 1 to 500. */
  readonly limit: number;
  /** Only what lies before this place; `null` = from the newest. */
  readonly before: number | null;
}

/** Part of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Where the next page starts; `null` on the last. */
  readonly next: number | null;
}

/** Which events to list; every field that is set must fit. `from` is inclusive, `to` is not. */
export interface EventFilter {
  readonly tenant?: string;
  /** A type pattern. */
  readonly type?: string;
  /** A source's id or name, or the `source` of published events. */
  readonly source?: string;
  readonly key?: string;
  readonly correlationId?: string;
  /** The sender's own id of the event. Not indexed. */
  readonly externalId?: string;
  /** Of the request that brought it. Not indexed: narrow it down by `from` and `to`. */
  readonly requestId?: string;
  /** A request that repeated it, and is still kept among its duplicates. */
  readonly repeatedBy?: string;
  readonly from?: number;
  readonly to?: number;
  /** Text that occurs in the body, the key, the subject or the type. */
  readonly text?: string;
}

/** What came of an event again. */
export interface EventDuplicates {
  /** All that came, as far as they were recorded. */
  readonly count: number;
  /** The newest, `DUPLICATES_KEPT` at the most; newest first. */
  readonly newest: readonly Duplicate[];
}

/** A step through the log. */
export interface FollowedEvents {
  readonly items: readonly LoggedEvent[];
  /** How far the log was looked through. */
  readonly reachedSeq: number;
  /**
   * The highest place of an event that retention has removed, 0 when it never did. Beyond the place that
   * was asked about, something may be missing; it is read after the items, so that no gap goes untold.
   *
   * No place is before its time: whatever was received after `prunedSeq / 1000` (milliseconds) is still there.
   */
  readonly prunedSeq: number;
}

/** Which deliveries to list; every field that is set must fit. */
export interface DeliveryFilter {
  readonly tenant?: string;
  readonly state?: DeliveryState;
  readonly destinationId?: string;
  readonly subscriptionId?: string;
  readonly eventId?: string;
  readonly from?: number;
  readonly to?: number;
}

/** Which rejections to list; every field that is set must fit. */
export interface RejectionFilter {
  readonly tenant?: string;
  readonly sourceId?: string;
  readonly code?: string;
  readonly from?: number;
  readonly to?: number;
}

/** One thing that a replay would deliver again. */
export interface ReplayCandidate {
  /** Its place in what the replay goes through. */
  readonly seq: number;
  /** Set when the replay goes through deliveries. */
  readonly delivery: Delivery | null;
  /** Body left empty when the replay goes through deliveries: it is not needed to owe one. */
  readonly event: LoggedEvent;
}

/** How much waits for one destination, and since when it has been due. */
export interface DestinationBacklog {
  readonly destinationId: string;
  readonly pending: number;
  readonly oldestDueAt: number | null;
}

/**
 * The questions that people and agents ask. They never delay an append or a delivery, and may see the
 * log a few milliseconds late. Lists stay right while events come in: an item is on one page only.
 */
export interface Queries {
  events(filter: EventFilter, page: PageRequest): Promise<Page<LoggedEvent>>;
  event(id: string): Promise<LoggedEvent | null>;
  /**
   * Events after `seq` in log order: at most `limit`, and none more once their bodies together have
   * `maxBodyBytes` (the first comes whatever its size).
   */
  eventsAfter(
    seq: number,
    filter: EventFilter,
    limit: number,
    maxBodyBytes?: number,
  ): Promise<FollowedEvents>;
  /** The place of the newest event; 0 when there is none. */
  lastSeq(): Promise<number>;
  deliveries(filter: DeliveryFilter, page: PageRequest): Promise<Page<Delivery>>;
  delivery(id: string): Promise<Delivery | null>;
  /** In order, first attempt first. */
  attempts(deliveryId: string): Promise<readonly Attempt[]>;
  rejections(filter: RejectionFilter, page: PageRequest): Promise<Page<Rejection>>;
  rejection(idOrRequestId: string): Promise<Rejection | null>;
  duplicates(eventId: string): Promise<EventDuplicates>;
  /** The event that holds a de-duplication key, if one does. */
  dedupeHolder(scope: string, key: string): Promise<string | null>;
  backlogs(): Promise<readonly DestinationBacklog[]>;
}

/** What replays read. */
export interface ReplayQueries {
  replays(tenant: string | null, page: PageRequest): Promise<Page<Replay>>;
  replay(id: string): Promise<Replay | null>;
  runningReplays(): Promise<readonly Replay[]>;
  /** How many the filter matches now, and the place of the last that exists. */
  countReplay(
    filter: ReplayFilter,
    over: Replay['over'],
    tenant: string | null,
  ): Promise<{ readonly matched: number; readonly endSeq: number }>;
  /** The next candidates after the replay's cursor, oldest first. */
  replayCandidates(
    replay: Pick<Replay, 'filter' | 'over' | 'tenant' | 'cursor' | 'endSeq'>,
    limit: number,
  ): Promise<readonly ReplayCandidate[]>;
}
