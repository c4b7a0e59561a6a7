import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { DeliveryState } from '../../domain/delivery.ts';
import type { AppendRequest, NewDelivery, DedupeClaim } from '../../ports/event-log.ts';
import * as records from '../sql/row-readers.ts';

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

const columns = records.columnReaders((stored) => stored);

export const { text, textOrNull, number, numberOrNull, document } = columns;

export const eventFromRow = (row: records.Row) => records.eventFromRow(columns, row);
export const deliveryFromRow = (row: records.Row) => records.deliveryFromRow(columns, row);
export const attemptFromRow = (row: records.Row) => records.attemptFromRow(columns, row);
export const rejectionFromRow = (row: records.Row) => records.rejectionFromRow(columns, row);
export const duplicateFromRow = (row: records.Row) => records.duplicateFromRow(columns, row);
export const replayFromRow = (row: records.Row) => records.replayFromRow(columns, row);
export const changeFromRow = (row: records.Row) => records.changeFromRow(columns, row);
