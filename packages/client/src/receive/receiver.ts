import type { Answer } from '../verify/handshake-rule.ts';
import type { Provider } from '../verify/provider.ts';
import type { Verifier, VerifyResult } from '../verify/prepared-verifier.ts';
import type { Reason, RefusalCode } from '../verify/reasons.ts';
import type { WebhookRequest } from '../verify/webhook-request.ts';
import type { AnswerCode } from './answering.ts';
import { DUPLICATE, problemAnswer, retryAfter, webResponse } from './answering.ts';
import type { EventMap } from './event-types.ts';
import type { IdempotencyOptions, IdempotencyStore, OnceResult, RunOutcome } from './idempotency.ts';
import { runOnce } from './idempotency.ts';
import type { IncomingRequest } from './incoming.ts';
import { BodyUnavailable, incomingFrom } from './incoming.ts';
import { memoryStore } from './memory-store.ts';
import type { ReceivedEvent } from './received-event.ts';
import { receivedEvent } from './received-event.ts';

/** What a handler knows besides the event. */
export interface HandlerContext {
  /** Aborted when the lease of the event was lost: somebody else may be handling it now. */
  readonly signal: AbortSignal;
}

/** Something that a receiver could not do, to be logged. */
export interface ReceiverProblem {
  readonly code: AnswerCode;
  readonly message: string;
  /** What was thrown, if anything was. */
  readonly cause: unknown;
  readonly eventId: string | undefined;
}

/** What a receiver does with events. */
export interface ReceiverOptions<Events extends object = EventMap> {
  /**
   * Handles one event. Returning makes it done. Throwing gives it back: the sender is told to try
   * again. An answer of your own is sent as it is, and is done when its status is 2xx.
   */
  onEvent(
    event: ReceivedEvent<Events>,
    context: HandlerContext,
  ): Answer | undefined | void | Promise<Answer | undefined | void>;
  /**
   * How repeated events are told. Default: a `memoryStore()`, which is right for one process that
   * may forget when it restarts. `false`: every request is handled.
   */
  readonly idempotency?: IdempotencyStore | IdempotencyOptions | false;
  /** Needed when several receivers share a store: each has events of its own. Default: the provider. */
  readonly name?: string;
  /** Larger bodies are refused. Default: 10 MiB, the most that Ringback accepts unless told otherwise. */
  readonly maxBodyBytes?: number;
  /**
   * The address that the sender knows, such as `https://example.com`, when a proxy stands between:
   * some providers sign it. Path and query are taken from the request.
   */
  readonly publicUrl?: string;
  /** Hears of requests that were not proven. */
  readonly onRefused?: (refusal: { readonly reason: Reason; readonly code: RefusalCode }) => void;
  /** Hears of what failed. Default: a line on `console.error`. */
  readonly onProblem?: (problem: ReceiverProblem) => void;
  /** Keeps a secret that the provider tells with its first question (Asana and a few others do). */
  readonly onSecret?: (secret: string) => void | Promise<void>;
}

/**
 * Receives webhooks. Call it with a Web-standard request (Hono, Next.js route handlers, Cloudflare
 * Workers, Deno, Bun); servers with requests of their own have adapters that use `handle`.
 * It never rejects: whatever happens becomes an answer.
 */
export interface Receiver {
  (request: Request, ...rest: readonly unknown[]): Promise<Response>;
  handle(request: IncomingRequest): Promise<Answer>;
  readonly maxBodyBytes: number;
}

/** A verifier, and what its provider wants to hear. */
export interface ReceiverSource {
  readonly id: string;
  readonly provider: Provider | undefined;
  readonly verifier: Verifier;
}

const DEFAULT_MAX_BODY_BYTES = 10 * 1024 * 1024;
const READY_AGAIN_MS = 30_000;
const WITHOUT_BODY = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE']);

/**
 * Puts a receiver together.
 *
 * @param source gives the verifier; asked for each request, so that it may be made late and may fail.
 */
export function createReceiver<Events extends object>(
  source: () => ReceiverSource,
  options: ReceiverOptions<Events>,
): Receiver {
  const maxBodyBytes = options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;
  const handling = new Handling(source, options, maxBodyBytes);
  const handle = (request: IncomingRequest): Promise<Answer> => handling.answer(request);
  const receiver = async (request: Request): Promise<Response> =>
    webResponse(await handle(incomingFrom(request)));
  return Object.assign(receiver, { handle, maxBodyBytes });
}

class Handling<Events extends object> {
  readonly #source: () => ReceiverSource;
  readonly #options: ReceiverOptions<Events>;
  readonly #idempotency: IdempotencyOptions | undefined;
  readonly #maxBodyBytes: number;

  constructor(source: () => ReceiverSource, options: ReceiverOptions<Events>, maxBodyBytes: number) {
    this.#source = source;
    this.#options = options;
    this.#maxBodyBytes = maxBodyBytes;
    const { idempotency = memoryStore() } = options;
    if (idempotency !== false) {
      this.#idempotency = 'store' in idempotency ? idempotency : { store: idempotency };
    }
  }

  async answer(incoming: IncomingRequest): Promise<Answer> {
    try {
      return await this.#answer(incoming);
    } catch (error) {
      if (error instanceof BodyUnavailable) return this.#withoutBody(error);
      this.#tell('receiver_failed', 'the receiver itself failed', error);
      return problemAnswer(500, 'receiver_failed', 'the receiver failed; its log says why');
    }
  }

  async #answer(incoming: IncomingRequest): Promise<Answer> {
    const source = this.#source();
    const { method, headers } = incoming;
    const body = await incoming.readBody(this.#maxBodyBytes);
    const request = { method, headers, body, url: this.#publicUrl(incoming.url) };
    const greeting = await source.verifier.answerHandshake(request);
    if (greeting !== undefined) {
      if (greeting.learnedSecret !== undefined) await this.#keep(greeting.learnedSecret);
      return greeting;
    }
    const result = await source.verifier.verify(request);
    return result.ok ? this.#handle(source, request, result) : this.#refuse(source, method, result);
  }

  #publicUrl(url: string): string {
    const { publicUrl } = this.#options;
    if (publicUrl === undefined) return url;
    const { pathname, search } = new URL(url);
    return publicUrl.replace(/\/$/, '') + pathname + search;
  }

  async #keep(secret: string): Promise<void> {
    const { onSecret } = this.#options;
    if (onSecret === undefined) {
      throw new Error('the provider tells its secret with its first question: set onSecret, and keep it');
    }
    await onSecret(secret);
  }

  #refuse(source: ReceiverSource, method: string, refusal: VerifyResult & { readonly ok: false }): Answer {
    const { reason, code } = refusal;
    // Browsers and health checks: neither a webhook nor an attack.
    if (WITHOUT_BODY.has(method)) {
      return problemAnswer(405, 'method_not_allowed', 'webhooks are sent with POST', { allow: 'POST' });
    }
    this.#options.onRefused?.({ reason, code });
    if (code === 'not_ready') return problemAnswer(503, code, reason, retryAfter(READY_AGAIN_MS));
    return problemAnswer(source.provider?.refusalStatus ?? 401, code, reason);
  }

  async #handle(
    source: ReceiverSource,
    request: WebhookRequest,
    proof: VerifyResult & { readonly ok: true },
  ): Promise<Answer> {
    const event = await receivedEvent(request, proof);
    const success = source.provider?.answer;
    const once = await this.#once(source, event, proof.event.id === undefined, success ?? { status: 204 });
    if (once.state === 'ran') return once.result;
    if (once.state === 'duplicate') return success ?? DUPLICATE;
    const detail = 'another request for this event is being handled';
    return problemAnswer(503, 'event_in_progress', detail, retryAfter(once.retryAfterMs));
  }

  async #once(
    source: ReceiverSource,
    event: ReceivedEvent,
    byBody: boolean,
    success: Answer,
  ): Promise<OnceResult<Answer>> {
    const work = (signal: AbortSignal): Promise<RunOutcome<Answer>> => this.#run(event, success, signal);
    if (this.#idempotency === undefined) {
      return { state: 'ran', result: (await work(new AbortController().signal)).result };
    }
    const key = `${this.#options.name ?? source.id}:${event.id}`;
    try {
      return await runOnce(this.#idempotency, { key, byBody }, work, (error) =>
        this.#tell('store_unavailable', 'the idempotency store failed after the event', error, event.id),
      );
    } catch (error) {
      this.#tell('store_unavailable', 'the idempotency store failed', error, event.id);
      const detail = 'the receiver cannot tell whether this event is new';
      return { state: 'ran', result: problemAnswer(503, 'store_unavailable', detail, retryAfter(5_000)) };
    }
  }

  /** Never rejects, so that what rejects in `runOnce` is the store. */
  async #run(event: ReceivedEvent, success: Answer, signal: AbortSignal): Promise<RunOutcome<Answer>> {
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the caller declares it
      const own = await this.#options.onEvent(event as ReceivedEvent<Events>, { signal });
      if (own === undefined) return { result: success, handled: true };
      // Made and thrown away: what is no HTTP answer must fail here, where it is the handler's fault.
      webResponse(own);
      return { result: own, handled: own.status >= 200 && own.status < 300 };
    } catch (error) {
      this.#tell('handler_failed', 'onEvent failed', error, event.id);
      const detail = 'the receiver could not handle this event';
      return { result: problemAnswer(500, 'handler_failed', detail), handled: false };
    }
  }

  #withoutBody(error: BodyUnavailable): Answer {
    const { code, message } = error;
    if (code === 'event_too_large') return problemAnswer(413, code, message);
    if (code === 'body_cut_off') return problemAnswer(400, code, message);
    // A mistake in the program, which whoever looks at the failed delivery should see as well.
    this.#tell(code, message, error);
    return problemAnswer(500, code, message);
  }

  #tell(code: AnswerCode, message: string, cause: unknown, eventId?: string): void {
    const problem = { code, message, cause, eventId };
    try {
      (this.#options.onProblem ?? printProblem)(problem);
    } catch (error) {
      printProblem(problem);
      printProblem({ code: 'receiver_failed', message: 'onProblem failed', cause: error, eventId });
    }
  }
}

function printProblem({ code, message, cause, eventId }: ReceiverProblem): void {
  const about = eventId === undefined ? '' : ` (event ${eventId})`;
  // Said nowhere, a handler that fails would only show at the sender.
  // oxlint-disable-next-line no-console
  console.error(`ringback receiver: ${code}: ${message}${about}`, cause);
}
