import type { Attempt, AttemptOutcome, Delivery, DeliveryState } from '../../domain/delivery.ts';
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
import type { Row } from './database.ts';
import { fromText } from './text-columns.ts';

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
    headers: document(row, 'headers') as string[],
    settingsVersion: number(row, 'settings_version'),
    origin: document(row, 'origin') as EventOrigin,
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
    responseHeaders: document(row, 'response_headers') as string[],
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
    headers: document(row, 'headers') as string[],
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
    filter: document(row, 'filter') as ReplayFilter,
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
  return fromText(value);
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

/** A document that this store wrote itself. */
export function document(row: Row, column: string): unknown {
  return JSON.parse(text(row, column));
}

function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new TypeError(`column ${column} is not bytes`);
  // A plain view, so that nobody comes to depend on the driver's `Buffer`.
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}
