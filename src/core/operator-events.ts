import type { Event } from '../domain/event.ts';
import type { Directory } from './directory.ts';
import type { Services } from './services.ts';

/** The `source` of events that the gateway itself publishes. */
export const OPERATOR_SOURCE = 'ringback';

/** What the gateway tells its operator. Anyone of the tenant can subscribe to them, as to any event. */
export type OperatorEventType =
  | 'destination.disabled'
  | 'destination.failing'
  | 'delivery.died'
  | 'breaker.opened'
  | 'breaker.closed'
  | 'subscription.suspended'
  | 'source.silent'
  | 'source.recovered'
  | 'chain.stopped'
  | 'source.secret_learned'
  | 'retention.behind';

type Accept = (event: Event) => Promise<unknown>;

const ENCODER = new TextEncoder();

/** Publishes what an operator should know as events of the log. Best effort: it never fails its caller. */
export class OperatorEvents {
  readonly #services: Services;
  readonly #directory: Directory;
  #accept: Accept | null = null;

  constructor(services: Services, directory: Directory) {
    this.#services = services;
    this.#directory = directory;
  }

  /** Events can be told from now on; acceptance comes late because deliveries need to tell of events. */
  publishThrough(accept: Accept): void {
    this.#accept = accept;
  }

  /** `hops`: how long the chain is that the event belongs to; see `Chains`. */
  tell(
    type: OperatorEventType,
    tenant: string,
    key: string,
    data: Readonly<Record<string, unknown>>,
    hops = 0,
  ): void {
    const { clock, ids, log } = this.#services;
    const now = clock.now();
    log.warn(type, flat(data));
    const timestamp = new Date(now).toISOString();
    const event: Event = {
      id: ids.make('evt'),
      tenant,
      sourceId: null,
      source: OPERATOR_SOURCE,
      type,
      key,
      subject: key,
      externalId: null,
      // What it is about is also how all that was told of it is found again: that has an index.
      correlationId: key,
      causationId: null,
      occurredAt: now,
      receivedAt: now,
      contentType: 'application/json',
      headers: [],
      body: ENCODER.encode(JSON.stringify({ type, timestamp, data })),
      settingsVersion: this.#directory.version,
      origin: {
        requestId: ids.make('req'),
        method: 'POST',
        path: '',
        remoteAddress: null,
        traceparent: null,
        verification: { provider: OPERATOR_SOURCE, covers: 'body', secretIndex: null },
        dedupeKey: null,
        ...(hops === 0 ? {} : { hops }),
      },
    };
    this.#accept?.(event).catch((error: unknown) => {
      log.error('operator_event.lost', { type }, error);
    });
  }
}

function flat(data: Readonly<Record<string, unknown>>): Record<string, string | number | boolean | null> {
  const fields: Record<string, string | number | boolean | null> = {};
  for (const [name, value] of Object.entries(data)) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      fields[name] = value;
    }
  }
  return fields;
}
