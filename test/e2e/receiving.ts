import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One request as it came over the wire. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly at: number;
}

/** Answers one request; `response` must be ended, now or later. */
export type Answer = (request: Received, response: ServerResponse) => void;

/** A destination of a test: keeps what comes and answers as told. It shares no code with the gateway. */
export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** Answers from now on; 200 until it is set. */
  answer: Answer;
  /** Resolves when what came fulfils `condition`; rejects after `limitMs`, saying how much came. */
  until(
    condition: (received: readonly Received[]) => boolean,
    limitMs?: number,
  ): Promise<readonly Received[]>;
  /** As `until`, for a number of requests. */
  count(atLeast: number, limitMs?: number): Promise<readonly Received[]>;
  /** The `webhook-id` headers, in order of arrival. */
  ids(): string[];
  close(): Promise<void>;
}

export async function startReceiver(
  answer: Answer = (_request, response) => response.end(),
): Promise<Receiver> {
  const received: Received[] = [];
  const watchers = new Set<() => void>();
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one: Received = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        body: Buffer.concat(chunks),
        at: Date.now(),
      };
      received.push(one);
      receiver.answer(one, response);
      for (const watcher of watchers) watcher();
    });
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    // A gateway that is killed resets its connections; that is what some tests are about.
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    answer,
    until: (condition, limitMs = 10_000) => watch(watchers, received, condition, limitMs),
    count: (atLeast, limitMs) => receiver.until((all) => all.length >= atLeast, limitMs),
    ids: () => received.map(({ headers }) => String(headers['webhook-id'])),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return receiver;
}

function watch(
  watchers: Set<() => void>,
  received: readonly Received[],
  condition: (received: readonly Received[]) => boolean,
  limitMs: number,
): Promise<readonly Received[]> {
  return new Promise((resolve, reject) => {
    const check = (): void => {
      if (!condition(received)) return;
      clearTimeout(timer);
      watchers.delete(check);
      resolve(received);
    };
    const timer = setTimeout(() => {
      watchers.delete(check);
      reject(new Error(`not received within ${limitMs} ms; ${received.length} requests came`));
    }, limitMs);
    watchers.add(check);
    check();
  });
}
