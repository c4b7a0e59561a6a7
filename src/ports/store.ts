import type { Duplicate, Rejection, Replay, ReplayState, SettingChange } from '../domain/records.ts';
import type { SettingKind, SettingKinds } from '../domain/settings.ts';
import type { EventLog, NewDelivery } from './event-log.ts';
import type { NodeRegistry } from './nodes.ts';
import type { Page, PageRequest, Queries, ReplayQueries } from './queries.ts';

/** One setting with its kind. */
export interface SettingRecord<Kind extends SettingKind = SettingKind> {
  readonly kind: Kind;
  readonly setting: SettingKinds[Kind];
}

/** Every setting at one version. */
export interface SettingsSnapshot {
  readonly version: number;
  readonly records: readonly SettingRecord[];
}

/** Who changes a setting, kept in the audit log. */
export interface ChangeAuthor {
  readonly at: number;
  readonly principal: string;
  readonly remoteAddress: string | null;
}

/** One version of a setting, with who made it; `setting` is `null` where it was removed. */
export interface SettingVersion<Kind extends SettingKind = SettingKind> {
  readonly change: SettingChange;
  readonly setting: SettingKinds[Kind] | null;
}

/** When an API key was last used, in milliseconds since the epoch. */
export interface KeyUse {
  readonly keyId: string;
  readonly usedAt: number;
}

/** Sources, destinations, subscriptions, keys and event types, with every version that they had. */
export interface SettingsStore {
  load(): Promise<SettingsSnapshot>;
  /**
   * Creates or replaces a setting and answers the new version, which every reader sees from then on.
   * Rejects with a `Problem` (`conflict`) when another setting of the kind and tenant has its name.
   */
  put<Kind extends SettingKind>(
    kind: Kind,
    setting: SettingKinds[Kind],
    author: ChangeAuthor,
  ): Promise<number>;
  /**
   * As `put`, but only while the setting is still as `expected`, which the change was made from: so no
   * change undoes another that it has not seen. `null` = it is not, or is gone, and nothing was written.
   */
  replace<Kind extends SettingKind>(
    kind: Kind,
    setting: SettingKinds[Kind],
    author: ChangeAuthor,
    expected: SettingKinds[Kind],
  ): Promise<number | null>;
  /** Removes a setting. Answers the new version, or `null` when there was none. */
  remove(kind: SettingKind, id: string, author: ChangeAuthor): Promise<number | null>;
  /** The settings of one kind as they were at `version`: what an event was matched against. */
  asOf<Kind extends SettingKind>(kind: Kind, version: number): Promise<readonly SettingKinds[Kind][]>;
  /** The versions of one setting, also of one that is gone; newest first, at most `limit` of them. */
  history<Kind extends SettingKind>(
    kind: Kind,
    id: string,
    limit: number,
  ): Promise<readonly SettingVersion<Kind>[]>;
  /**
   * Notes when keys were used; a later time that is already there stays. No version comes of it: that would
   * fill the audit log with what is not a change.
   */
  recordKeyUses(uses: readonly KeyUse[]): Promise<void>;
  /** The last use of each key that was used and still exists, in no order. */
  keyUses(): Promise<readonly KeyUse[]>;
  /** The audit log, newest first. */
  changes(filter: { tenant?: string; settingId?: string }, page: PageRequest): Promise<Page<SettingChange>>;
}

/** A delivery that a replay makes for an event that is already in the log. */
export interface ReplayDelivery extends NewDelivery {
  readonly eventId: string;
  readonly replayOf: string | null;
}

/** One step of a replay: the deliveries that it makes and where it then stands, in one transaction. */
export interface ReplayAdvance {
  readonly replayId: string;
  /** The cursor that the step started from; another step in between makes this one a no-op. */
  readonly fromCursor: number;
  readonly toCursor: number;
  readonly deliveries: readonly ReplayDelivery[];
  readonly state: ReplayState;
  readonly atMs: number;
}

/** Replays as they are written down, so that they survive a restart. */
export interface ReplayStore {
  create(replay: Replay): Promise<void>;
  /** Moves a running replay on and writes its deliveries, in one transaction. False = it had moved. */
  advance(step: ReplayAdvance): Promise<boolean>;
  /** Ends a running replay. False = it was not running. */
  cancel(replayId: string, atMs: number): Promise<boolean>;
}

/** How much of what was refused is kept, so that an attacker cannot fill the disk. */
export interface RejectionBounds {
  readonly maxPerSource: number;
  readonly maxBytes: number;
}

/** Duplicates of one event that came since the last time they were recorded. */
export interface RepeatedEvent {
  readonly eventId: string;
  /** How many came, also of those that are not among `requests`. */
  readonly count: number;
  /** The newest of them, oldest first: one at least, `count` at the most. */
  readonly requests: readonly Duplicate[];
}

/** When a source last brought an event, and since when it has been told to be silent; `null` = it is not. */
export interface SourceActivity {
  readonly sourceId: string;
  readonly lastEventAt: number;
  readonly silentSince: number | null;
}

/** Removes what is no longer needed, in steps short enough that no append waits for long. */
export interface Upkeep {
  recordRejections(rejections: readonly Rejection[], bounds: RejectionBounds): Promise<void>;
  /**
   * Adds duplicates to those of their events. The newest `DUPLICATES_KEPT` of each stay, and the number of
   * all. Those of an event that is not there, or is just being removed, are dropped. Name each event once.
   */
  recordDuplicates(repeated: readonly RepeatedEvent[]): Promise<void>;
  /**
   * Removes up to `limit` events received before `receivedBefore`, with their deliveries, attempts and duplicates.
   * An event with an unfinished delivery stays. Returns how many went.
   */
  pruneEvents(receivedBefore: number, limit: number): Promise<number>;
  /** Forgets de-duplication keys that expired before `nowMs`, up to `limit`. */
  pruneDedupe(nowMs: number, limit: number): Promise<number>;
  /** Since when a destination has only failed; `null` = it works again. Kept across restarts. */
  noteFailing(destinationId: string, failingSince: number | null): Promise<void>;
  /** What `noteFailing` noted and did not take back. */
  failingDestinations(): Promise<
    readonly { readonly destinationId: string; readonly failingSince: number }[]
  >;
  /** Notes when sources last brought an event; a later time that is already there stays. */
  noteSourceEvents(
    notes: readonly { readonly sourceId: string; readonly lastEventAt: number }[],
  ): Promise<void>;
  /**
   * Notes since when a source is silent, `null` = it speaks again. True when that was news: of several
   * nodes that find it out at once, one is told so. A source without any note is left without.
   */
  noteSilent(sourceId: string, silentSince: number | null): Promise<boolean>;
  /** What was noted of sources, in no order. */
  sourceActivity(): Promise<readonly SourceActivity[]>;
  /** Bytes on disk. */
  sizeBytes(): Promise<number>;
}

/** What another process did: `appended` events or deliveries, or changed the settings. */
export type StoreNews = 'appended' | 'settings_changed';

/** One store: a durable log, the settings, and what is asked of them. */
export interface Store {
  readonly log: EventLog;
  readonly queries: Queries & ReplayQueries;
  readonly settings: SettingsStore;
  readonly replays: ReplayStore;
  readonly upkeep: Upkeep;
  /**
   * Calls `listener` when another process on the same data has appended or changed settings. Absent when
   * there can be no other process. Returns a function that ends it.
   *
   * A change of settings is told within a second, also when the connection was lost meanwhile; what was
   * appended usually within a tenth of one. Many changes may be told at once, and news may be told that
   * are none: the listener reads what there is. It must not throw.
   */
  readonly watch?: (listener: (news: StoreNews) => void) => () => void;
  /** The nodes that share the store. Absent when there can be no other process. */
  readonly nodes?: NodeRegistry;
  /** Resolves when the store can append; rejects with why it cannot. */
  check(): Promise<void>;
  /** Commits what waits and lets go of every resource. Later calls reject. */
  close(): Promise<void>;
}
