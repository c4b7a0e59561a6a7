import type { Delivery } from '../../domain/delivery.ts';
import type { LoggedEvent } from '../../domain/event.ts';
import type { Replay, ReplayFilter } from '../../domain/records.ts';
import { typeMatches } from '../../domain/type-pattern.ts';
import type { Page, PageRequest, ReplayCandidate, ReplayQueries } from '../../ports/queries.ts';
import { MemoryQueries, pageOf, within } from './memory-queries.ts';
import type { MemoryTables } from './memory-tables.ts';

/** All that is asked: lists and single things by the base class, what replays read here. */
export class MemoryReplayQueries extends MemoryQueries implements ReplayQueries {
  readonly #tables: () => MemoryTables;

  constructor(tables: () => MemoryTables) {
    super(tables);
    this.#tables = tables;
  }

  async replays(tenant: string | null, page: PageRequest): Promise<Page<Replay>> {
    const rows = [...this.#tables().replays.values()];
    return pageOf(rows, page, (replay) => tenant === null || replay.tenant === tenant);
  }

  async replay(id: string): Promise<Replay | null> {
    return this.#tables().replays.get(id)?.item ?? null;
  }

  async runningReplays(): Promise<readonly Replay[]> {
    return [...this.#tables().replays.values()]
      .map((row) => row.item)
      .filter((replay) => replay.state === 'running');
  }

  async countReplay(
    filter: ReplayFilter,
    over: Replay['over'],
    tenant: string | null,
  ): Promise<{ readonly matched: number; readonly endSeq: number }> {
    const all = candidates(this.#tables(), over);
    return {
      matched: all.filter((candidate) => isWanted(candidate, filter, tenant)).length,
      endSeq: all.at(-1)?.seq ?? 0,
    };
  }

  async replayCandidates(
    replay: Pick<Replay, 'filter' | 'over' | 'tenant' | 'cursor' | 'endSeq'>,
    limit: number,
  ): Promise<readonly ReplayCandidate[]> {
    return candidates(this.#tables(), replay.over)
      .filter(({ seq }) => seq > replay.cursor && seq <= replay.endSeq)
      .filter((candidate) => isWanted(candidate, replay.filter, replay.tenant))
      .slice(0, limit);
  }
}

/** Everything that a replay could go through, in order. */
function candidates(tables: MemoryTables, over: Replay['over']): ReplayCandidate[] {
  if (over === 'events') {
    return [...tables.events.values()].map((event) => ({ seq: event.seq, delivery: null, event }));
  }
  return [...tables.deliveries.values()].map(({ seq, delivery }) => ({
    seq,
    delivery,
    event: { ...eventOf(tables, delivery), body: new Uint8Array(0) },
  }));
}

function eventOf(tables: MemoryTables, delivery: Delivery): LoggedEvent {
  const event = tables.events.get(delivery.eventId);
  if (event === undefined) throw new Error(`delivery ${delivery.id} has no event`);
  return event;
}

function isWanted(candidate: ReplayCandidate, filter: ReplayFilter, tenant: string | null): boolean {
  const { event, delivery } = candidate;
  return (
    (tenant === null || event.tenant === tenant) &&
    (filter.eventIds === undefined || filter.eventIds.includes(event.id)) &&
    (filter.type === undefined || typeMatches(filter.type, event.type)) &&
    (filter.sourceId === undefined || filter.sourceId === event.sourceId) &&
    within(event.receivedAt, filter) &&
    (delivery === null || isWantedDelivery(delivery, filter))
  );
}

function isWantedDelivery(delivery: Delivery, filter: ReplayFilter): boolean {
  return (
    (filter.deliveryIds === undefined || filter.deliveryIds.includes(delivery.id)) &&
    (filter.state === undefined || filter.state === delivery.state) &&
    (filter.destinationId === undefined || filter.destinationId === delivery.destinationId) &&
    (filter.subscriptionId === undefined || filter.subscriptionId === delivery.subscriptionId)
  );
}
