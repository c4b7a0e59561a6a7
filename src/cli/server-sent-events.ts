export interface ServerSentEvent {
  /** The last id that the stream gave, as it is sent in `Last-Event-ID`. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

export type StreamItem =
  | { readonly kind: 'event'; readonly event: ServerSentEvent }
  /** How long to wait before connecting again, in milliseconds. */
  | { readonly kind: 'retry'; readonly ms: number }
  /** The stream says where it is, without an event. */
  | { readonly kind: 'place'; readonly id: string }
  | { readonly kind: 'comment' };

/**
 * Reads `text/event-stream` as the WHATWG HTML standard says (section 9.2.6, "Interpreting an event
 * stream"): what is not ended by an empty line when the stream ends is dropped.
 */
export class ServerSentEventParser {
  #rest = '';
  #data: string[] = [];
  #event = '';
  #id = '';
  #idCame = false;

  /** What a further piece of the stream completes. */
  push(text: string): StreamItem[] {
    // A CR at the end may be half of a CRLF: it waits for the next piece.
    const held = `${this.#rest}${text}`;
    const heldBack = held.endsWith('\r') ? '\r' : '';
    const lines = held.slice(0, held.length - heldBack.length).split(/\r\n|\n|\r/);
    this.#rest = `${lines.pop() ?? ''}${heldBack}`;
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): StreamItem[] {
    if (line === '') return this.#dispatch();
    if (line.startsWith(':')) return [{ kind: 'comment' }];
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#takeId(value);
    else if (name === 'retry' && /^\d+$/.test(value)) return [{ kind: 'retry', ms: Number(value) }];
    return [];
  }

  #takeId(id: string): void {
    this.#id = id;
    this.#idCame = true;
  }

  #dispatch(): StreamItem[] {
    const event = {
      id: this.#id,
      event: this.#event === '' ? 'message' : this.#event,
      data: this.#data.join('\n'),
    };
    const isEmpty = this.#data.length === 0;
    const isPlace = isEmpty && this.#idCame;
    this.#data = [];
    this.#event = '';
    this.#idCame = false;
    if (isPlace) return [{ kind: 'place', id: this.#id }];
    return isEmpty ? [] : [{ kind: 'event', event }];
  }
}
