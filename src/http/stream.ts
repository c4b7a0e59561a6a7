import { once } from 'node:events';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { eventStream } from '../api/stream.ts';
import type { Principal } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import type { HttpContext } from './http-context.ts';
import { problemBody, sendProblem } from './problem-response.ts';
import { authenticated } from './rest.ts';

/** A message without `event` and `data` says where the reader is, and that the line is alive. */
export interface OutgoingMessage {
  readonly id: string;
  readonly event?: string;
  readonly data?: unknown;
}

type Messages = AsyncGenerator<OutgoingMessage>;

/** What a reader gets, and who reads: as many at once as its style allows. */
export interface Reading {
  readonly reader: string;
  readonly messages: Messages;
}

/** Streams of one key at a time: each holds a connection and follows the log. */
const STREAMS_OF_A_KEY = 100;

/** How one kind of stream looks on the wire. */
export interface StreamStyle {
  /** Streams of one reader at a time. */
  readonly maxOfOne: number;
  /** Of what there are too many, for people. */
  readonly limit: string;
  /** What is said first, before any message; `place` is where the stream begins. */
  readonly opening: (place: string) => string;
  readonly text: (message: OutgoingMessage) => string;
}

/** `GET /v1/stream`: server-sent events (WHATWG HTML, section 9.2). */
export function streamRoute(app: FastifyInstance, context: HttpContext, streams: Streams): void {
  app.get('/v1/stream', { exposeHeadRoute: false }, (request, reply) =>
    streams.serve(request, reply, OWN_STYLE, async (signal) => {
      const caller = await authenticated(context, request);
      const { principal } = caller.caller;
      const stillSame = (): void => requireSame(principal, context, request);
      const messages = eventStream(caller, request.query, lastEventId(request), signal, stillSame);
      return { reader: `key ${principal.id}`, messages };
    }),
  );
}

/** Where a reader that was here before wants to go on. */
export function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers['last-event-id'];
  const given = Array.isArray(header) ? header.at(-1) : header;
  return given === '' ? undefined : given;
}

/** The key may have been revoked, or been given other rights, while the stream was open. */
function requireSame(before: Principal, context: HttpContext, request: FastifyRequest): void {
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  const now = context.authenticate(token);
  if (now === null) {
    throw new Problem('credentials_invalid', 'the API key of this stream was revoked or has expired');
  }
  if (now.tenant !== before.tenant || now.scopes.join(' ') !== before.scopes.join(' ')) {
    throw new Problem('credentials_invalid', 'the rights of this key have changed: connect again');
  }
}

const OWN_STYLE: StreamStyle = {
  maxOfOne: STREAMS_OF_A_KEY,
  limit: `a key has up to ${STREAMS_OF_A_KEY} streams at once`,
  opening: (place) => `retry: 1000\n${place === '' ? '' : `id: ${place}\n`}\n`,
  text: ({ id, event, data }) =>
    event === undefined
      ? `: idle\nid: ${id}\n\n`
      : `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
};

/** Every stream that is open, so that all of them can be ended. */
export class Streams {
  readonly #context: HttpContext;
  readonly #open = new Set<AbortController>();
  readonly #readers = new Map<string, number>();

  constructor(context: HttpContext) {
    this.#context = context;
  }

  end(): void {
    for (const controller of this.#open) controller.abort();
  }

  /** Answers with a stream that ends when its reader goes, when its source does, or with the gateway. */
  async serve(
    request: FastifyRequest,
    reply: FastifyReply,
    style: StreamStyle,
    begin: (signal: AbortSignal) => Reading | Promise<Reading>,
  ): Promise<FastifyReply> {
    const controller = new AbortController();
    let reading;
    try {
      reading = await begin(controller.signal);
      this.#count(reading.reader, style);
    } catch (error) {
      return sendProblem(reply, this.#context.asProblem(error, request.id), request.id);
    }
    try {
      return await this.#send(request, reply, style, reading.messages, controller);
    } finally {
      this.#uncount(reading.reader);
    }
  }

  #count(reader: string, { maxOfOne, limit }: StreamStyle): void {
    const count = this.#readers.get(reader) ?? 0;
    if (count >= maxOfOne) throw new Problem('rate_limited', limit, { retryAfterS: 10 });
    this.#readers.set(reader, count + 1);
  }

  #uncount(reader: string): void {
    const left = (this.#readers.get(reader) ?? 1) - 1;
    if (left === 0) this.#readers.delete(reader);
    else this.#readers.set(reader, left);
  }

  async #send(
    request: FastifyRequest,
    reply: FastifyReply,
    style: StreamStyle,
    messages: Messages,
    controller: AbortController,
  ): Promise<FastifyReply> {
    let start;
    try {
      // The place first: what is accepted once the reader has our answer must be in its stream.
      start = await messages.next();
    } catch (error) {
      return sendProblem(reply, this.#context.asProblem(error, request.id), request.id);
    }
    reply.hijack();
    const { raw } = reply;
    this.#open.add(controller);
    raw.on('close', () => controller.abort());
    if (raw.destroyed) controller.abort();
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      // Not to be used again: on a connection that is kept, a reader that comes back while the gateway
      // stops would be answered 503, which browsers and their like take as "never try again".
      connection: 'close',
    });
    raw.write(style.opening(start.done === true ? '' : start.value.id));
    try {
      for await (const message of messages) {
        // A reader that is slower than the log waits here; nothing piles up in memory for it.
        if (!raw.write(style.text(message))) await once(raw, 'drain', { signal: controller.signal });
      }
    } catch (error) {
      if (!controller.signal.aborted) {
        const problem = this.#context.asProblem(error, request.id);
        raw.write(`event: end\ndata: ${JSON.stringify(problemBody(problem, request.id))}\n\n`);
      }
    } finally {
      this.#open.delete(controller);
      raw.end();
    }
    return reply;
  }
}
