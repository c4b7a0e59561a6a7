import type { Replay } from '../../domain/records.ts';
import type { ReplayAdvance, ReplayStore } from '../../ports/store.ts';
import type { MemoryTables } from './memory-tables.ts';

/** Replays as a map; each method is one transaction because nothing runs in between. */
export class MemoryReplays implements ReplayStore {
  readonly #tables: () => MemoryTables;

  constructor(tables: () => MemoryTables) {
    this.#tables = tables;
  }

  async create(replay: Replay): Promise<void> {
    const tables = this.#tables();
    if (tables.replays.has(replay.id)) throw new Error(`replay ${replay.id} exists already`);
    tables.replays.set(replay.id, { seq: tables.nextSeq(), item: replay });
  }

  async advance(step: ReplayAdvance): Promise<boolean> {
    const tables = this.#tables();
    const row = tables.replays.get(step.replayId);
    if (row?.item.state !== 'running' || row.item.cursor !== step.fromCursor) return false;
    // Retention may have taken an event since the step read it; the rest is still owed.
    const owed = step.deliveries.flatMap((delivery) => {
      const event = tables.events.get(delivery.eventId);
      return event === undefined ? [] : [{ delivery, event }];
    });
    tables.requireNewDeliveries(owed.map(({ delivery }) => delivery));
    for (const { delivery, event } of owed) {
      const { replayOf } = delivery;
      tables.addDelivery(delivery, { event, atMs: step.atMs, replayOf, replayId: step.replayId });
    }
    const item: Replay = {
      ...row.item,
      state: step.state,
      cursor: step.toCursor,
      created: row.item.created + owed.length,
      updatedAt: step.atMs,
    };
    tables.replays.set(step.replayId, { seq: row.seq, item });
    return true;
  }

  async cancel(replayId: string, atMs: number): Promise<boolean> {
    const tables = this.#tables();
    const row = tables.replays.get(replayId);
    if (row?.item.state !== 'running') return false;
    const item: Replay = { ...row.item, state: 'cancelled', updatedAt: atMs };
    tables.replays.set(replayId, { seq: row.seq, item });
    return true;
  }
}
