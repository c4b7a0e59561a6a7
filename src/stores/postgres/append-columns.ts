import type { AppendRequest, NewDelivery } from '../../ports/event-log.ts';
import { toText, toTextOrNull } from './text-columns.ts';

/** Where an append stands in its group. */
export interface AppendPlace {
  readonly n: number;
  readonly place: number;
  /** Where its body begins among the bodies of all, counted from 1. */
  readonly bodyFrom: number;
}

/**
 * An event with its claim as the statement reads it, without its body.
 *
 * One literal with all columns, also for what is missing: rows of one shape are made, and made JSON of, in
 * a third of the time.
 */
export function appendRow({ event, dedupe }: AppendRequest, { n, place, bodyFrom }: AppendPlace) {
  return {
    n,
    place,
    id: event.id,
    tenant: toText(event.tenant),
    source_id: event.sourceId,
    source: toText(event.source),
    type: toText(event.type),
    key: toTextOrNull(event.key),
    subject: toTextOrNull(event.subject),
    external_id: toTextOrNull(event.externalId),
    correlation_id: toTextOrNull(event.correlationId),
    causation_id: toTextOrNull(event.causationId),
    occurred_at: event.occurredAt,
    received_at: event.receivedAt,
    content_type: toTextOrNull(event.contentType),
    headers: JSON.stringify(event.headers),
    settings_version: event.settingsVersion,
    origin: JSON.stringify(event.origin),
    body_from: bodyFrom,
    body_bytes: event.body.byteLength,
    scope: dedupe === null ? null : toText(dedupe.scope),
    dedupe_key: dedupe === null ? null : toText(dedupe.key),
    fingerprint: dedupe === null ? null : toText(dedupe.fingerprint),
    expires_at: dedupe === null ? null : dedupe.expiresAt,
  };
}

/** A claim on a key, as a row of its own. */
export function dedupeColumns(dedupe: NonNullable<AppendRequest['dedupe']>): Record<string, unknown> {
  return {
    scope: toText(dedupe.scope),
    dedupe_key: toText(dedupe.key),
    fingerprint: toText(dedupe.fingerprint),
    expires_at: dedupe.expiresAt,
  };
}

/** The order keys among these, as the database has them. */
export function orderKeysOf(deliveries: readonly NewDelivery[]): string[] {
  return deliveries.flatMap(({ orderKey }) => (orderKey === undefined ? [] : [toText(orderKey)]));
}

/**
 * What a new delivery says of itself, beside `n`, by which the statement knows whose it is, and its place;
 * the rest of its row comes from its event.
 */
export function newDeliveryRow(
  { id, subscriptionId, destinationId, orderKey, initial }: NewDelivery,
  n: number,
  place: number,
) {
  return {
    n,
    place,
    id,
    subscription_id: subscriptionId,
    destination_id: destinationId,
    state: initial.state,
    due_at: initial.state === 'pending' ? initial.dueAt : null,
    lease_until: initial.state === 'leased' ? initial.leaseUntil : null,
    lease_token: initial.state === 'leased' ? initial.token : null,
    reason: 'reason' in initial ? toText(initial.reason) : null,
    order_key: orderKey === undefined ? null : toText(orderKey),
  };
}
