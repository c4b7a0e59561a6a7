import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IngestAnswer } from '../api/gateway-access.ts';
import { Problem } from '../domain/problem.ts';
import type { HttpContext } from './http-context.ts';
import { sendProblem } from './problem-response.ts';
import { drain, readBody } from './read-body.ts';

const NO_BODY = new Uint8Array(0);

type IngestRoute = { Params: { key: string; '*'?: string } };

/**
 * `ALL /in/:key`: raw bytes in, and an answer only when the event is on disk.
 *
 * The request is answered in the first hook and never gets to its handler: what Fastify does in between
 * is for bodies and schemas that it reads itself, and took a tenth of the time of an accepted event.
 */
export function ingestRoutes(app: FastifyInstance, context: HttpContext): void {
  const route = {
    onRequest: (request: FastifyRequest<IngestRoute>, reply: FastifyReply): void =>
      void ingest(context, request, reply),
  };
  app.all<IngestRoute>('/in/:key', route, unreached);
  app.all<IngestRoute>('/in/:key/*', route, unreached);
}

function unreached(): never {
  throw new Error('unreachable: the hook answers');
}

async function ingest(
  context: HttpContext,
  request: FastifyRequest<IngestRoute>,
  reply: FastifyReply,
): Promise<void> {
  const { raw } = request;
  const { key } = request.params;
  const path = (raw.url ?? '').slice('/in/'.length + key.length);
  const call = {
    requestId: request.id,
    method: raw.method ?? 'POST',
    url: context.publicUrl() + (raw.url ?? ''),
    path,
    headers: raw.rawHeaders,
    remoteAddress: context.addresses.of(raw),
  };
  try {
    const active = context.ingest.admit(key, call);
    const { body, tooLarge } = await readBody(raw, active.source.maxBodyBytes, context.budget).catch(
      (error: unknown) => {
        if (!(error instanceof Problem) || error.code === 'overloaded') throw error;
        throw context.ingest.cutShort(active, { ...call, body: NO_BODY }, error);
      },
    );
    if (tooLarge) throw context.ingest.tooLarge(active, { ...call, body });
    context.budget.take(body.byteLength);
    try {
      send(reply, await context.ingest.accept(active, { ...call, body }), request.id);
    } finally {
      context.budget.giveBack(body.byteLength);
    }
  } catch (error) {
    // Without "connection: close": Node would close under the sender, which then never reads why.
    if (!raw.readableEnded) drain(raw);
    void sendProblem(reply, context.asProblem(error, request.id), request.id);
  }
}

/** The request id goes along also where the provider wants its own answer: `ringback why ID` takes it. */
function send(reply: FastifyReply, result: IngestAnswer, requestId: string): void {
  if (result.answer !== null) {
    const { status, headers, body } = result.answer;
    reply.code(status).header('x-request-id', requestId);
    // Where the body is the provider's, a header says which event it became.
    if (result.kind === 'accepted') {
      reply.header('ringback-event', result.eventId);
      if (result.duplicate) reply.header('ringback-duplicate', 'true');
    }
    void reply.headers(headers).send(body);
    return;
  }
  if (result.kind === 'handshake') throw new Problem('internal_error', 'a handshake without an answer');
  // Written by hand: two fields that need no escaping, on the hottest path there is.
  const body = `{"id":"${result.eventId}","duplicate":${result.duplicate}}`;
  const headers = ['content-type', 'application/json; charset=utf-8', 'content-length', `${body.length}`];
  headers.push('x-request-id', requestId);
  reply.hijack();
  reply.raw.writeHead(202, headers).end(body, 'latin1');
}
