import { Agent } from 'undici';
import type { SignWebhook } from '../../app/webhook-signature.ts';
import { type BroughtEvent, localHeaders } from './brought-event.ts';

/** What became of one request to the local program. */
export type LocalAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly ms: number; readonly text: string }
  | { readonly kind: 'unreachable'; readonly why: string; readonly ms: number };

export interface LocalProgramOptions {
  readonly url: URL;
  readonly timeoutMs: number;
  readonly sign: SignWebhook | null;
}

/** As much of an answer is kept, to be shown when it is no success. */
const SHOWN_BYTES = 2_048;
/** A program that answers without end is cut off here. */
const READ_BYTES = 1024 * 1024;

/** The program on this machine that events are brought to. */
export class LocalProgram {
  readonly url: URL;
  readonly #options: LocalProgramOptions;
  readonly #agent: Agent;

  constructor(options: LocalProgramOptions) {
    this.url = options.url;
    this.#options = options;
    const { timeoutMs } = options;
    this.#agent = new Agent({ headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connectTimeout: timeoutMs });
  }

  /** The request as the sender made it, once. Never rejects, except with the reason of `signal`. */
  async send(event: BroughtEvent, body: Buffer, attempt: number, signal: AbortSignal): Promise<LocalAnswer> {
    const { timeoutMs, sign } = this.#options;
    const startedAt = performance.now();
    const ms = (): number => Math.round(performance.now() - startedAt);
    const target = this.#target(event);
    try {
      const answer = await this.#agent.request({
        origin: target.origin,
        path: `${target.pathname}${target.search}`,
        method: event.method,
        headers: localHeaders(event, body, attempt, sign),
        body: body.byteLength === 0 ? null : body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const text = await shownText(answer.body);
      return { kind: 'answered', status: answer.statusCode, ms: ms(), text };
    } catch (error) {
      if (signal.aborted) throw error;
      return { kind: 'unreachable', why: whyUnreachable(error, timeoutMs), ms: ms() };
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** The forward URL, with what the sender called below the source's URL. */
  #target(event: BroughtEvent): URL {
    const target = new URL(this.url);
    const [path, query] = splitOnce(event.path, '?');
    const base = target.pathname.replace(/\/$/, '');
    if (path !== '' && path !== '/') target.pathname = base + path;
    // A sender that writes `..` must not choose which other page of the program it reaches.
    if (!target.pathname.startsWith(base)) target.pathname = base;
    const own = target.search.slice(1);
    target.search = [own, query].filter((part) => part !== '').join('&');
    return target;
  }
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index === -1 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}

async function shownText(body: AsyncIterable<Buffer>): Promise<string> {
  const kept: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    if (bytes < SHOWN_BYTES) kept.push(piece);
    bytes += piece.byteLength;
    if (bytes > READ_BYTES) break;
  }
  return Buffer.concat(kept).subarray(0, SHOWN_BYTES).toString('utf8');
}

function whyUnreachable(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  if (error.name === 'TimeoutError' || code.endsWith('_TIMEOUT')) {
    return `no answer within ${timeoutMs / 1000} s`;
  }
  return code === '' ? error.message : code;
}
