import { forwardedHeaders, headerSafe } from '../../domain/forwarded-headers.ts';
import type { SignWebhook } from '../../app/webhook-signature.ts';
import type { ApiClient } from '../api-client.ts';
import { type JsonRecord, numberOf, textOf, textsOf } from '../json-value.ts';

/** An event as the stream brings it, with the request that it came by. */
export interface BroughtEvent {
  readonly id: string;
  readonly type: string;
  readonly source: string;
  readonly method: string;
  /** What followed the source's key in the URL, query included. */
  readonly path: string;
  readonly contentType: string | null;
  /** Name, value, name, value, ... */
  readonly headers: readonly string[];
  readonly bodyBytes: number;
  /** `null`: too large for the stream, to be fetched. */
  readonly body: Buffer | null;
  /** As it came, for those who show it. */
  readonly record: JsonRecord;
}

export function broughtEvent(record: JsonRecord): BroughtEvent {
  const body = textOf(record, 'body');
  const pairs = Array.isArray(record['headers']) ? record['headers'] : [];
  return {
    id: textOf(record, 'id') ?? '',
    type: textOf(record, 'type') ?? '',
    source: textOf(record, 'source') ?? '',
    method: textOf(record, 'method') ?? 'POST',
    path: textOf(record, 'path') ?? '',
    contentType: textOf(record, 'content_type'),
    headers: pairs.flatMap((pair) => textsOf(pair)),
    bodyBytes: numberOf(record, 'body_bytes') ?? 0,
    body: body === null ? null : Buffer.from(body, 'base64'),
    record,
  };
}

const FETCH_LIMIT_MS = 60_000;

/** The body, byte for byte, from the stream or from the gateway; held by the caller alone. */
export async function bodyOf(event: BroughtEvent, api: ApiClient, signal: AbortSignal): Promise<Buffer> {
  if (event.body !== null) return event.body;
  const response = await api.open(`/v1/events/${encodeURIComponent(event.id)}/raw`, {
    method: 'GET',
    headers: {},
    signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_LIMIT_MS)]),
  });
  return Buffer.from(await response.arrayBuffer());
}

const UNSENDABLE = /[^\t\x20-\x7e\x80-\xff]/g;

/** What a local program gets in front of the body. */
export function localHeaders(
  event: BroughtEvent,
  body: Uint8Array,
  attempt: number,
  sign: SignWebhook | null,
): string[] {
  // What a strict client refuses to send would hold up everything behind this event.
  let headers = forwardedHeaders(event.headers).map((text) => text.replaceAll(UNSENDABLE, '?'));
  const has = (name: string): boolean =>
    headers.some((text, at) => at % 2 === 0 && text.toLowerCase() === name);
  if (event.contentType !== null && !has('content-type')) headers.push('content-type', event.contentType);
  if (sign !== null) {
    // Two signatures in one header would be neither: who asks for ours gets ours alone.
    headers = headers.filter(
      (_, at) => !/^webhook-(?:id|timestamp|signature)$/i.test(headers[at - (at % 2)] ?? ''),
    );
    const timestampS = Math.floor(Date.now() / 1000);
    headers.push('webhook-id', event.id, 'webhook-timestamp', String(timestampS));
    headers.push('webhook-signature', sign(event.id, timestampS, body));
  } else if (!has('webhook-id')) {
    // Senders that sign as Standard Webhooks says have signed an id of their own: it must stay.
    headers.push('webhook-id', event.id);
  }
  headers.push('ringback-event-id', event.id, 'ringback-event-type', headerSafe(event.type));
  headers.push('ringback-source', headerSafe(event.source), 'ringback-attempt', String(attempt));
  return headers;
}
