import { once } from 'node:events';
import { createServer, request as httpRequest, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type ServerType } from '@hono/node-server';
import express from 'express';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fastifyReceiver } from '../../packages/client/src/fastify.ts';
import { nodeHandler } from '../../packages/client/src/node.ts';
import type { ReceivedEvent } from '../../packages/client/src/receive/received-event.ts';
import { receive } from '../../packages/client/src/receive/receive.ts';
import type { Receiver, ReceiverProblem } from '../../packages/client/src/receive/receiver.ts';
import { sign } from '../../packages/client/src/verify/sign/sign.ts';
import { DELIVERY_SECRET, deliveryHeaders } from '../support/signed-delivery.ts';

// Not what JSON.stringify would write: whoever parses and writes it again breaks the signature.
const BODY = '{ "n": 1.0,\n "text": "\\u00fc 🙂" }';

/** A receiver behind one server, and what it did. */
class Bench {
  readonly events: ReceivedEvent[] = [];
  readonly problems: ReceiverProblem[] = [];
  readonly receiver: Receiver = receive({
    secret: DELIVERY_SECRET,
    maxBodyBytes: 2_000,
    onEvent: (event) => {
      this.events.push(event);
    },
    onProblem: (problem) => this.problems.push(problem),
  });
  url = '';
}

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

function listen(listener: RequestListener): Promise<string> {
  return listenWith(createServer(listener));
}

/** Servers of `createAdaptorServer` are of node:http too, though its type is wider. */
async function listenWith(server: ServerType): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({
    close: async () => {
      if ('closeAllConnections' in server) server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Serve = (receiver: Receiver) => Promise<string>;

const serveWithNode: Serve = (receiver) => listen(nodeHandler(receiver));

const serveWithExpress: Serve = (receiver) => {
  const app = express();
  app.post('/hook', nodeHandler(receiver));
  app.use(express.json());
  app.post('/echo', (request, response) => void response.json(request.body));
  return listen(app);
};

const serveWithRawExpress: Serve = (receiver) => {
  const app = express();
  app.post('/hook', express.raw({ type: () => true }), nodeHandler(receiver));
  app.use(express.json());
  app.post('/echo', (request, response) => void response.json(request.body));
  return listen(app);
};

const serveWithFastify: Serve = async (receiver) => {
  const app = fastify();
  app.register(fastifyReceiver(receiver), { url: '/hook' });
  app.post('/echo', (request) => request.body);
  open.push({ close: async () => app.close() });
  return app.listen({ port: 0, host: '127.0.0.1' });
};

const serveWithHono: Serve = (receiver) => {
  const app = new Hono();
  app.post('/hook', (context) => receiver(context.req.raw));
  app.post('/echo', async (context) => context.json(await context.req.json()));
  return listenWith(createAdaptorServer(app));
};

const adapters: readonly [name: string, serve: Serve][] = [
  ['node:http', serveWithNode],
  ['Express', serveWithExpress],
  ['Express with express.raw()', serveWithRawExpress],
  ['Fastify', serveWithFastify],
  ['Hono', serveWithHono],
];

function post(url: string, body: string, headers: Record<string, string>): Promise<Response> {
  return fetch(`${url}/hook`, { method: 'POST', body: Buffer.from(body), headers });
}

/** The status of a request of any shape; rejects when the connection ends without an answer. */
async function rawStatus(
  url: string,
  headers: readonly string[],
  write: (request: ReturnType<typeof httpRequest>) => void,
): Promise<number> {
  const request = httpRequest(`${url}/hook`, { method: 'POST', headers: [...headers], agent: false });
  const answered = once(request, 'response') as Promise<[{ statusCode?: number; resume(): void }]>;
  write(request);
  const [response] = await answered;
  request.on('error', () => undefined);
  response.resume();
  return response.statusCode ?? 0;
}

describe.each(adapters)('%s', (_name, serve) => {
  it('gives the receiver the bytes that were signed', async () => {
    const bench = new Bench();
    const url = await serve(bench.receiver);
    const response = await post(url, BODY, deliveryHeaders(BODY));
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(bench.events[0]?.text()).toBe(BODY);
  });

  it('takes a body without a content type, and one that is no JSON', async () => {
    const bench = new Bench();
    const url = await serve(bench.receiver);
    const { 'content-type': _none, ...bare } = deliveryHeaders('plain', { id: 'evt_a' });
    const broken = deliveryHeaders('{"n":', { id: 'evt_b' });
    expect((await post(url, 'plain', bare)).status).toBe(204);
    expect((await post(url, '{"n":', broken)).status).toBe(204);
    expect(bench.events.map((event) => event.text())).toEqual(['plain', '{"n":']);
  });

  it('answers what is forged, repeated, failing', async () => {
    const bench = new Bench();
    const url = await serve(bench.receiver);
    const headers = deliveryHeaders(BODY);
    const forged = await post(url, `${BODY} `, headers);
    expect(await forged.json()).toMatchObject({ code: 'signature_mismatch' });
    expect(forged.status).toBe(401);
    await post(url, BODY, headers);
    const again = await post(url, BODY, headers);
    expect([again.status, await again.json()]).toEqual([200, { duplicate: true }]);
    expect(bench.events).toHaveLength(1);
  });

  it('refuses a header that comes twice', async () => {
    const bench = new Bench();
    const url = await serve(bench.receiver);
    const twice = [...Object.entries(deliveryHeaders(BODY)).flat(), 'webhook-id', 'evt_1'];
    expect(await rawStatus(url, ['host', 'x', ...twice], (request) => request.end(BODY))).toBe(401);
    expect(bench.events).toEqual([]);
  });

  it('refuses a body that is too large, announced or not', async () => {
    const bench = new Bench();
    const url = await serve(bench.receiver);
    const large = 'x'.repeat(2_001);
    expect((await post(url, large, deliveryHeaders(large))).status).toBe(413);
    const chunked = await rawStatus(url, ['host', 'x', 'transfer-encoding', 'chunked'], (request) => {
      request.write(large);
      // Its parser waits for the end; the others see that it is too much already.
      if (serve === serveWithRawExpress) request.end();
    });
    expect(chunked).toBe(413);
    expect(bench.events).toEqual([]);
  });

  it('survives a request that is cut off', async () => {
    const bench = new Bench();
    const url = await serve(bench.receiver);
    const headers = ['host', 'x', ...Object.entries(deliveryHeaders(BODY)).flat(), 'content-length', '100'];
    const cut = httpRequest(`${url}/hook`, { method: 'POST', headers, agent: false });
    const failed = once(cut, 'error');
    cut.write(BODY.slice(0, 10), () => cut.destroy(new Error('cut')));
    await failed;
    expect((await post(url, BODY, deliveryHeaders(BODY))).status).toBe(204);
    expect(bench.events).toHaveLength(1);
  });
});

describe('the other routes', () => {
  it.each(adapters.filter(([, serve]) => serve !== serveWithNode))(
    'of %s are as they were',
    async (_, serve) => {
      const url = await serve(new Bench().receiver);
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${url}/echo`, { method: 'POST', body: '{"n":1}', headers });
      expect(await response.json()).toEqual({ n: 1 });
    },
  );
});

describe('a body that was parsed before', () => {
  const mistakes: readonly [name: string, fix: string, serve: Serve][] = [
    [
      'Express after express.json()',
      'before app.use(express.json())',
      (receiver) => listen(express().use(express.json()).post('/hook', nodeHandler(receiver))),
    ],
    [
      'Express after express.text()',
      'before app.use(express.json())',
      (receiver) => listen(express().use(express.text({ type: () => true }), nodeHandler(receiver))),
    ],
    [
      'Fastify without the plugin',
      'turn the body parser off',
      async (receiver) => {
        const app = fastify();
        app.post('/hook', (request, reply) => {
          reply.hijack();
          nodeHandler(receiver)(request.raw, reply.raw);
        });
        open.push({ close: async () => app.close() });
        return app.listen({ port: 0, host: '127.0.0.1' });
      },
    ],
    [
      'Hono after context.req.json()',
      'request.clone()',
      (receiver) => {
        const app = new Hono();
        app.use(async (context, next) => {
          await context.req.json();
          await next();
        });
        app.post('/hook', (context) => receiver(context.req.raw));
        return listenWith(createAdaptorServer(app));
      },
    ],
  ];

  it.each(mistakes)('%s: an error that says the fix', async (_name, fix, serve) => {
    const bench = new Bench();
    const url = await serve(bench.receiver);
    const response = await post(url, BODY, deliveryHeaders(BODY));
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({
      code: 'body_consumed',
      detail: expect.stringContaining(fix),
    });
    expect(bench.problems).toMatchObject([{ code: 'body_consumed' }]);
    expect(bench.events).toEqual([]);
  });

  it('is no matter when the platform kept the bytes', async () => {
    const bench = new Bench();
    const app = express();
    app.use(
      express.json({
        verify: (request, _response, bytes) => {
          Object.assign(request, { rawBody: bytes });
        },
      }),
    );
    app.post('/hook', nodeHandler(bench.receiver));
    const url = await listen(app);
    expect((await post(url, BODY, deliveryHeaders(BODY))).status).toBe(204);
  });
});

describe('a mounted router', () => {
  it('verifies the whole address', async () => {
    const onEvent = vi.fn<() => void>();
    const app = express();
    const receiver = receive({ provider: 'square', secret: 'key', onEvent });
    app.use('/in', express.Router().post('/hook', nodeHandler(receiver)));
    const url = `${await listen(app)}/in/hook`;
    const signed = await sign('square', { url, body: Buffer.from(BODY), secrets: ['key'] });
    const headers = new Headers(signed.headers.map(([name, value]) => [name, value]));
    const response = await fetch(url, { method: 'POST', body: BODY, headers });
    expect(response.status).toBeLessThan(300);
    expect(onEvent).toHaveBeenCalledTimes(1);
  });
});
