import type { AppendRequest, NewDelivery } from '../../ports/event-log.ts';
import { toText, toTextOrNull } from './text-columns.ts';

/** An event as the statement reads it, without its body. */
export function eventColumns(event: AppendRequest['event']): Record<string, unknown> {
  return {
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
  };
}

/** A claim on a key, in the same row as its event. */
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

/** What a new delivery says of itself; the rest of its row comes from its event. */
export function newDeliveryColumns({
  id,
  subscriptionId,
  destinationId,
  orderKey,
  initial,
}: NewDelivery): Record<string, unknown> {
  return {
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
