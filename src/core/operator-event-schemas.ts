import type { JsonSchema } from '../ports/schemas.ts';
import type { OperatorEventType } from './operator-events.ts';

/** One of the gateway's own events, as the catalogue shows it. */
export interface OperatorEventSchema {
  readonly description: string;
  /** Of the data. */
  readonly schema: JsonSchema;
}

const TEXT = { type: 'string' };
const TEXT_OR_NULL = { type: ['string', 'null'] };
const COUNT = { type: 'integer', minimum: 0 };

function data(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', required: Object.keys(properties), properties };
}

const DESTINATION = { destination_id: TEXT, name: TEXT };

/** The gateway's own events. Every tenant has them, and they can be subscribed to as any other. */
export const OPERATOR_EVENT_SCHEMAS: Readonly<Record<OperatorEventType, OperatorEventSchema>> = {
  'destination.disabled': {
    description: 'A destination was disabled: it answered 410, or has only failed for five days.',
    schema: data({ ...DESTINATION, reason: TEXT }),
  },
  'destination.failing': {
    description: 'A destination has only failed for a day.',
    schema: data({ ...DESTINATION, error: TEXT_OR_NULL, failing_since: TEXT }),
  },
  'delivery.died': {
    description: 'A delivery is dead: it will not be attempted again by itself.',
    schema: data({
      delivery_id: TEXT,
      event_id: TEXT,
      event_type: TEXT,
      destination_id: TEXT,
      subscription_id: TEXT_OR_NULL,
      reason: TEXT,
    }),
  },
  'breaker.opened': {
    description: 'A destination failed so often that it is left alone for a while.',
    schema: data({ ...DESTINATION, error: TEXT_OR_NULL }),
  },
  'breaker.closed': {
    description: 'A destination that was left alone works again.',
    schema: data({ ...DESTINATION, error: TEXT_OR_NULL }),
  },
  'chain.stopped': {
    description: 'An event owes nothing, because too many deliveries in a row led to it.',
    schema: data({
      event_id: TEXT,
      event_type: TEXT,
      source_id: TEXT_OR_NULL,
      source: TEXT,
      hops: COUNT,
      max_hops: COUNT,
    }),
  },
  'subscription.suspended': {
    description: 'More than 95 % of its attempts failed over an hour: what it is owed is held.',
    schema: data({
      subscription_id: TEXT,
      name: TEXT,
      destination_id: TEXT,
      attempts: COUNT,
      failed: COUNT,
      error: TEXT_OR_NULL,
      reason: TEXT,
    }),
  },
  'source.silent': {
    description: 'A source brought nothing for longer than it is expected to.',
    schema: data({
      source_id: TEXT,
      name: TEXT,
      last_event_at: TEXT_OR_NULL,
      silent_s: COUNT,
      expect_every_s: COUNT,
    }),
  },
  'source.recovered': {
    description: 'A source that was silent has brought something again.',
    schema: data({ source_id: TEXT, name: TEXT, silent_s: COUNT }),
  },
  'source.secret_learned': {
    description: 'A source took over the secret that its provider handed over in a handshake.',
    schema: data({ source_id: TEXT, name: TEXT, provider: TEXT, remote_address: TEXT_OR_NULL }),
  },
  'retention.behind': {
    description: 'The store is larger than it may be, and nothing that is left may go.',
    schema: data({ size_bytes: COUNT, max_bytes: COUNT, why: TEXT }),
  },
};
