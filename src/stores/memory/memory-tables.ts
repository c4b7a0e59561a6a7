import type { Attempt, Delivery } from '../../domain/delivery.ts';
import { WAITS_FOR_ORDER } from '../../domain/delivery.ts';
import type { LoggedEvent } from '../../domain/event.ts';
import type { Duplicate, Rejection, Replay, SettingChange } from '../../domain/records.ts';
import type { NewDelivery } from '../../ports/event-log.ts';
import type { SettingRecord, SourceActivity } from '../../ports/store.ts';

/** A delivery with what the store alone knows of it. */
export interface DeliveryRow {
  readonly seq: number;
  delivery: Delivery;
  lease: Lease | null;
  readonly orderKey: string | null;
  readonly attempts: Attempt[];
}

export interface Lease {
  readonly token: string;
  readonly leasedAt: number;
  readonly leaseUntil: number;
}

export interface DedupeRow {
  readonly eventId: string;
  readonly expiresAt: number;
  readonly fingerprint: string;
}

/** One step in the life of a setting; `record` is `null` when it was removed. */
export interface SettingStep {
  readonly change: SettingChange;
  readonly record: SettingRecord | null;
}

/** Something in a list, with its place there. */
export interface Placed<Item> {
  readonly seq: number;
  readonly item: Item;
}

/**
 * Everything that the memory store holds. Maps keep the order of insertion, which is the order of `seq`.
 *
 * One counter numbers all rows: a place in one list says nothing about another.
 */
export class MemoryTables {
  readonly events = new Map<string, LoggedEvent>();
  readonly deliveries = new Map<string, DeliveryRow>();
  readonly dedupe = new Map<string, DedupeRow>();
  /** By event, oldest first. */
  readonly duplicates = new Map<string, { readonly count: number; readonly kept: readonly Duplicate[] }>();
  readonly rejections = new Map<string, Placed<Rejection>>();
  readonly replays = new Map<string, Placed<Replay>>();
  readonly failing = new Map<string, number>();
  readonly keyUses = new Map<string, number>();
  readonly sources = new Map<string, SourceActivity>();
  readonly settingSteps: SettingStep[] = [];
  /** The highest place of an event that retention removed. */
  prunedEventSeq = 0;
  #lastSeq = 0;

  /** Places in order; an event's is not before its time, see `FollowedEvents.prunedSeq`. */
  nextSeq(notBeforeMs = 0): number {
    this.#lastSeq = Math.max(this.#lastSeq + 1, notBeforeMs * 1_000);
    return this.#lastSeq;
  }

  addDelivery(owed: NewDelivery, of: DeliveryParent): void {
    const { initial } = owed;
    const orderKey = owed.orderKey ?? null;
    const waits = initial.state === 'pending' && orderKey !== null && this.firstUnfinished(orderKey) !== null;
    const delivery: Delivery = {
      id: owed.id,
      tenant: of.event.tenant,
      eventId: of.event.id,
      eventType: of.event.type,
      subscriptionId: owed.subscriptionId,
      destinationId: owed.destinationId,
      state: initial.state,
      attempts: initial.state === 'leased' ? 1 : 0,
      dueAt: waits ? null : firstDueAt(initial),
      createdAt: of.atMs,
      updatedAt: of.atMs,
      reason: waits ? WAITS_FOR_ORDER : 'reason' in initial ? initial.reason : null,
      lastStatus: null,
      lastError: null,
      replayOf: of.replayOf,
      replayId: of.replayId,
    };
    const lease =
      initial.state === 'leased'
        ? { token: initial.token, leasedAt: of.atMs, leaseUntil: initial.leaseUntil }
        : null;
    this.deliveries.set(owed.id, { seq: this.nextSeq(), delivery, lease, orderKey, attempts: [] });
  }

  /** The first delivery of an order key that has not come to its end. */
  firstUnfinished(orderKey: string): DeliveryRow | null {
    const unfinished = [...this.deliveries.values()].filter(
      (row) => row.orderKey === orderKey && ['pending', 'leased'].includes(row.delivery.state),
    );
    return unfinished.toSorted((one, other) => one.seq - other.seq)[0] ?? null;
  }

  /** Makes the next delivery of an order key due, when it waited for its turn. */
  releaseNext(orderKey: string | null, atMs: number): void {
    const next = orderKey === null ? null : this.firstUnfinished(orderKey);
    if (next?.delivery.reason !== WAITS_FOR_ORDER) return;
    next.delivery = { ...next.delivery, dueAt: atMs, updatedAt: atMs, reason: null };
  }

  /** Throws when a delivery with one of these ids exists: ids are made once, so this is a bug. */
  requireNewDeliveries(owed: readonly NewDelivery[]): void {
    const seen = new Set<string>();
    for (const { id } of owed) {
      if (seen.has(id) || this.deliveries.has(id)) throw new Error(`delivery ${id} exists already`);
      seen.add(id);
    }
  }
}

/** What a new delivery takes from its event and from the replay that makes it. */
export interface DeliveryParent {
  readonly event: LoggedEvent;
  readonly atMs: number;
  readonly replayOf: string | null;
  readonly replayId: string | null;
}

function firstDueAt(initial: NewDelivery['initial']): number | null {
  if (initial.state === 'pending') return initial.dueAt;
  return initial.state === 'leased' ? initial.leaseUntil : null;
}
