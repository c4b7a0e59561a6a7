import type { Event } from '../domain/event.ts';
import { Problem } from '../domain/problem.ts';
import type { Principal } from '../domain/principal.ts';
import type { DedupeClaim } from '../ports/event-log.ts';
import type { Acceptance, Accepted, IncomingEvent } from './acceptance.ts';
import type { Chains } from './chains.ts';
import type { Directory } from './directory.ts';
import type { EventTypes } from './event-types.ts';
import { usableTraceparent } from './outbound-request.ts';
import type { Services } from './services.ts';

/** An event as a publisher states it, whichever way it came. */
export interface PublishedEvent {
  readonly tenant: string;
  readonly type: string;
  readonly source: string;
  /** The publisher's own id: publishing it again from the same source is a duplicate. */
  readonly externalId: string | null;
  readonly subject: string | null;
  readonly key: string | null;
  readonly occurredAt: number | null;
  readonly correlationId: string | null;
  readonly causationId: string | null;
  readonly contentType: string | null;
  /** The bytes that destinations will get. */
  readonly body: Uint8Array;
  readonly cloudEvent?: 'structured' | 'binary';
  /** The version of its type that the event says it is of; absent = the newest in the catalogue. */
  readonly typeVersion?: number;
  /** The body as JSON, where it was at hand. */
  readonly parsed?: { readonly value: unknown };
}

export interface PublishCall {
  readonly requestId: string;
  readonly headers: readonly string[];
  readonly remoteAddress: string | null;
  readonly principal: Principal;
  /** The `Idempotency-Key`, with a digest of the request that it stands for. */
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
}

const IDEMPOTENCY_WINDOW_MS = 24 * 3_600_000;
const CONTENT_HEADERS = new Set(['content-type', 'traceparent', 'tracestate']);

/** Takes events from publishers: the same promise as ingest, with a key instead of a signature. */
export class Publish {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #acceptance: Acceptance;
  readonly #chains: Chains;
  readonly #types: EventTypes;
  readonly #dedupeWindowMs: number;

  constructor(
    services: Services,
    directory: Directory,
    acceptance: Acceptance,
    { chains, types }: { readonly chains: Chains; readonly types: EventTypes },
    dedupeWindowMs: number,
  ) {
    this.#chains = chains;
    this.#types = types;
    this.#services = services;
    this.#directory = directory;
    this.#acceptance = acceptance;
    this.#dedupeWindowMs = dedupeWindowMs;
  }

  async one(published: PublishedEvent, call: PublishCall): Promise<Accepted> {
    const hops = await this.#hops(published, call);
    const incoming = this.#checked(published, this.#incoming(published, call, hops), '');
    const key = this.#idempotencyClaim(published, call);
    const ownId = this.#ownIdClaim(published, incoming.event);
    const accepted =
      key === null || ownId === null
        ? await this.#acceptance.accept(incoming, key ?? ownId, 'api')
        : await this.#acceptance.accept(incoming, ownId, 'api', key);
    return accepted.duplicate && call.idempotency !== null ? this.#asAtFirst(accepted) : accepted;
  }

  /** A repeated request is answered as the first one was, with what the event owed then. */
  async #asAtFirst(accepted: Accepted): Promise<Accepted> {
    const page = { limit: 500, before: null };
    const { items } = await this.#services.store.queries.deliveries({ eventId: accepted.eventId }, page);
    return { ...accepted, deliveries: items.filter(({ replayId }) => replayId === null).length };
  }

  /** All or nothing. Duplicates by their own ids are told one by one. */
  all(published: readonly PublishedEvent[], call: PublishCall): Promise<Accepted[]> {
    if (call.idempotency !== null) {
      throw new Problem('validation_failed', 'give each event of a batch its own id instead of a header', {
        errors: [{ pointer: '/headers/idempotency-key', message: 'is not used with batches' }],
      });
    }
    return this.#all(published, call);
  }

  async #all(published: readonly PublishedEvent[], call: PublishCall): Promise<Accepted[]> {
    const hops = await Promise.all(published.map((one) => this.#hops(one, call)));
    const incoming = published.map((one, index) => {
      const place = `${batchPointer(one)}/${index}`;
      const event = this.#checked(one, this.#incoming(one, call, hops[index] ?? 0), place);
      return { event, dedupe: this.#ownIdClaim(one, event.event) };
    });
    return this.#acceptance.acceptAll(incoming, 'api');
  }

  #hops({ causationId, tenant }: PublishedEvent, call: PublishCall): Promise<number> {
    return this.#chains.hopsOf(call.headers, causationId === null ? null : { id: causationId, tenant });
  }

  #incoming(published: PublishedEvent, call: PublishCall, hops: number): IncomingEvent {
    const nowMs = this.#services.clock.now();
    const event: Event = {
      id: this.#services.ids.make('evt'),
      tenant: published.tenant,
      sourceId: null,
      source: published.source,
      type: published.type,
      key: published.key,
      subject: published.subject,
      externalId: published.externalId,
      // Who names only a cause is in its chain: else the cause's trace would not find it.
      correlationId: published.correlationId ?? published.causationId,
      causationId: published.causationId,
      occurredAt: published.occurredAt ?? nowMs,
      receivedAt: nowMs,
      contentType: published.contentType,
      headers: contentHeaders(call.headers),
      body: published.body,
      settingsVersion: this.#directory.version,
      origin: {
        requestId: call.requestId,
        method: 'POST',
        path: '',
        remoteAddress: call.remoteAddress,
        traceparent: usableTraceparent(call.headers),
        verification: {
          provider: 'api',
          covers: 'body',
          secretIndex: null,
          principal: call.principal.id,
        },
        dedupeKey: call.idempotency?.key ?? published.externalId,
        ...(hops === 0 ? {} : { hops }),
        ...(published.cloudEvent === undefined ? {} : { cloudEvent: published.cloudEvent }),
      },
    };
    return { event, parsed: published.parsed };
  }

  /** Refuses what does not fit the catalogue; notes the version of what does. */
  #checked(published: PublishedEvent, incoming: IncomingEvent, at: string): IncomingEvent {
    const { event } = incoming;
    const places = PLACES[published.cloudEvent ?? 'own'](at);
    const checked = this.#types.checkPublished(event, published.typeVersion ?? null, incoming.parsed, places);
    if (checked === undefined) return incoming;
    const { version, parsed, protobuf } = checked;
    const noted = { typeVersion: version, ...(protobuf === undefined ? {} : { protobuf }) };
    return { event: { ...event, origin: { ...event.origin, ...noted } }, parsed };
  }

  #idempotencyClaim(published: PublishedEvent, call: PublishCall): DedupeClaim | null {
    if (call.idempotency === null) return null;
    const expiresAt = this.#services.clock.now() + IDEMPOTENCY_WINDOW_MS;
    return { scope: `idempotency:${published.tenant}`, expiresAt, ...call.idempotency };
  }

  /** CloudEvents 1.0, section 3.1.1: source and id together name an event. */
  #ownIdClaim(published: PublishedEvent, event: Event): DedupeClaim | null {
    if (published.externalId === null) return null;
    return {
      scope: `publish:${published.tenant}:${published.source}`,
      key: published.externalId,
      expiresAt: event.receivedAt + this.#dedupeWindowMs,
      fingerprint: '',
    };
  }
}

/** Where version and data of an event stand in a request, by how it is written. */
const PLACES = {
  own: (at: string) => ({ version: `${at}/type_version`, data: `${at}/data` }),
  structured: (at: string) => ({ version: `${at}/typeversion`, data: `${at}/data` }),
  // The body is the data and nothing else.
  binary: () => ({ version: '/headers/ce-typeversion', data: '' }),
};

/** Where the events of a batch stand in its request: ours has a field for them, that of CloudEvents is a list. */
function batchPointer({ cloudEvent }: PublishedEvent): string {
  return cloudEvent === undefined ? '/events' : '';
}

/** Of a publisher's headers only those about the content are kept: never its API key. */
function contentHeaders(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]?.toLowerCase() ?? '';
    if (name.startsWith('ce-') || CONTENT_HEADERS.has(name)) kept.push(name, headers[index + 1] ?? '');
  }
  return kept;
}
