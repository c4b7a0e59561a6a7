import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import {
  type Attempt,
  type AttemptOutcome,
  type Delivery,
  type DeliveryState,
} from '../../domain/delivery.ts';
import type { EventOrigin, LoggedEvent } from '../../domain/event.ts';
import type { ProblemCode } from '../../domain/problem.ts';
import type {
  Duplicate,
  Rejection,
  Replay,
  ReplayFilter,
  ReplayState,
  SettingChange,
} from '../../domain/records.ts';
import type { SettingKind } from '../../domain/settings.ts';
import type { AppendRequest, NewDelivery, DedupeClaim } from '../../ports/event-log.ts';

export type Row = Record<string, SQLOutputValue>;
export type Values = SQLInputValue[];

/** An append as the writer thread gets it, but for the body. */
export type AppendRows = readonly [
  receivedAt: number,
  /** Values of `EVENT_COLUMNS`, without the body. */
  event: readonly [id: string, tenant: string, ...Values],
  dedupe: Values | null,
  idempotency: Values | null,
  deliveries: readonly DeliveryValues[],
];

/** Its last column is the body. */
export const EVENT_COLUMNS =
  'id, tenant, source_id, source, type, key, subject, external_id, correlation_id, causation_id, ' +
  'occurred_at, received_at, content_type, headers, settings_version, origin, body';

export function appendRows(request: AppendRequest): AppendRows {
  const { event, dedupe, idempotency } = request;
  const claimed = (claim: DedupeClaim): Values => [
    claim.scope,
    claim.key,
    event.id,
    claim.fingerprint,
    claim.expiresAt,
  ];
  return [
    event.receivedAt,
    [
      event.id,
      event.tenant,
      event.sourceId,
      event.source,
      event.type,
      event.key,
      event.subject,
      event.externalId,
      event.correlationId,
      event.causationId,
      event.occurredAt,
      event.receivedAt,
      event.contentType,
      JSON.stringify(event.headers),
      event.settingsVersion,
      JSON.stringify(event.origin),
    ],
    dedupe === null ? null : claimed(dedupe),
    idempotency === undefined ? null : claimed(idempotency),
    request.deliveries.map((delivery) => deliveryValues(delivery)),
  ];
}

/** What differs between new deliveries; the writer adds the place and what the event says. */
export const NEW_DELIVERY_COLUMNS =
  'id, subscription_id, destination_id, state, attempts, due_at, lease_until, lease_token, reason, order_key';

/** Values of `NEW_DELIVERY_COLUMNS`. */
export type DeliveryValues = readonly [
  id: string,
  subscriptionId: string | null,
  destinationId: string,
  state: DeliveryState,
  attempts: number,
  dueAt: number | null,
  leaseUntil: number | null,
  leaseToken: string | null,
  reason: string | null,
  orderKey: string | null,
];

export function deliveryValues(delivery: NewDelivery): DeliveryValues {
  const { initial, orderKey } = delivery;
  return [
    delivery.id,
    delivery.subscriptionId,
    delivery.destinationId,
    initial.state,
    initial.state === 'leased' ? 1 : 0,
    initial.state === 'pending' ? initial.dueAt : null,
    initial.state === 'leased' ? initial.leaseUntil : null,
    initial.state === 'leased' ? initial.token : null,
    'reason' in initial ? initial.reason : null,
    orderKey ?? null,
  ];
}

export function eventFromRow(row: Row): LoggedEvent {
  return {
    seq: number(row, 'seq'),
    id: text(row, 'id'),
    tenant: text(row, 'tenant'),
    sourceId: textOrNull(row, 'source_id'),
    source: text(row, 'source'),
    type: text(row, 'type'),
    key: textOrNull(row, 'key'),
    subject: textOrNull(row, 'subject'),
    externalId: textOrNull(row, 'external_id'),
    correlationId: textOrNull(row, 'correlation_id'),
    causationId: textOrNull(row, 'causation_id'),
    occurredAt: number(row, 'occurred_at'),
    receivedAt: number(row, 'received_at'),
    contentType: textOrNull(row, 'content_type'),
    headers: JSON.parse(text(row, 'headers')) as string[],
    settingsVersion: number(row, 'settings_version'),
    origin: JSON.parse(text(row, 'origin')) as EventOrigin,
    body: bytes(row, 'body'),
  };
}

export function deliveryFromRow(row: Row): Delivery {
  return {
    id: text(row, 'id'),
    tenant: text(row, 'tenant'),
    eventId: text(row, 'event_id'),
    eventType: text(row, 'event_type'),
    subscriptionId: textOrNull(row, 'subscription_id'),
    destinationId: text(row, 'destination_id'),
    state: text(row, 'state') as DeliveryState,
    attempts: number(row, 'attempts'),
    dueAt: numberOrNull(row, 'due_at'),
    createdAt: number(row, 'created_at'),
    updatedAt: number(row, 'updated_at'),
    reason: textOrNull(row, 'reason'),
    lastStatus: numberOrNull(row, 'last_status'),
    lastError: textOrNull(row, 'last_error'),
    replayOf: textOrNull(row, 'replay_of'),
    replayId: textOrNull(row, 'replay_id'),
  };
}

export function attemptFromRow(row: Row): Attempt {
  return {
    number: number(row, 'number'),
    startedAt: number(row, 'started_at'),
    durationMs: number(row, 'duration_ms'),
    outcome: text(row, 'outcome') as AttemptOutcome,
    status: numberOrNull(row, 'status'),
    error: textOrNull(row, 'error'),
    responseHeaders: JSON.parse(text(row, 'response_headers')) as string[],
    responseBody: text(row, 'response_body'),
    nextAttemptAt: numberOrNull(row, 'next_attempt_at'),
  };
}

export function rejectionFromRow(row: Row): Rejection {
  return {
    id: text(row, 'id'),
    tenant: text(row, 'tenant'),
    sourceId: textOrNull(row, 'source_id'),
    requestId: text(row, 'request_id'),
    at: number(row, 'at'),
    code: text(row, 'code') as ProblemCode,
    reason: text(row, 'reason'),
    remoteAddress: textOrNull(row, 'remote_address'),
    method: text(row, 'method'),
    path: text(row, 'path'),
    headers: JSON.parse(text(row, 'headers')) as string[],
    body: bytes(row, 'body'),
    bodyBytes: number(row, 'body_bytes'),
  };
}

export function duplicateFromRow(row: Row): Duplicate {
  return {
    requestId: text(row, 'request_id'),
    at: number(row, 'at'),
    remoteAddress: textOrNull(row, 'remote_address'),
    principal: textOrNull(row, 'principal'),
    idempotencyKey: textOrNull(row, 'idempotency_key'),
  };
}

function lossesFromRow(row: Row): Replay['losses'] {
  const missing = numberOrNull(row, 'missing');
  return missing === null ? null : { missing, cutBefore: numberOrNull(row, 'cut_before') };
}

export function replayFromRow(row: Row): Replay {
  return {
    id: text(row, 'id'),
    tenant: text(row, 'tenant'),
    filter: JSON.parse(text(row, 'filter')) as ReplayFilter,
    destinationId: textOrNull(row, 'destination_id'),
    ratePerSecond: numberOrNull(row, 'rate_per_second'),
    state: text(row, 'state') as ReplayState,
    matched: number(row, 'matched'),
    created: number(row, 'created'),
    over: text(row, 'over') as Replay['over'],
    cursor: number(row, 'cursor'),
    endSeq: number(row, 'end_seq'),
    losses: lossesFromRow(row),
    createdAt: number(row, 'created_at'),
    updatedAt: number(row, 'updated_at'),
    principal: text(row, 'principal'),
  };
}

export function changeFromRow(row: Row): SettingChange {
  return {
    version: number(row, 'version'),
    kind: text(row, 'kind') as SettingKind,
    settingId: text(row, 'setting_id'),
    tenant: text(row, 'tenant'),
    action: text(row, 'action') as SettingChange['action'],
    at: number(row, 'at'),
    principal: text(row, 'principal'),
    remoteAddress: textOrNull(row, 'remote_address'),
  };
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new TypeError(`column ${column} is not text`);
  return value;
}

export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

export function number(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new TypeError(`column ${column} is not a number`);
  return value;
}

export function numberOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : number(row, column);
}

function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new TypeError(`column ${column} is not a blob`);
  return value;
}
