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

/** A row as a driver gives it, by its columns. */
export type Row = Readonly<Record<string, unknown>>;

export type ColumnReaders = ReturnType<typeof columnReaders>;

/**
 * Readers of single columns. Each throws a `TypeError` when a column holds what its table does not let in.
 *
 * @param fromText undoes what a store does to texts that its database cannot hold.
 */
export function columnReaders(fromText: (stored: string) => string) {
  function text(row: Row, column: string): string {
    const value = row[column];
    if (typeof value !== 'string') throw new TypeError(`column ${column} is not text`);
    return fromText(value);
  }

  function textOrNull(row: Row, column: string): string | null {
    return row[column] === null ? null : text(row, column);
  }

  function numberOrNull(row: Row, column: string): number | null {
    return row[column] === null ? null : number(row, column);
  }

  /** A document that the store wrote itself. */
  function document(row: Row, column: string): unknown {
    return JSON.parse(text(row, column));
  }

  return { text, textOrNull, number, numberOrNull, document, bytes };
}

function number(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new TypeError(`column ${column} is not a number`);
  return value;
}

function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new TypeError(`column ${column} is not bytes`);
  // A plain view, so that nobody comes to depend on a driver's `Buffer`.
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

// Rows whose columns have the same names in every SQL store.

export function eventFromRow(read: ColumnReaders, row: Row): LoggedEvent {
  return {
    seq: read.number(row, 'seq'),
    id: read.text(row, 'id'),
    tenant: read.text(row, 'tenant'),
    sourceId: read.textOrNull(row, 'source_id'),
    source: read.text(row, 'source'),
    type: read.text(row, 'type'),
    key: read.textOrNull(row, 'key'),
    subject: read.textOrNull(row, 'subject'),
    externalId: read.textOrNull(row, 'external_id'),
    correlationId: read.textOrNull(row, 'correlation_id'),
    causationId: read.textOrNull(row, 'causation_id'),
    occurredAt: read.number(row, 'occurred_at'),
    receivedAt: read.number(row, 'received_at'),
    contentType: read.textOrNull(row, 'content_type'),
    headers: read.document(row, 'headers') as string[],
    settingsVersion: read.number(row, 'settings_version'),
    origin: read.document(row, 'origin') as EventOrigin,
    body: read.bytes(row, 'body'),
  };
}

export function deliveryFromRow(read: ColumnReaders, row: Row): Delivery {
  return {
    id: read.text(row, 'id'),
    tenant: read.text(row, 'tenant'),
    eventId: read.text(row, 'event_id'),
    eventType: read.text(row, 'event_type'),
    subscriptionId: read.textOrNull(row, 'subscription_id'),
    destinationId: read.text(row, 'destination_id'),
    state: read.text(row, 'state') as DeliveryState,
    attempts: read.number(row, 'attempts'),
    dueAt: read.numberOrNull(row, 'due_at'),
    createdAt: read.number(row, 'created_at'),
    updatedAt: read.number(row, 'updated_at'),
    reason: read.textOrNull(row, 'reason'),
    lastStatus: read.numberOrNull(row, 'last_status'),
    lastError: read.textOrNull(row, 'last_error'),
    replayOf: read.textOrNull(row, 'replay_of'),
    replayId: read.textOrNull(row, 'replay_id'),
  };
}

export function attemptFromRow(read: ColumnReaders, row: Row): Attempt {
  return {
    number: read.number(row, 'number'),
    startedAt: read.number(row, 'started_at'),
    durationMs: read.number(row, 'duration_ms'),
    outcome: read.text(row, 'outcome') as AttemptOutcome,
    status: read.numberOrNull(row, 'status'),
    error: read.textOrNull(row, 'error'),
    responseHeaders: read.document(row, 'response_headers') as string[],
    responseBody: read.text(row, 'response_body'),
    nextAttemptAt: read.numberOrNull(row, 'next_attempt_at'),
  };
}

export function rejectionFromRow(read: ColumnReaders, row: Row): Rejection {
  return {
    id: read.text(row, 'id'),
    tenant: read.text(row, 'tenant'),
    sourceId: read.textOrNull(row, 'source_id'),
    requestId: read.text(row, 'request_id'),
    at: read.number(row, 'at'),
    code: read.text(row, 'code') as ProblemCode,
    reason: read.text(row, 'reason'),
    remoteAddress: read.textOrNull(row, 'remote_address'),
    method: read.text(row, 'method'),
    path: read.text(row, 'path'),
    headers: read.document(row, 'headers') as string[],
    body: read.bytes(row, 'body'),
    bodyBytes: read.number(row, 'body_bytes'),
  };
}

export function duplicateFromRow(read: ColumnReaders, row: Row): Duplicate {
  return {
    requestId: read.text(row, 'request_id'),
    at: read.number(row, 'at'),
    remoteAddress: read.textOrNull(row, 'remote_address'),
    principal: read.textOrNull(row, 'principal'),
    idempotencyKey: read.textOrNull(row, 'idempotency_key'),
  };
}

function lossesFromRow(read: ColumnReaders, row: Row): Replay['losses'] {
  const missing = read.numberOrNull(row, 'missing');
  return missing === null ? null : { missing, cutBefore: read.numberOrNull(row, 'cut_before') };
}

export function replayFromRow(read: ColumnReaders, row: Row): Replay {
  return {
    id: read.text(row, 'id'),
    tenant: read.text(row, 'tenant'),
    filter: read.document(row, 'filter') as ReplayFilter,
    destinationId: read.textOrNull(row, 'destination_id'),
    ratePerSecond: read.numberOrNull(row, 'rate_per_second'),
    state: read.text(row, 'state') as ReplayState,
    matched: read.number(row, 'matched'),
    created: read.number(row, 'created'),
    over: read.text(row, 'over') as Replay['over'],
    cursor: read.number(row, 'cursor'),
    endSeq: read.number(row, 'end_seq'),
    losses: lossesFromRow(read, row),
    createdAt: read.number(row, 'created_at'),
    updatedAt: read.number(row, 'updated_at'),
    principal: read.text(row, 'principal'),
  };
}

export function changeFromRow(read: ColumnReaders, row: Row): SettingChange {
  return {
    version: read.number(row, 'version'),
    kind: read.text(row, 'kind') as SettingKind,
    settingId: read.text(row, 'setting_id'),
    tenant: read.text(row, 'tenant'),
    action: read.text(row, 'action') as SettingChange['action'],
    at: read.number(row, 'at'),
    principal: read.text(row, 'principal'),
    remoteAddress: read.textOrNull(row, 'remote_address'),
  };
}
