import { StringDecoder } from 'node:string_decoder';

import type { Dispatcher } from 'undici';

import { RESPONSE_BODY_LIMIT } from '../domain/delivery.ts';
import type { SendError, SendResult } from '../domain/outcome.ts';
import { sendErrorOf } from './send-error.ts';

/** How much of a body beyond the limit is read and thrown away to keep the connection. */
const DRAIN_LIMIT_BYTES = 64 * 1024;
const MAX_HEADERS = 64;
const MAX_HEADER_BYTES = 8 * 1024;

/** What becomes of the connection when the exchange is over. */
export interface ExchangeEnd {
  settle(result: SendResult): void;
  release(): void;
  discard(): void;
}

/**
 * One request and its answer, as undici reports them.
 *
 * It ends twice: it *settles* when the outcome is known, which is when the body has ended or
 * `RESPONSE_BODY_LIMIT` bytes of it are there, and it gives the connection back when nothing of the
 * answer is left on it. An answer that breaks off before it settles counts as none: `status` is `null`,
 * `headers` and `body` keep what had come. Its clock is the connection's, which calls `expire`.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #startedMs = performance.now();
  readonly #end: ExchangeEnd;
  #status: number | null = null;
  #headers: readonly string[] = [];
  #body: Buffer | null = null;
  #keptBytes = 0;
  #receivedBytes = 0;
  #settled = false;
  #over = false;

  constructor(end: ExchangeEnd) {
    this.#end = end;
  }

  /** The time limit passed: for the outcome, or for draining what comes after it. */
  expire(): void {
    // First the outcome: giving the connection up makes undici report an error of its own.
    this.#settle('timeout');
    this.#finish(false);
  }

  onRequestStart(): void {
    // undici asks for it; nothing to remember: a connection is given up by destroying its client.
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = flatHeaders(controller.rawHeaders);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    if (this.#keptBytes < RESPONSE_BODY_LIMIT) this.#keep(chunk);
    if (this.#keptBytes < RESPONSE_BODY_LIMIT) return;
    this.#settle(null);
    if (Math.max(this.#receivedBytes, this.#announcedBytes()) > RESPONSE_BODY_LIMIT + DRAIN_LIMIT_BYTES) {
      // Its error comes back as `onResponseError`, which gives the connection up.
      controller.abort(new Error('the rest of the answer is not read'));
    }
  }

  onResponseEnd(): void {
    this.#finish(true);
    this.#settle(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#finish(false);
    this.#settle(sendErrorOf(error, this.#status !== null));
  }

  #finish(reusable: boolean): void {
    if (this.#over) return;
    this.#over = true;
    if (reusable) this.#end.release();
    else this.#end.discard();
  }

  #settle(error: SendError | null): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#end.settle({
      status: error === null ? this.#status : null,
      error,
      headers: this.#headers,
      body: this.#text(),
      durationMs: Math.round(performance.now() - this.#startedMs),
    });
    this.#body = null;
  }

  #keep(chunk: Buffer): void {
    if (this.#body === null) {
      // Almost every answer is one chunk; it is kept as it is.
      this.#body = chunk.length > RESPONSE_BODY_LIMIT ? chunk.subarray(0, RESPONSE_BODY_LIMIT) : chunk;
      this.#keptBytes = this.#body.length;
      return;
    }
    if (this.#body.length < RESPONSE_BODY_LIMIT) {
      // Once, at full size: a receiver that sends single bytes would make us copy 16,384 times.
      const whole = Buffer.allocUnsafe(RESPONSE_BODY_LIMIT);
      this.#body.copy(whole, 0, 0, this.#keptBytes);
      this.#body = whole;
    }
    this.#keptBytes += chunk.copy(this.#body, this.#keptBytes);
  }

  #text(): string {
    if (this.#body === null) return '';
    const bytes = this.#body.subarray(0, this.#keptBytes);
    // A character that the limit cuts in two is left out rather than shown as damaged.
    const cut = this.#keptBytes === RESPONSE_BODY_LIMIT;
    const text = cut ? new StringDecoder('utf8').write(bytes) : bytes.toString('utf8');
    // PostgreSQL text cannot hold NUL.
    return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text;
  }

  #announcedBytes(): number {
    const index = this.#headers.findIndex(
      (name, at) => at % 2 === 0 && name.toLowerCase() === 'content-length',
    );
    return index === -1 ? 0 : Number(this.#headers[index + 1]);
  }
}

/** Names and values in turn, cut by number and size. `Retry-After` is never the one that is left out. */
function flatHeaders(raw: Dispatcher.DispatchController['rawHeaders']): readonly string[] {
  if (!Array.isArray(raw)) return [];
  const headers: string[] = [];
  let bytes = 0;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = headerText(raw[index]);
    const value = headerText(raw[index + 1]);
    const size = name.length + value.length;
    const fits = headers.length < 2 * MAX_HEADERS && bytes + size <= MAX_HEADER_BYTES;
    if (!fits && !(size < 64 && name.toLowerCase() === 'retry-after')) continue;
    headers.push(name, value);
    bytes += size;
  }
  return headers;
}

function headerText(raw: Buffer | string | undefined): string {
  // Bytes one to one (RFC 9110, 5.5), so that nothing is lost.
  return typeof raw === 'string' ? raw : (raw?.toString('latin1') ?? '');
}
