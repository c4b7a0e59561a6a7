import { isRecord } from '../domain/json-record.ts';
import { headerValue, isJsonType, type Event } from '../domain/event.ts';
import { headerSafe } from '../domain/forwarded-headers.ts';
import type { Destination, Subscription } from '../domain/settings.ts';
import type { LeasedDelivery } from '../ports/event-log.ts';
import type { OutboundRequest } from '../ports/sender.ts';
import { HOPS_HEADER } from './chains.ts';
import type { Directory } from './directory.ts';
import type { Conversion, EventViews } from './event-views.ts';
import { parseJson } from './expression-input.ts';
import type { Services } from './services.ts';

/** Headers that a destination's own ones may not replace: receivers trust them. */
export const RESERVED_HEADERS =
  /^(webhook-.*|ringback-.*|content-length|transfer-encoding|host|connection|traceparent|user-agent)$/;

const ENCODER = new TextEncoder();

interface OpenedDestination {
  readonly destination: Destination;
  readonly secrets: readonly string[];
  readonly fixedHeaders: readonly string[];
  /** What the sender needs to know besides the request itself. */
  readonly identity: Pick<OutboundRequest, 'oauth2' | 'tls'>;
  /** Names of those, in lower case: they replace ours. */
  readonly fixedNames: ReadonlySet<string>;
  readonly validUntil: number;
}

/** In which version of its type the data of an event is. */
const VERSION_HEADER = 'ringback-type-version';

/** Why there is nothing to send, in words and as the reason of a dead delivery. */
export interface UnbuiltRequest {
  readonly failure: string;
  readonly reason: 'transform_failed' | 'conversion_failed';
}

interface Content {
  readonly type: string;
  readonly body: Uint8Array;
  readonly version?: number;
}

/** Turns a leased delivery into the bytes of one attempt. */
export class OutboundRequests {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #views: EventViews;
  readonly #userAgent: string;
  readonly #opened = new Map<string, OpenedDestination>();

  constructor(services: Services, directory: Directory, views: EventViews, version: string) {
    this.#views = views;
    this.#services = services;
    this.#directory = directory;
    this.#userAgent = `Ringback/${version}`;
  }

  /** Timestamp and signatures are of this attempt; id and body are the same on every one. */
  build(
    delivery: LeasedDelivery,
    destination: Destination,
    subscription: Subscription | undefined,
    nowMs: number,
  ): OutboundRequest | UnbuiltRequest {
    const { event } = delivery;
    const opened = this.#open(destination, nowMs);
    const content = this.#content(event, subscription);
    if ('failure' in content) return content;
    const headers = this.#signedHeaders(opened, event.id, content, nowMs);
    headers.push(
      'ringback-event-type',
      event.type,
      'ringback-source',
      headerSafe(event.source),
      'ringback-delivery',
      delivery.id,
      'ringback-attempt',
      String(delivery.attempt),
      HOPS_HEADER,
      String((event.origin.hops ?? 0) + 1),
    );
    if (event.origin.traceparent !== null) {
      headers.push('traceparent', continueTrace(event.origin.traceparent, this.#services.random.bytes(8)));
    }
    if (content.version !== undefined) headers.push(VERSION_HEADER, String(content.version));
    if (event.origin.cloudEvent === 'binary') {
      pushCloudEventHeaders(event, headers, opened.fixedNames, content.version);
    }
    headers.push(...opened.fixedHeaders);
    const { url, timeoutMs } = destination;
    return { url, headers, body: content.body, timeoutMs, ...opened.identity };
  }

  /** A request of the same shape that belongs to no event. */
  buildTest(
    destination: Destination,
    body: Uint8Array,
    nowMs: number,
  ): OutboundRequest & { readonly webhookId: string } {
    const opened = this.#open(destination, nowMs);
    const webhookId = this.#services.ids.make('evt');
    const headers = this.#signedHeaders(opened, webhookId, { type: 'application/json', body }, nowMs);
    headers.push('ringback-event-type', 'ringback.test', ...opened.fixedHeaders);
    const { url, timeoutMs } = destination;
    return { url, headers, body, timeoutMs, webhookId, ...opened.identity };
  }

  #signedHeaders(
    { destination, secrets, fixedNames }: OpenedDestination,
    webhookId: string,
    content: Content,
    nowMs: number,
  ): string[] {
    const timestampS = Math.floor(nowMs / 1000);
    const headers = fixedNames.has('content-type') ? [] : ['content-type', content.type];
    headers.push(
      'user-agent',
      this.#userAgent,
      'webhook-id',
      webhookId,
      'webhook-timestamp',
      String(timestampS),
    );
    if (destination.signing !== 'none') {
      const signature = this.#services.signer.sign(webhookId, timestampS, content.body, secrets);
      headers.push('webhook-signature', signature);
    }
    return headers;
  }

  #content(event: Event, subscription: Subscription | undefined): Content | UnbuiltRequest {
    if (subscription === undefined) return asItCame(event);
    const conversion = this.#views.conversion(subscription, event);
    if (conversion?.ok === false) return { failure: conversion.error, reason: 'conversion_failed' };
    const content = conversion === null ? asItCame(event) : convertedContent(event, conversion);
    if (subscription.transform === null) return content;
    const { transform } = this.#directory.activeSubscription(subscription);
    const seen = this.#views.seenBy(subscription, event, this.#views.of(event));
    const result = transform?.evaluate(seen);
    if (result === undefined || !result.ok) return transformFailed(result?.error ?? 'missing');
    if (!isRecord(result.value)) return transformFailed('the result is not a map');
    return { ...content, type: 'application/json', body: ENCODER.encode(JSON.stringify(result.value)) };
  }

  #open(destination: Destination, nowMs: number): OpenedDestination {
    const known = this.#opened.get(destination.id);
    if (known !== undefined && known.destination === destination && nowMs < known.validUntil) return known;
    const expiries = destination.secrets.flatMap(({ expiresAt }) =>
      expiresAt !== null && expiresAt > nowMs ? [expiresAt] : [],
    );
    const auth = this.#authHeader(destination);
    const own = Object.entries(destination.headers).filter(([name]) => {
      const lower = name.toLowerCase();
      return !RESERVED_HEADERS.test(lower) && (destination.auth === null || lower !== 'authorization');
    });
    const opened = {
      destination,
      secrets: this.#directory.openSecrets(destination.secrets, destination.id),
      identity: { ...this.#oauth2(destination), ...this.#tls(destination) },
      fixedHeaders: [...own.flat(), ...auth],
      fixedNames: new Set(own.map(([name]) => name.toLowerCase())),
      validUntil: Math.min(Number.POSITIVE_INFINITY, ...expiries),
    };
    this.#opened.set(destination.id, opened);
    return opened;
  }

  #oauth2({ auth, id }: Destination): Pick<OutboundRequest, 'oauth2'> {
    if (auth?.kind !== 'oauth2') return {};
    const { tokenUrl, clientId, scope, audience } = auth;
    const [clientSecret = ''] = this.#directory.openSecrets([auth.clientSecret], id);
    return { oauth2: { destinationId: id, tokenUrl, clientId, clientSecret, scope, audience } };
  }

  #tls({ tls, id }: Destination): Pick<OutboundRequest, 'tls'> {
    if (tls === undefined || tls === null) return {};
    const [key = null] = tls.clientKey === null ? [] : this.#directory.openSecrets([tls.clientKey], id);
    return { tls: { cert: tls.clientCert, key, ca: tls.ca } };
  }

  #authHeader({ auth, id }: Destination): string[] {
    if (auth === null || auth.kind === 'oauth2') return [];
    const secret = auth.kind === 'bearer' ? auth.token : auth.password;
    const [text = ''] = this.#directory.openSecrets([secret], id);
    if (auth.kind === 'bearer') return ['authorization', `Bearer ${text}`];
    const pair = ENCODER.encode(`${auth.username}:${text}`);
    return ['authorization', `Basic ${btoa(String.fromCodePoint(...pair))}`];
  }
}

/** The same trace, a new parent: this attempt (W3C Trace Context, "traceparent header"). */
function continueTrace(traceparent: string, spanId: Uint8Array): string {
  const [, traceId = '', , flags = '00'] = traceparent.split('-');
  const span = Array.from(spanId, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `00-${traceId}-${span}-${flags}`;
}

/** CloudEvents HTTP binding 3.1: in binary mode the attributes travel as headers. */
function pushCloudEventHeaders(
  event: Event,
  headers: string[],
  except: ReadonlySet<string>,
  version: number | undefined,
): void {
  for (let index = 0; index + 1 < event.headers.length; index += 2) {
    const name = event.headers[index]?.toLowerCase() ?? '';
    if (!name.startsWith('ce-') || except.has(name)) continue;
    const given = event.headers[index + 1] ?? '';
    headers.push(name, name === 'ce-typeversion' ? String(version ?? given) : given);
  }
}

function asItCame({ contentType, body, origin }: Event): Content {
  const type = contentType ?? 'application/octet-stream';
  return origin.typeVersion === undefined ? { type, body } : { type, body, version: origin.typeVersion };
}

/** The event with other data, in the shape in which it came. */
function convertedContent(
  event: Event,
  { data, bytes, to: version }: Extract<Conversion, { ok: true }>,
): Content {
  if (bytes !== null) return { type: event.contentType ?? 'application/protobuf', body: bytes, version };
  const { cloudEvent } = event.origin;
  const type =
    event.contentType !== null && isJsonType(event.contentType) ? event.contentType : 'application/json';
  const content = (value: unknown): Content => ({
    type,
    body: ENCODER.encode(JSON.stringify(value)),
    version,
  });
  if (event.sourceId !== null || cloudEvent === 'binary') return content(data);
  const envelope = parseJson(event.body);
  const { data_base64: _replaced, ...rest } = isRecord(envelope) ? envelope : {};
  const named = cloudEvent === 'structured' && 'typeversion' in rest ? { typeversion: version } : {};
  return content({ ...rest, ...named, data });
}

function transformFailed(why: string): UnbuiltRequest {
  return { failure: `transform: ${why}`, reason: 'transform_failed' };
}

/** A traceparent that can be continued, else `null` (W3C Trace Context, section 3.2.2). */
export function usableTraceparent(headers: readonly string[]): string | null {
  const value = headerValue(headers, 'traceparent');
  if (value === undefined) return null;
  return /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/.test(value) ? value : null;
}
