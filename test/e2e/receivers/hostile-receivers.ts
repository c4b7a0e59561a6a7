import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** A small real server on 127.0.0.1 that misbehaves in one way. */
export interface HostileReceiver {
  readonly url: string;
  readonly port: number;
  /** TCP connections accepted so far. */
  readonly connections: () => number;
  /** Connections open now. */
  readonly open: () => number;
  /** Requests whose head has arrived so far; of those that count them. */
  readonly requests: () => number;
  /** Bytes written to the sender so far. */
  readonly bytesWritten: () => number;
  readonly close: () => Promise<void>;
}

interface Tally {
  connections: number;
  requests: number;
}

/** Accepts, reads and never answers. */
export function hangs(): Promise<HostileReceiver> {
  return onRequest(() => undefined);
}

/** Closes with RST when the request has come. */
export function resetsAfterRequest(): Promise<HostileReceiver> {
  return onRequest((socket) => socket.resetAndDestroy());
}

/** Closes in an orderly way when the request has come, without an answer. */
export function closesAfterRequest(): Promise<HostileReceiver> {
  return onRequest((socket) => socket.end());
}

/** Sends the head and ten bytes of a hundred, then RST. */
export function resetsMidAnswer(): Promise<HostileReceiver> {
  return onRequest((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789', () => socket.resetAndDestroy());
  });
}

/** Answers 302 to `location`. */
export function redirects(location: string): Promise<HostileReceiver> {
  return onHttp((_request, response) => response.writeHead(302, { location }).end('moved'));
}

/** Answers with `totalBytes` of body, as fast as they are taken. `announced` sends a content-length. */
export function floods(totalBytes: number, announced: boolean): Promise<HostileReceiver> {
  return onHttp((_request, response) => {
    response.writeHead(200, announced ? { 'content-length': totalBytes } : {});
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let left = totalBytes;
    const pump = (): void => {
      while (left > 0 && !response.destroyed) {
        const size = Math.min(left, chunk.length);
        left -= size;
        if (!response.write(chunk.subarray(0, size))) {
          response.once('drain', pump);
          return;
        }
      }
      response.end();
    };
    pump();
  });
}

/** Sends the head at once and then one byte of body every `everyMs`, for ever. */
export function drips(everyMs: number): Promise<HostileReceiver> {
  return onHttp((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders();
    const timer = setInterval(() => response.write('.'), everyMs);
    response.on('close', () => clearInterval(timer));
  });
}

/** Sends the head of the answer one byte at a time, for ever. */
export function dripsHead(everyMs: number): Promise<HostileReceiver> {
  return onRequest((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
    const timer = setInterval(() => socket.write('a'), everyMs);
    socket.on('close', () => clearInterval(timer));
  });
}

/** Announces 100 bytes, sends 5 and closes. */
export function announcesTooMuch(connection: 'keep-alive' | 'close'): Promise<HostileReceiver> {
  return onRequest((socket) =>
    socket.end(`HTTP/1.1 200 OK\r\nconnection: ${connection}\r\ncontent-length: 100\r\n\r\nshort`),
  );
}

/** Announces 2 bytes and sends an answer of its own making after them. */
export function announcesTooLittle(): Promise<HostileReceiver> {
  return onRequest((socket) =>
    socket.write(
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\ncontent-length: 4\r\n\r\nevil',
    ),
  );
}

/** Answers with `bytes` as they are, then closes. */
export function sendsRaw(bytes: string | Uint8Array): Promise<HostileReceiver> {
  return onRequest((socket) => socket.end(bytes));
}

/** Sends header after header and never ends them. */
export function endlessHeaders(): Promise<HostileReceiver> {
  return onRequest((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    let index = 0;
    const pump = (): void => {
      while (!socket.destroyed && socket.write(`x-header-${index}: ${'v'.repeat(100)}\r\n`)) index += 1;
    };
    socket.on('drain', pump);
    pump();
  });
}

/** Sends interim answers (103) and never a final one. */
export function endlessInterim(everyMs: number): Promise<HostileReceiver> {
  return onRequest((socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'), everyMs);
    socket.on('close', () => clearInterval(timer));
  });
}

/** Answers 200 and keeps the connection, then closes it while it is idle. */
export function closesIdle(): Promise<HostileReceiver> {
  return onRequest((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok', () => setTimeout(() => socket.end(), 20));
  });
}

/** Answers the first request of each connection and resets it when the second one comes. */
export function resetsOnReuse(): Promise<HostileReceiver> {
  const used = new WeakSet<Socket>();
  return onRequest((socket) => {
    if (used.has(socket)) {
      socket.resetAndDestroy();
      return;
    }
    used.add(socket);
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  });
}

/** Takes the connection but does not look at it for `delayMs`; then answers 200. */
export function acceptsSlowly(delayMs: number): Promise<HostileReceiver> {
  return start((tally) =>
    createServer({ pauseOnConnect: true }, (socket) => {
      const timer = setTimeout(() => {
        socket.on('data', () => {
          tally.requests += 1;
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate');
        });
        socket.resume();
      }, delayMs);
      socket.on('close', () => clearTimeout(timer));
    }),
  );
}

/** A well-behaved HTTP server with a handler of the test's. */
export function onHttp(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<HostileReceiver> {
  return start((tally) =>
    createHttpServer((request, response) => {
      tally.requests += 1;
      request.resume();
      request.on('end', () => handle(request, response));
    }),
  );
}

/** Calls `act` for each request, once all of it has come. */
export function onRequest(
  act: (socket: Socket, head: string, body: Buffer) => unknown,
): Promise<HostileReceiver> {
  return start((tally) =>
    createServer((socket) => {
      let received = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const headBytes = received.indexOf('\r\n\r\n') + 4;
        const head = received.toString('latin1', 0, headBytes);
        const end = headBytes + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (headBytes < 4 || received.length < end) return;
        const body = received.subarray(headBytes, end);
        received = received.subarray(end);
        tally.requests += 1;
        act(socket, head, body);
      });
    }),
  );
}

/** Starts any server as a receiver: the other functions of this file are made from it. */
export async function start(makeServer: (tally: Tally) => Server): Promise<HostileReceiver> {
  const tally: Tally = { connections: 0, requests: 0 };
  const sockets = new Set<Socket>();
  let closedBytes = 0;
  const server = makeServer(tally);
  server.on('connection', (socket: Socket) => {
    tally.connections += 1;
    sockets.add(socket);
    // The sender tears connections down; that is what is being tested.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      closedBytes += socket.bytesWritten;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = portOf(server.address());
  return {
    url: `http://127.0.0.1:${port}/hook`,
    port,
    connections: () => tally.connections,
    open: () => sockets.size,
    requests: () => tally.requests,
    bytesWritten: () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, closedBytes),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the receiver listens on no port');
  return address.port;
}
