import { DUPLICATES_KEPT, type Rejection } from '../../domain/records.ts';
import type { RejectionBounds, RepeatedEvent, SourceActivity, Upkeep } from '../../ports/store.ts';
import type { DeliveryRow, MemoryTables } from './memory-tables.ts';

/** Retention over the maps. */
export class MemoryUpkeep implements Upkeep {
  readonly #tables: () => MemoryTables;

  constructor(tables: () => MemoryTables) {
    this.#tables = tables;
  }

  async recordRejections(rejections: readonly Rejection[], bounds: RejectionBounds): Promise<void> {
    const tables = this.#tables();
    for (const rejection of rejections) {
      tables.rejections.set(rejection.id, { seq: tables.nextSeq(), item: rejection });
    }
    const newestFirst = [...tables.rejections.values()].map((row) => row.item).toReversed();
    const keptOf = new Map<string | null, number>();
    let bytes = 0;
    for (const rejection of newestFirst) {
      const count = (keptOf.get(rejection.sourceId) ?? 0) + 1;
      if (count <= bounds.maxPerSource) bytes += rejection.body.byteLength;
      // Once over, `bytes` stays over: whatever is older than the first that did not fit goes too.
      if (count > bounds.maxPerSource || bytes > bounds.maxBytes) tables.rejections.delete(rejection.id);
      else keptOf.set(rejection.sourceId, count);
    }
  }

  async recordDuplicates(repeated: readonly RepeatedEvent[]): Promise<void> {
    const { duplicates, events } = this.#tables();
    for (const { eventId, count, requests } of repeated) {
      if (!events.has(eventId)) continue;
      const known = duplicates.get(eventId) ?? { count: 0, kept: [] };
      const kept = [...known.kept, ...requests].slice(-DUPLICATES_KEPT);
      duplicates.set(eventId, { count: known.count + count, kept });
    }
  }

  async pruneEvents(receivedBefore: number, limit: number): Promise<number> {
    const tables = this.#tables();
    const byEvent = Map.groupBy(tables.deliveries.values(), (row) => row.delivery.eventId);
    const gone = [...tables.events.values()]
      .filter(
        (event) => event.receivedAt < receivedBefore && !(byEvent.get(event.id) ?? []).some(isUnfinished),
      )
      .slice(0, limit);
    for (const event of gone) {
      tables.events.delete(event.id);
      tables.duplicates.delete(event.id);
      tables.prunedEventSeq = Math.max(tables.prunedEventSeq, event.seq);
      for (const row of byEvent.get(event.id) ?? []) tables.deliveries.delete(row.delivery.id);
    }
    return gone.length;
  }

  async pruneDedupe(nowMs: number, limit: number): Promise<number> {
    const { dedupe } = this.#tables();
    const expired = [...dedupe].filter(([, claim]) => claim.expiresAt < nowMs).slice(0, limit);
    for (const [name] of expired) dedupe.delete(name);
    return expired.length;
  }

  async noteFailing(destinationId: string, failingSince: number | null): Promise<void> {
    const { failing } = this.#tables();
    if (failingSince === null) failing.delete(destinationId);
    else failing.set(destinationId, failingSince);
  }

  async failingDestinations(): Promise<{ destinationId: string; failingSince: number }[]> {
    return [...this.#tables().failing].map(([destinationId, failingSince]) => ({
      destinationId,
      failingSince,
    }));
  }

  async noteSourceEvents(notes: readonly { sourceId: string; lastEventAt: number }[]): Promise<void> {
    const { sources } = this.#tables();
    for (const { sourceId, lastEventAt } of notes) {
      const known = sources.get(sourceId);
      const latest = Math.max(lastEventAt, known?.lastEventAt ?? 0);
      sources.set(sourceId, { sourceId, lastEventAt: latest, silentSince: known?.silentSince ?? null });
    }
  }

  async noteSilent(sourceId: string, silentSince: number | null): Promise<boolean> {
    const { sources } = this.#tables();
    const known = sources.get(sourceId);
    if (known === undefined || (known.silentSince === null) === (silentSince === null)) return false;
    sources.set(sourceId, { ...known, silentSince });
    return true;
  }

  async sourceActivity(): Promise<readonly SourceActivity[]> {
    return [...this.#tables().sources.values()];
  }

  /** Bytes of the bodies: nothing is on disk. */
  async sizeBytes(): Promise<number> {
    const events = [...this.#tables().events.values()];
    return events.reduce((sum, event) => sum + event.body.byteLength, 0);
  }
}

function isUnfinished({ delivery }: DeliveryRow): boolean {
  return delivery.state === 'pending' || delivery.state === 'leased';
}
