import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { NODE_ROLES, type NodeRole } from '../domain/node-role.ts';
import { Problem } from '../domain/problem.ts';
import { allowedMethods } from './allowed-methods.ts';
import type { ServerCertificate } from './certificate-files.ts';
import { errorPages } from './error-pages.ts';
import type { HttpContext } from './http-context.ts';
import { ingestAtOnce, ingestRoutes } from './ingest.ts';
import { markLate } from './read-body.ts';
import { problemBody, sendProblem } from './problem-response.ts';
import { restRoutes } from './rest.ts';
import { serviceRoutes } from './service-routes.ts';
import { smeeRoute } from './smee.ts';
import { Streams, streamRoute } from './stream.ts';

export interface HttpServerOptions {
  /** Time in which a request must have arrived whole. */
  readonly requestTimeoutMs: number;
  readonly makeRequestId: () => string;
  /** What this node does; the rest is refused, with the hint that another node does it. */
  readonly roles: readonly NodeRole[];
  /** Serves https with it; `null` = plain http. */
  readonly certificate: ServerCertificate | null;
}

/** How often connections are looked at for requests that are late. */
const CHECK_EVERY_MS = 1_000;
/** A client that connects and does not finish its handshake holds a socket that long. */
const HANDSHAKE_LIMIT_MS = 10_000;

/** The HTTP edge: ingest, REST, the stream and health, on one port. */
export function createHttpServer(
  context: HttpContext,
  options: HttpServerOptions,
): { readonly app: FastifyInstance; readonly endStreams: () => void } {
  const { certificate } = options;
  // Node swaps the two limits when the one for headers, 60 s by default, is the longer one.
  const checked = { connectionsCheckingInterval: CHECK_EVERY_MS, headersTimeout: options.requestTimeoutMs };
  const app: FastifyInstance = Fastify({
    logger: false,
    genReqId: options.makeRequestId,
    requestTimeout: options.requestTimeoutMs,
    connectionTimeout: 0,
    return503OnClosing: false,
    keepAliveTimeout: 75_000,
    ...(certificate === null
      ? { http: checked }
      : { https: { ...checked, ...certificate, handshakeTimeout: HANDSHAKE_LIMIT_MS } }),
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
    frameworkErrors(error, request, reply) {
      const tooLong = error.code === 'FST_ERR_MAX_PARAM_LENGTH';
      const problem = tooLong
        ? new Problem('route_unknown', 'a part of the path is too long')
        : new Problem('body_malformed', 'the path cannot be read');
      void sendProblem(reply, problem, request.id);
    },
    clientErrorHandler(error, socket) {
      answerBrokenRequest(error, socket, options.makeRequestId());
    },
  });
  // Bodies are read by the routes, as bytes and under their own limits: Fastify must not touch them.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  const methodsOf = allowedMethods(app);
  app.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.split('?');
    const allowed = methodsOf(path);
    if (allowed.length === 0) {
      return sendProblem(reply, new Problem('route_unknown', `${request.method} ${path}`), request.id);
    }
    void reply.header('allow', allowed.join(', '));
    const problem = new Problem('method_not_allowed', `${path} knows ${allowed.join(', ')}`);
    return sendProblem(reply, problem, request.id);
  });
  app.setErrorHandler((error, request, reply) => {
    const status = error instanceof Error && 'statusCode' in error ? error.statusCode : 500;
    const problem =
      typeof status === 'number' && status < 500
        ? new Problem('body_malformed', error instanceof Error ? error.message : 'the request cannot be read')
        : context.asProblem(error, request.id);
    return sendProblem(reply, problem, request.id);
  });
  const isStopping = refuseWhenStopping(app);
  refuseOtherRoles(app, options.roles);
  ingestPastTheRouter(app, context, options, isStopping);
  ingestRoutes(app, context);
  restRoutes(app, context);
  serviceRoutes(app, context);
  errorPages(app);
  return { app, endStreams: streamRoutes(app, context) };
}

/** Answers without an end. Returns how to end all of them. */
function streamRoutes(app: FastifyInstance, context: HttpContext): () => void {
  const streams = new Streams(context);
  streamRoute(app, context, streams);
  smeeRoute(app, context, streams);
  return () => streams.end();
}

/** What is not for a source goes to Fastify, and everything while the gateway stops. */
function ingestPastTheRouter(
  app: FastifyInstance,
  context: HttpContext,
  { roles, makeRequestId }: HttpServerOptions,
  isStopping: () => boolean,
): void {
  if (!roles.includes('ingest')) return;
  const listeners = app.server.listeners('request');
  app.server.removeAllListeners('request');
  app.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (!isStopping() && ingestAtOnce(context, request, response, makeRequestId)) return;
    for (const listener of listeners) listener.call(app.server, request, response);
  });
}

/**
 * Requests that still come on open connections: in our own shape, with when to come again. Returns whether
 * the gateway is stopping.
 */
function refuseWhenStopping(app: FastifyInstance): () => boolean {
  let stopping = false;
  app.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  app.addHook('onRequest', (request, reply, done) => {
    if (!stopping) {
      done();
      return;
    }
    const problem = new Problem('shutting_down', 'the gateway is stopping', { retryAfterS: 1 });
    void sendProblem(reply, problem, request.id);
  });
  return () => stopping;
}

/** Paths that every node answers: a load balancer asks them which nodes can take something. */
const EVERY_NODE = /^\/(healthz|readyz|metrics)$/;

/** A 503, never a 404: a sender that got to the wrong node must try again. */
function refuseOtherRoles(app: FastifyInstance, roles: readonly NodeRole[]): void {
  if (NODE_ROLES.every((role) => roles.includes(role))) return;
  app.addHook('onRequest', (request, reply, done) => {
    const [path = ''] = request.url.split('?');
    const role: NodeRole = path.startsWith('/in/') ? 'ingest' : 'api';
    if (roles.includes(role) || EVERY_NODE.test(path)) {
      done();
      return;
    }
    const problem = new Problem('role_absent', `this node has not the role ${role}`, { retryAfterS: 1 });
    void sendProblem(reply, problem, request.id);
  });
}

/** What Node could not even parse, or what did not arrive in time, is answered in the same shape. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket, requestId: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  if (late) markLate(socket);
  const problem = late
    ? new Problem('request_timeout', 'the request did not arrive whole in time')
    : new Problem('body_malformed', 'this is not an HTTP request that can be read');
  const body = JSON.stringify(problemBody(problem, requestId));
  socket.end(
    `HTTP/1.1 ${problem.status} ${late ? 'Request Timeout' : 'Bad Request'}\r\n` +
      'content-type: application/problem+json\r\nconnection: close\r\n' +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
