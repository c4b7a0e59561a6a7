import type { Attempt } from '../domain/delivery.ts';
import type { Event } from '../domain/event.ts';
import type { IdPrefix } from '../domain/ids.ts';
import type { Duplicate, Rejection, Replay } from '../domain/records.ts';
import type { AppendRequest, ClaimRequest, DedupeClaim, NewDelivery } from '../ports/event-log.ts';
import type { ChangeAuthor } from '../ports/store.ts';

/** The instant at which built things happen, in milliseconds since the epoch; tests count from it. */
export const START_MS = 1_750_000_000_000;

let made = 0;

/** An id of the right shape that no other call in this process returns; later ones sort later. */
export function buildId(prefix: IdPrefix): string {
  made += 1;
  return `${prefix}_${made.toString().padStart(26, '0')}`;
}

/** An event of `acme.thing.happened`, received at `START_MS`, with a small JSON body. */
export function buildEvent(overrides: Partial<Event> = {}): Event {
  return {
    id: buildId('evt'),
    tenant: 'default',
    sourceId: 'src_one',
    source: 'one',
    type: 'acme.thing.happened',
    key: null,
    subject: null,
    externalId: null,
    correlationId: null,
    causationId: null,
    occurredAt: overrides.receivedAt ?? START_MS,
    receivedAt: START_MS,
    contentType: 'application/json',
    headers: ['Content-Type', 'application/json'],
    body: new TextEncoder().encode('{"thing":1}'),
    settingsVersion: 1,
    origin: {
      requestId: buildId('req'),
      method: 'POST',
      path: '',
      remoteAddress: '192.0.2.1',
      traceparent: null,
      verification: { provider: 'hmac', covers: 'body', secretIndex: 0 },
      dedupeKey: null,
    },
    ...overrides,
  };
}

/** A delivery to `dst_one` for `sub_one` that is pending and due at `START_MS`. */
export function buildNewDelivery(overrides: Partial<NewDelivery> = {}): NewDelivery {
  return {
    id: buildId('dlv'),
    subscriptionId: 'sub_one',
    destinationId: 'dst_one',
    initial: { state: 'pending', dueAt: START_MS },
    ...overrides,
  };
}

/** The initial state of a delivery that its appender attempts: `token` holds it for a minute. */
export function leasedBy(token: string, leaseUntil: number = START_MS + 60_000): NewDelivery['initial'] {
  return { state: 'leased', token, leaseUntil };
}

/** The initial state of a delivery that `claimDue` will find at `dueAt`. */
export function pendingAt(dueAt: number): NewDelivery['initial'] {
  return { state: 'pending', dueAt };
}

/** An event without a de-duplication key that owes nothing, unless said otherwise. */
export function buildAppend(overrides: Partial<AppendRequest> = {}): AppendRequest {
  return { event: buildEvent(), dedupe: null, deliveries: [], ...overrides };
}

/** An append of an event that owes one delivery, with that one's id at hand. */
export interface OwedAppend extends AppendRequest {
  readonly deliveryId: string;
}

/** An append of an event with these fields that owes one delivery with those. */
export function buildOwed(event: Partial<Event> = {}, delivery: Partial<NewDelivery> = {}): OwedAppend {
  const owed = buildNewDelivery(delivery);
  return { event: buildEvent(event), dedupe: null, deliveries: [owed], deliveryId: owed.id };
}

/** A claim of the key `k` in the scope `src_one` that lasts for a day. */
export function buildDedupe(overrides: Partial<DedupeClaim> = {}): DedupeClaim {
  return { scope: 'src_one', key: 'k', expiresAt: START_MS + 86_400_000, fingerprint: '', ...overrides };
}

/** A claim at `START_MS` of up to 100 deliveries to `dst_one`, each leased for a minute. */
export function buildClaim(overrides: Partial<ClaimRequest> = {}): ClaimRequest {
  return { nowMs: START_MS, token: 'worker', lanes: [buildLane()], maxBytes: 1 << 30, ...overrides };
}

/** A lane of a claim: up to 100 deliveries to `dst_one`, each leased for a minute. */
export function buildLane(
  overrides: Partial<ClaimRequest['lanes'][number]> = {},
): ClaimRequest['lanes'][number] {
  return { destinationId: 'dst_one', limit: 100, leaseMs: 60_000, ...overrides };
}

/** Attempt 1, answered with 200. */
export function buildAttempt(overrides: Partial<Attempt> = {}): Attempt {
  return {
    number: 1,
    startedAt: START_MS,
    durationMs: 12,
    outcome: 'succeeded',
    status: 200,
    error: null,
    responseHeaders: ['Content-Type', 'text/plain'],
    responseBody: 'ok',
    nextAttemptAt: null,
    ...overrides,
  };
}

/** An attempt that was answered with 503 and may be made again. */
export function buildFailedAttempt(overrides: Partial<Attempt> = {}): Attempt {
  return buildAttempt({
    outcome: 'retryable',
    status: 503,
    error: 'http_503',
    responseBody: 'busy',
    ...overrides,
  });
}

/** A request that came to a source again at `START_MS`. */
export function buildDuplicate(overrides: Partial<Duplicate> = {}): Duplicate {
  return {
    requestId: buildId('req'),
    at: START_MS,
    remoteAddress: '192.0.2.1',
    principal: null,
    idempotencyKey: null,
    ...overrides,
  };
}

/** A request refused at `src_one` because its signature did not fit. */
export function buildRejection(overrides: Partial<Rejection> = {}): Rejection {
  const body = overrides.body ?? new TextEncoder().encode('{"forged":true}');
  return {
    id: buildId('rej'),
    tenant: 'default',
    sourceId: 'src_one',
    requestId: buildId('req'),
    at: START_MS,
    code: 'signature_mismatch',
    reason: 'no_secret_fits',
    remoteAddress: '192.0.2.1',
    method: 'POST',
    path: '',
    headers: ['X-Signature', 'nonsense'],
    body,
    bodyBytes: body.byteLength,
    ...overrides,
  };
}

/** A running replay over deliveries that has looked at nothing yet and has no end. */
export function buildReplay(overrides: Partial<Replay> = {}): Replay {
  return {
    id: buildId('rpl'),
    tenant: 'default',
    filter: { state: 'dead' },
    destinationId: null,
    ratePerSecond: null,
    state: 'running',
    matched: 0,
    created: 0,
    over: 'deliveries',
    cursor: 0,
    endSeq: Number.MAX_SAFE_INTEGER,
    losses: { missing: 0, cutBefore: null },
    createdAt: START_MS,
    updatedAt: START_MS,
    principal: 'key_one',
    ...overrides,
  };
}

/** Who changes settings in tests. */
export function buildAuthor(overrides: Partial<ChangeAuthor> = {}): ChangeAuthor {
  return { at: START_MS, principal: 'key_one', remoteAddress: '192.0.2.1', ...overrides };
}
