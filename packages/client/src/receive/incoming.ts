import type { WebhookRequest } from '../verify/webhook-request.ts';

/** Why a body could not be read. */
export type BodyTrouble = 'event_too_large' | 'body_consumed' | 'body_cut_off';

/**
 * The raw bytes of a request cannot be had. `event_too_large`: there are more than allowed.
 * `body_consumed`: something read them before, and what it kept is not what was signed; the message
 * says how to mend that. `body_cut_off`: the connection ended first.
 */
export class BodyUnavailable extends Error {
  readonly code: BodyTrouble;

  constructor(code: BodyTrouble, message: string) {
    super(message);
    this.name = 'BodyUnavailable';
    this.code = code;
  }
}

/** A request whose body has not been read yet. An adapter makes it of what its server has. */
export interface IncomingRequest extends Omit<WebhookRequest, 'body'> {
  /** The raw bytes, at most `maxBytes`; throws `BodyUnavailable`. */
  readBody(maxBytes: number): Promise<Uint8Array>;
}

const ALREADY_READ =
  'the body of this request was read before the receiver got it, and a parsed body is not what was signed: ' +
  'call the receiver before request.json(), text() or formData(), or give it request.clone()';

/** What a receiver needs of a Web-standard request. */
export function incomingFrom(request: Request): IncomingRequest {
  return {
    method: request.method,
    url: request.url,
    headers: request.headers,
    readBody: (maxBytes) => readWebBody(request, maxBytes),
  };
}

/** The raw bytes of a Web-standard request; throws `BodyUnavailable`. */
export async function readWebBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (request.bodyUsed) throw new BodyUnavailable('body_consumed', ALREADY_READ);
  refuseAnnounced(request.headers.get('content-length'), maxBytes);
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const collected = new BodyCollector(maxBytes);
  try {
    for (;;) {
      // The chunks come one after the other.
      // oxlint-disable-next-line no-await-in-loop
      const { done, value } = await reader.read();
      if (done) return collected.whole();
      collected.add(value);
    }
  } catch (error) {
    // Nobody waits for this: the answer goes out, and the runtime ends the request.
    reader.cancel().catch(() => undefined);
    if (error instanceof BodyUnavailable) throw error;
    throw new BodyUnavailable('body_cut_off', 'the request ended before its body was complete');
  }
}

/** Refuses by the announced length, before a byte is read. */
export function refuseAnnounced(contentLength: string | null | undefined, maxBytes: number): void {
  if (Number(contentLength ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

function tooLarge(maxBytes: number): BodyUnavailable {
  return new BodyUnavailable('event_too_large', `the body is larger than ${maxBytes} bytes`);
}

/** Puts chunks together, up to a limit. */
export class BodyCollector {
  readonly #chunks: Uint8Array[] = [];
  readonly #maxBytes: number;
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Throws `BodyUnavailable` when it becomes too much. */
  add(chunk: Uint8Array): void {
    this.#length += chunk.length;
    if (this.#length > this.#maxBytes) throw tooLarge(this.#maxBytes);
    this.#chunks.push(chunk);
  }

  whole(): Uint8Array {
    const [first] = this.#chunks;
    if (this.#chunks.length === 1 && first !== undefined) return first;
    const body = new Uint8Array(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      body.set(chunk, offset);
      offset += chunk.length;
    }
    return body;
  }
}
