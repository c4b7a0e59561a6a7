import type { Attempt } from '../../domain/delivery.ts';
import type { LoggedEvent } from '../../domain/event.ts';
import type {
  Appended,
  AppendRequest,
  ClaimRequest,
  ClaimResult,
  DedupeClaim,
  EndRequest,
  EventLog,
  LaneRequest,
  LeasedDelivery,
  ReleaseRequest,
  Settlement,
} from '../../ports/event-log.ts';
import type { DedupeRow, DeliveryRow, MemoryTables } from './memory-tables.ts';

/**
 * The event log as plain maps. Each method runs to its end before another begins, which makes it one
 * transaction; what can fail is checked before anything is written.
 *
 * Unlike the port asks of a real store, claiming looks at every delivery: this one is for tests.
 */
export class MemoryEventLog implements EventLog {
  readonly #tables: () => MemoryTables;

  constructor(tables: () => MemoryTables) {
    this.#tables = tables;
  }

  async append(request: AppendRequest): Promise<Appended> {
    const [appended] = appendTo(this.#tables(), [request]);
    if (appended === undefined) throw new Error('one request has one answer');
    return appended;
  }

  async appendAll(requests: readonly AppendRequest[]): Promise<readonly Appended[]> {
    return appendTo(this.#tables(), requests);
  }

  async claimDue(request: ClaimRequest): Promise<ClaimResult> {
    const tables = this.#tables();
    const lost = takeBackLostLeases(tables, request.nowMs);
    const leased: LeasedDelivery[] = [];
    let bytes = 0;
    for (const lane of request.lanes) {
      for (const row of dueIn(tables, lane, request.nowMs)) {
        if (bytes > request.maxBytes) break;
        const claimed = lease(tables, row, lane, request);
        bytes += claimed.event.body.byteLength;
        leased.push(claimed);
      }
    }
    const told = new Set([...request.lanes.map((lane) => lane.destinationId), ...lost.destinationIds]);
    const lanes = [...told].map((destinationId) => ({
      destinationId,
      nextDueAt: earliestDueAt(tables, destinationId),
    }));
    return { leased, lanes, abandoned: lost.count };
  }

  async settle(settlement: Settlement): Promise<'settled' | 'lease_lost'> {
    const tables = this.#tables();
    const row = tables.deliveries.get(settlement.deliveryId);
    if (row?.lease?.token !== settlement.token) return 'lease_lost';
    const { attempt, next } = settlement;
    if (attempt !== null) row.attempts.push(attempt);
    row.lease = null;
    row.delivery = {
      ...row.delivery,
      state: next.state,
      attempts: row.delivery.attempts - (attempt === null ? 1 : 0),
      dueAt: next.state === 'pending' ? next.dueAt : null,
      updatedAt: settlement.atMs,
      reason: next.state === 'succeeded' ? null : next.reason,
      ...(attempt === null ? {} : { lastStatus: attempt.status, lastError: attempt.error }),
    };
    if (next.state !== 'pending') tables.releaseNext(row.orderKey, settlement.atMs);
    return 'settled';
  }

  async pendingLanes(): Promise<readonly { readonly destinationId: string; readonly nextDueAt: number }[]> {
    const tables = this.#tables();
    const destinationIds = new Set([...tables.deliveries.values()].map((row) => row.delivery.destinationId));
    return [...destinationIds].flatMap((destinationId) => {
      const nextDueAt = earliestDueAt(tables, destinationId);
      return nextDueAt === null ? [] : [{ destinationId, nextDueAt }];
    });
  }

  async endPending(request: EndRequest): Promise<number> {
    const tables = this.#tables();
    const rows = [...tables.deliveries.values()]
      .filter((row) => row.delivery.state === 'pending' && isMeant(row, request))
      .slice(0, request.limit);
    for (const row of rows) {
      row.delivery = {
        ...row.delivery,
        state: request.state,
        dueAt: null,
        updatedAt: request.atMs,
        reason: request.reason,
      };
    }
    for (const row of rows) tables.releaseNext(row.orderKey, request.atMs);
    return rows.length;
  }

  async releaseHeld(
    request: ReleaseRequest,
  ): Promise<{ readonly released: number; readonly destinationIds: readonly string[] }> {
    const rows = [...this.#tables().deliveries.values()]
      .filter(
        ({ delivery }) =>
          delivery.state === 'pending' &&
          delivery.dueAt === null &&
          delivery.subscriptionId === request.subscriptionId &&
          delivery.reason === request.reason,
      )
      .slice(0, request.limit);
    for (const row of rows) {
      const { createdAt } = row.delivery;
      row.delivery = { ...row.delivery, dueAt: createdAt, reason: null, updatedAt: request.atMs };
    }
    const destinationIds = new Set(rows.map(({ delivery }) => delivery.destinationId));
    return { released: rows.length, destinationIds: [...destinationIds] };
  }

  async bringForward(deliveryId: string, atMs: number): Promise<string | null> {
    const row = this.#tables().deliveries.get(deliveryId);
    if (row === undefined) return null;
    const { state } = row.delivery;
    if (state === 'pending' && row.delivery.dueAt !== null)
      row.delivery = { ...row.delivery, dueAt: atMs, updatedAt: atMs };
    return state;
  }
}

function appendTo(tables: MemoryTables, requests: readonly AppendRequest[]): Appended[] {
  const claims = new Map<string, DedupeRow>();
  const first = requests.map((request) => {
    const names = namesOf(request);
    for (const { name, claim } of names) {
      const held = claims.get(name) ?? tables.dedupe.get(name);
      if (held !== undefined && held.expiresAt > request.event.receivedAt) return { held, claim };
    }
    for (const { name, claim } of names) claims.set(name, claimOf(request.event.id, claim));
    return null;
  });
  const fresh = requests.filter((_, index) => first[index] === null);
  requireNewEvents(tables, fresh);
  tables.requireNewDeliveries(fresh.flatMap((request) => request.deliveries));
  for (const [name, claim] of claims) tables.dedupe.set(name, claim);
  return requests.map((request, index) => {
    const refused = first[index] ?? null;
    return refused === null ? write(tables, request) : refuse(refused.held, refused.claim);
  });
}

function write(tables: MemoryTables, request: AppendRequest): Appended {
  // A copy, as a real store makes one: the caller may reuse its buffer.
  const event: LoggedEvent = {
    ...request.event,
    body: Uint8Array.from(request.event.body),
    seq: tables.nextSeq(request.event.receivedAt),
  };
  tables.events.set(event.id, event);
  for (const owed of request.deliveries) {
    tables.addDelivery(owed, { event, atMs: event.receivedAt, replayOf: null, replayId: null });
  }
  return { eventId: event.id, duplicate: false, conflict: false, seq: event.seq };
}

/** The names that an append takes, in the order in which they are looked at. */
function namesOf({ idempotency, dedupe }: AppendRequest): { name: string; claim: DedupeClaim }[] {
  return [idempotency ?? null, dedupe].flatMap((claim) =>
    claim === null ? [] : [{ name: dedupeName(claim.scope, claim.key), claim }],
  );
}

function refuse(held: DedupeRow, claim: DedupeClaim): Appended {
  const conflict = held.fingerprint !== claim.fingerprint;
  return { eventId: held.eventId, duplicate: true, conflict, seq: 0 };
}

function requireNewEvents(tables: MemoryTables, requests: readonly AppendRequest[]): void {
  const seen = new Set<string>();
  for (const { event } of requests) {
    if (seen.has(event.id) || tables.events.has(event.id))
      throw new Error(`event ${event.id} exists already`);
    seen.add(event.id);
  }
}

export function dedupeName(scope: string, key: string): string {
  return JSON.stringify([scope, key]);
}

function claimOf(eventId: string, claim: DedupeClaim): DedupeRow {
  return { eventId, expiresAt: claim.expiresAt, fingerprint: claim.fingerprint };
}

function takeBackLostLeases(
  tables: MemoryTables,
  nowMs: number,
): { count: number; destinationIds: string[] } {
  const lost = [...tables.deliveries.values()].filter(
    (row) => row.lease !== null && row.lease.leaseUntil <= nowMs,
  );
  for (const row of lost) {
    const startedAt = row.lease?.leasedAt ?? nowMs;
    const attempt = abandonedAttempt(row.delivery.attempts, startedAt, nowMs);
    row.attempts.push(attempt);
    row.lease = null;
    row.delivery = {
      ...row.delivery,
      state: 'pending',
      dueAt: nowMs,
      updatedAt: nowMs,
      reason: null,
      lastStatus: attempt.status,
      lastError: attempt.error,
    };
  }
  return { count: lost.length, destinationIds: lost.map((row) => row.delivery.destinationId) };
}

function abandonedAttempt(number: number, startedAt: number, nowMs: number): Attempt {
  return {
    number,
    startedAt,
    durationMs: Math.max(0, nowMs - startedAt),
    outcome: 'abandoned',
    status: null,
    error: 'abandoned',
    responseHeaders: [],
    responseBody: '',
    nextAttemptAt: nowMs,
  };
}

function dueIn(tables: MemoryTables, lane: LaneRequest, nowMs: number): DeliveryRow[] {
  return pendingIn(tables, lane.destinationId)
    .filter((row) => dueAtOf(row) <= nowMs)
    .slice(0, lane.limit);
}

/** The pending deliveries of a destination: earliest due first, and of those the first made. */
function pendingIn(tables: MemoryTables, destinationId: string): DeliveryRow[] {
  return [...tables.deliveries.values()]
    .filter((row) => row.delivery.state === 'pending' && row.delivery.destinationId === destinationId)
    .filter((row) => row.delivery.dueAt !== null)
    .toSorted((one, other) => dueAtOf(one) - dueAtOf(other) || one.seq - other.seq);
}

function earliestDueAt(tables: MemoryTables, destinationId: string): number | null {
  const first = pendingIn(tables, destinationId)[0];
  return first === undefined ? null : dueAtOf(first);
}

function dueAtOf(row: DeliveryRow): number {
  if (row.delivery.dueAt === null) throw new Error(`delivery ${row.delivery.id} is never due`);
  return row.delivery.dueAt;
}

function lease(
  tables: MemoryTables,
  row: DeliveryRow,
  lane: LaneRequest,
  { nowMs, token }: ClaimRequest,
): LeasedDelivery {
  const leaseUntil = nowMs + lane.leaseMs;
  const attempts = row.delivery.attempts + 1;
  const event = tables.events.get(row.delivery.eventId);
  if (event === undefined) throw new Error(`delivery ${row.delivery.id} has no event`);
  row.lease = { token, leasedAt: nowMs, leaseUntil };
  row.delivery = { ...row.delivery, state: 'leased', attempts, dueAt: leaseUntil, updatedAt: nowMs };
  const { id, tenant, subscriptionId, destinationId, createdAt, replayOf } = row.delivery;
  return {
    id,
    tenant,
    subscriptionId,
    destinationId,
    createdAt,
    replayOf,
    attempt: attempts,
    token,
    leaseUntil,
    event,
  };
}

function isMeant({ delivery }: DeliveryRow, request: EndRequest): boolean {
  if (request.deliveryId !== undefined) return delivery.id === request.deliveryId;
  if (request.destinationId !== undefined) return delivery.destinationId === request.destinationId;
  return request.subscriptionId !== undefined && delivery.subscriptionId === request.subscriptionId;
}
