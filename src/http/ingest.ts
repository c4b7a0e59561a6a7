import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { IngestAnswer } from '../api/gateway-access.ts';
import { Problem } from '../domain/problem.ts';
import type { HttpContext } from './http-context.ts';
import { type PlainAnswer, problemAnswer } from './problem-response.ts';
import { drain, type ReadBody, readBody } from './read-body.ts';

const NO_BODY = new Uint8Array(0);

type IngestRoute = { Params: { key: string; '*'?: string } };

/** `ALL /in/:key`: raw bytes in, and an answer only when the event is on disk. */
export function ingestRoutes(app: FastifyInstance, context: HttpContext): void {
  const handle = (path: string): void => {
    app.all<IngestRoute>(path, (request, reply) => {
      reply.hijack();
      void ingest(context, request.raw, reply.raw, request.params.key, request.id);
    });
  };
  handle('/in/:key');
  handle('/in/:key/*');
}

/** A key as we make them; others may be written with escapes, and those are the router's to read. */
const INGEST_URL = /^\/in\/([\w-]{1,200})(?:[/?]|$)/;

/**
 * Answers what is posted to a source past the router: what Fastify does for a request took a tenth of the
 * time of an accepted event. `false` = it is not for a source, and the router's.
 */
export function ingestAtOnce(
  context: HttpContext,
  request: IncomingMessage,
  response: ServerResponse,
  makeRequestId: () => string,
): boolean {
  if (request.method !== 'POST') return false;
  const key = INGEST_URL.exec(request.url ?? '')?.[1];
  if (key === undefined) return false;
  void ingest(context, request, response, key, makeRequestId());
  return true;
}

async function ingest(
  context: HttpContext,
  raw: IncomingMessage,
  response: ServerResponse,
  key: string,
  requestId: string,
): Promise<void> {
  const url = raw.url ?? '';
  const call = {
    requestId,
    method: raw.method ?? 'POST',
    url: context.publicUrl() + url,
    path: url.slice('/in/'.length + key.length),
    headers: raw.rawHeaders,
    remoteAddress: context.addresses.of(raw),
  };
  try {
    const active = context.ingest.admit(key, call);
    let read: ReadBody;
    try {
      read = await readBody(raw, active.source.maxBodyBytes, context.budget);
    } catch (error) {
      if (!(error instanceof Problem) || error.code === 'overloaded') throw error;
      throw context.ingest.cutShort(active, { ...call, body: NO_BODY }, error);
    }
    const { body, tooLarge } = read;
    if (tooLarge) throw context.ingest.tooLarge(active, { ...call, body });
    context.budget.take(body.byteLength);
    try {
      sendResult(response, await context.ingest.accept(active, { ...call, body }), requestId);
    } finally {
      context.budget.giveBack(body.byteLength);
    }
  } catch (error) {
    // Without "connection: close": Node would close under the sender, which then never reads why.
    if (!raw.readableEnded) drain(raw);
    send(response, problemAnswer(context.asProblem(error, requestId), requestId));
  }
}

/** The request id goes along also where the provider wants its own answer: `ringback why ID` takes it. */
function sendResult(response: ServerResponse, result: IngestAnswer, requestId: string): void {
  if (result.answer !== null) {
    const { status, headers, body } = result.answer;
    send(response, { status, headers: { ...ownHeaders(result, requestId), ...headers }, body });
    return;
  }
  if (result.kind === 'handshake') throw new Problem('internal_error', 'a handshake without an answer');
  // Written by hand: two fields that need no escaping, on the hottest path there is.
  const body = `{"id":"${result.eventId}","duplicate":${result.duplicate}}`;
  const headers = ['content-type', 'application/json; charset=utf-8', 'content-length', `${body.length}`];
  headers.push('x-request-id', requestId);
  response.writeHead(202, headers).end(body, 'latin1');
}

/** Where the body is the provider's, a header says which event it became. */
function ownHeaders(result: IngestAnswer, requestId: string): Record<string, string> {
  const headers = { 'x-request-id': requestId };
  if (result.kind === 'handshake') return headers;
  const event = { ...headers, 'ringback-event': result.eventId };
  return result.duplicate ? { ...event, 'ringback-duplicate': 'true' } : event;
}

function send(response: ServerResponse, { status, headers, body }: PlainAnswer): void {
  const hasBody = status !== 204;
  const { 'content-type': type = 'text/plain; charset=utf-8', ...others } = headers;
  const ofBody = { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) };
  response.writeHead(status, { ...others, ...(hasBody ? ofBody : {}) }).end(hasBody ? body : undefined);
}
