import { isRecord } from '../domain/json-record.ts';
import type { Event } from '../domain/event.ts';
import type { ExpressionInput } from '../ports/expressions.ts';

const DECODER = new TextDecoder('utf-8', { fatal: true });

/** The fields of `event` in expressions, so that a mistyped one is a mistake with a position. */
export const EVENT_FIELDS: readonly string[] = [
  'id',
  'type',
  'source',
  'key',
  'subject',
  'tenant',
  'external_id',
  'correlation_id',
  'causation_id',
  'time',
  'received_at',
  'type_version',
];

/**
 * What expressions see of an event, each part made when it is first asked for and then kept: most
 * events are matched by type alone and are never parsed.
 *
 * `data` is the parsed body; of published events and structured CloudEvents their `data` member, so
 * that one filter fits an event however it came. It is `null` when the body is not JSON.
 */
export class EventInput implements ExpressionInput {
  readonly #event: Event;
  readonly #parse: (body: Uint8Array) => unknown;
  #json: { readonly value: unknown } | null;
  #headers: Record<string, string> | null = null;
  #view: Record<string, unknown> | null = null;

  /** `parsed` is the body, when someone has parsed it before; `parse` reads one that is no JSON. */
  constructor(event: Event, parsed?: { readonly value: unknown }, parse = parseJson) {
    this.#parse = parse;
    this.#event = event;
    this.#json = parsed ?? null;
  }

  get event(): Readonly<Record<string, unknown>> {
    this.#view ??= eventView(this.#event);
    return this.#view;
  }

  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= headerMap(this.#event.headers);
    return this.#headers;
  }

  get data(): unknown {
    const body = this.body;
    return isEnvelope(this.#event) && isRecord(body) ? (body['data'] ?? null) : body;
  }

  /** The whole parsed body; `null` when it is not JSON. */
  get body(): unknown {
    this.#json ??= { value: this.#parse(this.#event.body) };
    return this.#json.value;
  }
}

/** The body as JSON, `null` when it is none. */
export function parseJson(body: Uint8Array): unknown {
  if (body.byteLength === 0) return null;
  try {
    return JSON.parse(DECODER.decode(body)) as unknown;
  } catch {
    return null;
  }
}

function isEnvelope(event: Event): boolean {
  return event.sourceId === null && event.origin.cloudEvent !== 'binary';
}

function eventView(event: Event): Record<string, unknown> {
  return {
    id: event.id,
    type: event.type,
    source: event.source,
    key: event.key,
    subject: event.subject,
    tenant: event.tenant,
    external_id: event.externalId,
    correlation_id: event.correlationId,
    causation_id: event.causationId,
    time: new Date(event.occurredAt).toISOString(),
    received_at: new Date(event.receivedAt).toISOString(),
    type_version: event.origin.typeVersion ?? null,
  };
}

function headerMap(headers: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]?.toLowerCase() ?? '';
    const value = headers[index + 1] ?? '';
    map[name] = map[name] === undefined ? value : `${map[name]}, ${value}`;
  }
  return map;
}
