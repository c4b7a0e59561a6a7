import { encodeBytes, fromStrictUtf8, fromUtf8 } from '../verify/bytes.ts';
import type { VerifyResult } from '../verify/prepared-verifier.ts';
import type { Covers } from '../verify/scheme.ts';
import type { WebhookRequest } from '../verify/webhook-request.ts';
import type { CloudEventAttributes, OpenedBody } from './envelope.ts';
import { openBody } from './envelope.ts';
import type { EventMap } from './event-types.ts';

type Verified = VerifyResult & { readonly ok: true };

/** The data of a type, as far as the map knows it. */
type DataOf<Events extends object, Type extends string> = Type extends keyof Events ? Events[Type] : unknown;

/**
 * A request that was proven, as an event.
 *
 * `Events` is your map of types to their data, such as `{ 'order.paid': Order }`. Types that are not
 * in it arrive as well.
 */
export class ReceivedEvent<Events extends object = EventMap, Type extends string = string> {
  /**
   * The same each time that the sender repeats the event: `webhook-id` of Ringback, the provider's
   * own id, or `sha256:HEX` of the body where a provider gives none.
   */
  readonly id: string;
  /** Of Ringback the header `ringback-event-type`; of a provider as Ringback would name it. */
  readonly type: Type;
  /** The name of the source at Ringback. */
  readonly source: string | undefined;
  /** Ringback's delivery, to ask `ringback why` about. */
  readonly delivery: string | undefined;
  /** Counts from 1; above 1 the event was offered before. Always 1 of others than Ringback. */
  readonly attempt: number;
  /** What the event is about, where the provider says it: events with the same key belong together. */
  readonly key: string | undefined;
  /** When it happened, as far as the sender says. */
  readonly time: Date | undefined;
  /** What the signature protects. Of Ringback: id, time of sending and body, not the other headers. */
  readonly covers: Covers;
  /** Which of the configured secrets matched, so that an unused one can be retired. */
  readonly secretIndex: number | undefined;
  readonly headers: Headers;
  /** The bytes that were signed. */
  readonly body: Uint8Array;
  #opened: OpenedBody | undefined;
  #json: { readonly value: unknown } | undefined;

  constructor(
    identity: { readonly id: string; readonly type: Type },
    request: WebhookRequest,
    proof: Verified,
  ) {
    const headers = headersOf(request.headers);
    this.id = identity.id;
    this.type = identity.type;
    this.source = headers.get('ringback-source') ?? undefined;
    this.delivery = headers.get('ringback-delivery') ?? undefined;
    this.attempt = Number(headers.get('ringback-attempt') ?? 1);
    this.key = proof.event.key;
    this.time = proof.event.time;
    this.covers = proof.covers;
    this.secretIndex = proof.secretIndex;
    this.headers = headers;
    this.body = request.body;
  }

  /**
   * The data of the event: what is inside the envelope of a published event or a CloudEvent, else the
   * whole body. Undefined when the body is not JSON. The type is what you declared; nothing checks it.
   */
  get data(): DataOf<Events, Type> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the caller declares it
    return this.#open().data as DataOf<Events, Type>;
  }

  /** Whether the event is of this type; then its data has the type of your map. */
  is<Known extends keyof Events & string>(type: Known): this is ReceivedEvent<Events, Known> {
    const own: string = this.type;
    return own === type;
  }

  /** The attributes, when the event was published as a CloudEvent. */
  get cloudEvent(): CloudEventAttributes | undefined {
    return this.#open().cloudEvent;
  }

  /** The whole body as JSON, its envelope included; undefined when it is not JSON. */
  json(): unknown {
    this.#json ??= { value: parseJson(this.body) };
    return this.#json.value;
  }

  /** The whole body as text. */
  text(): string {
    return fromUtf8(this.body);
  }

  #open(): OpenedBody {
    this.#opened ??= openBody(this.json(), this.type, this.headers);
    return this.#opened;
  }
}

/** Makes the event of a request that was proven. */
export async function receivedEvent(request: WebhookRequest, proof: Verified): Promise<ReceivedEvent> {
  const id = proof.event.id ?? (await bodyId(request.body));
  return new ReceivedEvent({ id, type: proof.event.type ?? 'event' }, request, proof);
}

async function bodyId(body: Uint8Array): Promise<string> {
  // WebCrypto wants bytes over an ArrayBuffer, which a view of shared memory is not.
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(body));
  return `sha256:${encodeBytes(new Uint8Array(digest), 'hex')}`;
}

function headersOf(headers: WebhookRequest['headers']): Headers {
  if (headers instanceof Headers) return headers;
  const made = new Headers();
  const entries = Symbol.iterator in headers ? headers : Object.entries(headers);
  for (const [name, value] of entries) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (typeof each === 'string') made.append(name, each);
    }
  }
  return made;
}

function parseJson(body: Uint8Array): unknown {
  const text = fromStrictUtf8(body);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
