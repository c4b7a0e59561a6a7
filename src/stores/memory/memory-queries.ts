import type { Attempt, Delivery } from '../../domain/delivery.ts';
import type { Event, LoggedEvent } from '../../domain/event.ts';
import type { Rejection } from '../../domain/records.ts';
import { typeMatches } from '../../domain/type-pattern.ts';
import type {
  DeliveryFilter,
  DestinationBacklog,
  EventDuplicates,
  EventFilter,
  FollowedEvents,
  Page,
  PageRequest,
  Queries,
  RejectionFilter,
} from '../../ports/queries.ts';
import { dedupeName } from './memory-event-log.ts';
import type { MemoryTables, Placed } from './memory-tables.ts';

/** The questions, answered by looking at every row. */
export class MemoryQueries implements Queries {
  readonly #tables: () => MemoryTables;

  constructor(tables: () => MemoryTables) {
    this.#tables = tables;
  }

  async events(filter: EventFilter, page: PageRequest): Promise<Page<LoggedEvent>> {
    const tables = this.#tables();
    const rows = [...tables.events.values()].map((event) => ({ seq: event.seq, item: event }));
    return pageOf(rows, page, (event) => eventMatches(event, filter, tables));
  }

  async event(id: string): Promise<LoggedEvent | null> {
    return this.#tables().events.get(id) ?? null;
  }

  async eventsAfter(
    seq: number,
    filter: EventFilter,
    limit: number,
    maxBodyBytes = Number.POSITIVE_INFINITY,
  ): Promise<FollowedEvents> {
    const tables = this.#tables();
    const later = [...tables.events.values()].filter(
      (event) => event.seq > seq && eventMatches(event, filter, tables),
    );
    let bodyBytes = 0;
    const tooMuch = later.findIndex((event, index) => {
      bodyBytes += event.body.byteLength;
      return index > 0 && bodyBytes > maxBodyBytes;
    });
    const items = later.slice(0, tooMuch === -1 ? limit : Math.min(limit, tooMuch));
    const partial = later.length > items.length;
    const reachedSeq = partial ? (items.at(-1)?.seq ?? seq) : Math.max(seq, newestSeq(tables));
    return { items, reachedSeq, prunedSeq: tables.prunedEventSeq };
  }

  async lastSeq(): Promise<number> {
    return newestSeq(this.#tables());
  }

  async deliveries(filter: DeliveryFilter, page: PageRequest): Promise<Page<Delivery>> {
    const rows = [...this.#tables().deliveries.values()].map((row) => ({ seq: row.seq, item: row.delivery }));
    return pageOf(rows, page, (delivery) => deliveryMatches(delivery, filter));
  }

  async delivery(id: string): Promise<Delivery | null> {
    return this.#tables().deliveries.get(id)?.delivery ?? null;
  }

  async attempts(deliveryId: string): Promise<readonly Attempt[]> {
    return [...(this.#tables().deliveries.get(deliveryId)?.attempts ?? [])];
  }

  async rejections(filter: RejectionFilter, page: PageRequest): Promise<Page<Rejection>> {
    const rows = [...this.#tables().rejections.values()];
    return pageOf(rows, page, (rejection) => rejectionMatches(rejection, filter));
  }

  async rejection(idOrRequestId: string): Promise<Rejection | null> {
    const rejections = [...this.#tables().rejections.values()].map((row) => row.item);
    return (
      rejections.find(({ id, requestId }) => id === idOrRequestId || requestId === idOrRequestId) ?? null
    );
  }

  async duplicates(eventId: string): Promise<EventDuplicates> {
    const { count, kept } = this.#tables().duplicates.get(eventId) ?? { count: 0, kept: [] };
    return { count, newest: kept.toReversed() };
  }

  async dedupeHolder(scope: string, key: string): Promise<string | null> {
    return this.#tables().dedupe.get(dedupeName(scope, key))?.eventId ?? null;
  }

  async backlogs(): Promise<readonly DestinationBacklog[]> {
    const backlogs = new Map<string, { pending: number; oldestDueAt: number }>();
    for (const { delivery } of this.#tables().deliveries.values()) {
      if (delivery.state !== 'pending' || delivery.dueAt === null) continue;
      const known = backlogs.get(delivery.destinationId) ?? { pending: 0, oldestDueAt: delivery.dueAt };
      backlogs.set(delivery.destinationId, {
        pending: known.pending + 1,
        oldestDueAt: Math.min(known.oldestDueAt, delivery.dueAt),
      });
    }
    return [...backlogs].map(([destinationId, backlog]) => ({ destinationId, ...backlog }));
  }
}

function newestSeq(tables: MemoryTables): number {
  return [...tables.events.values()].at(-1)?.seq ?? 0;
}

/** Newest first. `rows` are in the order of their `seq`. */
export function pageOf<Item>(
  rows: readonly Placed<Item>[],
  { limit, before }: PageRequest,
  matches: (item: Item) => boolean,
): Page<Item> {
  const found = rows.toReversed().filter((row) => (before === null || row.seq < before) && matches(row.item));
  const items = found.slice(0, limit);
  return {
    items: items.map((row) => row.item),
    next: found.length > limit ? (items.at(-1)?.seq ?? null) : null,
  };
}

/** Whether a wish is absent or met. */
function fits<Value>(wanted: Value | undefined, actual: Value): boolean {
  return wanted === undefined || wanted === actual;
}

/** `from` is included, `to` is not. */
export function within(at: number, { from, to }: { readonly from?: number; readonly to?: number }): boolean {
  return (from === undefined || at >= from) && (to === undefined || at < to);
}

function eventMatches(event: Event, filter: EventFilter, { duplicates }: MemoryTables): boolean {
  return (
    fits(filter.tenant, event.tenant) &&
    (filter.type === undefined || typeMatches(filter.type, event.type)) &&
    (fits(filter.source, event.source) || fits<string | null>(filter.source, event.sourceId)) &&
    fits<string | null>(filter.key, event.key) &&
    fits<string | null>(filter.correlationId, event.correlationId) &&
    fits<string | null>(filter.externalId, event.externalId) &&
    fits(filter.requestId, event.origin.requestId) &&
    (filter.repeatedBy === undefined ||
      duplicates.get(event.id)?.kept.some(({ requestId }) => requestId === filter.repeatedBy) === true) &&
    within(event.receivedAt, filter) &&
    (filter.text === undefined || containsText(event, filter.text))
  );
}

function containsText(event: Event, text: string): boolean {
  const body = new TextDecoder().decode(event.body);
  return [body, event.key, event.subject, event.type].some((field) => field?.includes(text) === true);
}

function deliveryMatches(delivery: Delivery, filter: DeliveryFilter): boolean {
  return (
    fits(filter.tenant, delivery.tenant) &&
    fits(filter.state, delivery.state) &&
    fits(filter.destinationId, delivery.destinationId) &&
    fits<string | null>(filter.subscriptionId, delivery.subscriptionId) &&
    fits(filter.eventId, delivery.eventId) &&
    within(delivery.createdAt, filter)
  );
}

function rejectionMatches(rejection: Rejection, filter: RejectionFilter): boolean {
  return (
    fits(filter.tenant, rejection.tenant) &&
    fits<string | null>(filter.sourceId, rejection.sourceId) &&
    fits<string>(filter.code, rejection.code) &&
    within(rejection.at, filter)
  );
}
