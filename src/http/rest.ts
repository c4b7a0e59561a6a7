import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { CATALOGUE } from '../api/catalogue.ts';
import { invoke, requireScope } from '../api/invoke.ts';
import type { Operation, OperationContext } from '../api/operation.ts';
import { Problem } from '../domain/problem.ts';
import type { HttpContext } from './http-context.ts';
import { sendProblem } from './problem-response.ts';
import { drain, readBody } from './read-body.ts';

/** A request to the API may carry a batch of a thousand events. */
const API_BODY_FACTOR = 4;

const DECODER = new TextDecoder('utf-8', { fatal: true });

/** Every operation of the catalogue as a route. */
export function restRoutes(app: FastifyInstance, context: HttpContext): void {
  for (const operation of CATALOGUE) {
    app.route({
      method: operation.method,
      url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      handler: (request, reply) => handle(context, operation, request, reply),
    });
  }
}

async function handle(
  context: HttpContext,
  operation: Operation,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  void reply.header('cache-control', 'no-store').header('x-request-id', request.id);
  try {
    const operationContext = await authenticated(context, request);
    requireScope(operation, operationContext);
    const output = await run(context, operation, operationContext, request);
    if (operation.status === 204) return await reply.code(204).send();
    return await reply
      .code(operation.status)
      .type('application/json; charset=utf-8')
      .send(JSON.stringify(output));
  } catch (error) {
    if (!request.raw.readableEnded) drain(request.raw);
    return sendProblem(reply, context.asProblem(error, request.id), request.id);
  }
}

/**
 * The context of an authenticated request. Rejects with `credentials_missing`, or later and later with
 * `credentials_invalid`, or with `rate_limited` when too many wrong keys came.
 */
export async function authenticated(
  context: HttpContext,
  request: FastifyRequest,
): Promise<OperationContext> {
  const header = request.headers.authorization;
  if (header === undefined) {
    throw new Problem('credentials_missing', 'send the API key as "Authorization: Bearer KEY"');
  }
  const [, token] = /^Bearer +(\S+)$/i.exec(header) ?? [];
  const principal = token === undefined ? null : context.authenticate(token);
  const remoteAddress = context.addresses.of(request.raw);
  if (principal === null) {
    await context.failedAuthentication.hold(remoteAddress);
    throw new Problem('credentials_invalid', 'the API key is unknown or has expired');
  }
  return {
    gateway: context.gateway,
    caller: { principal, remoteAddress },
    requestId: request.id,
    headers: request.raw.rawHeaders,
    publicUrl: context.publicUrl(),
    limits: context.limits,
  };
}

async function run(
  context: HttpContext,
  operation: Operation,
  operationContext: OperationContext,
  request: FastifyRequest,
): Promise<unknown> {
  const limit = context.limits.maxBodyBytes * API_BODY_FACTOR;
  const { body, tooLarge } = await readBody(request.raw, limit, context.budget);
  if (tooLarge) throw new Problem('event_too_large', `the API takes up to ${limit} bytes`);
  context.budget.take(body.byteLength);
  try {
    const raw = operation.raw?.(operationContext, body);
    if (raw !== undefined) return await raw;
    const input = { params: request.params, query: request.query, body: parseBody(body) };
    return await invoke(operation, operationContext, input);
  } finally {
    context.budget.giveBack(body.byteLength);
  }
}

function parseBody(body: Uint8Array): unknown {
  if (body.byteLength === 0) return {};
  try {
    return JSON.parse(DECODER.decode(body)) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Problem('body_malformed', `the body is not JSON in UTF-8: ${why}`);
  }
}
