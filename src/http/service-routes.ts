import type { FastifyInstance } from 'fastify';
import { asyncApi } from '../api/asyncapi.ts';
import { jwkSetOf } from '../api/public-keys.ts';
import { findRawEvent } from '../api/raw-event.ts';
import { openApi } from '../api/openapi.ts';
import type { HttpContext } from './http-context.ts';
import { sendProblem } from './problem-response.ts';
import { authenticated } from './rest.ts';

/** What is not an operation: health, metrics, the descriptions, and an event's bytes. */
export function serviceRoutes(app: FastifyInstance, context: HttpContext): void {
  app.get('/healthz', (_request, reply) => reply.send({ status: 'ok' }));

  app.get('/readyz', async (request, reply) => {
    try {
      await context.ready();
      return await reply.send({ status: 'ready', version: context.version });
    } catch (error) {
      return sendProblem(reply, context.asProblem(error, request.id), request.id);
    }
  });

  app.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await context.metrics();
    return reply.type(contentType).send(body);
  });

  app.get('/openapi.json', (_request, reply) => reply.send(openApi(context.version)));

  app.get<{ Querystring: { tenant?: string } }>('/asyncapi.json', async (request, reply) => {
    try {
      const { tenant } = request.query;
      const operationContext = await authenticated(context, request);
      void reply.header('cache-control', 'no-store');
      return await reply.send(asyncApi(operationContext, context.version, tenant));
    } catch (error) {
      return sendProblem(reply, context.asProblem(error, request.id), request.id);
    }
  });

  app.get<{ Params: { id: string } }>('/.well-known/jwks/:id', (request, reply) => {
    try {
      return reply.header('cache-control', 'max-age=300').send(jwkSetOf(context.gateway, request.params.id));
    } catch (error) {
      return sendProblem(reply, context.asProblem(error, request.id), request.id);
    }
  });

  app.get<{ Params: { id: string } }>('/v1/events/:id/raw', async (request, reply) => {
    try {
      const event = await findRawEvent(await authenticated(context, request), request.params.id);
      // Never as what the sender called it: a browser must not run a stranger's page under our origin.
      return await reply
        .type('application/octet-stream')
        .header('content-disposition', 'attachment')
        .header('ringback-content-type', event.contentType ?? '')
        .send(Buffer.from(event.body));
    } catch (error) {
      return sendProblem(reply, context.asProblem(error, request.id), request.id);
    }
  });
}
