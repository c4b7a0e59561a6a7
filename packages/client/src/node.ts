import type { Answer } from './verify/handshake-rule.ts';
import type { IncomingRequest } from './receive/incoming.ts';
import { BodyCollector, BodyUnavailable, refuseAnnounced } from './receive/incoming.ts';
import type { Receiver } from './receive/receiver.ts';

/** What is used of `http.IncomingMessage`, and of what Express and its like add to it. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** Express: the whole path, where `url` is what is left of it below a mounted router. */
  readonly originalUrl?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  /** Of TLS it has `encrypted`. */
  readonly socket: object;
  /** What a body parser left. */
  readonly body?: unknown;
  /** What some platforms keep of the raw bytes. */
  readonly rawBody?: unknown;
  readonly readableDidRead?: boolean | undefined;
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'end' | 'error' | 'close', listener: () => void): unknown;
  pause(): unknown;
}

/** What is used of `http.ServerResponse`. */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body?: string): unknown;
}

const CONSUMED =
  'the body of this request was read before the receiver got it, and a parsed body is not what was signed: ' +
  'register the receiver before app.use(express.json()), or put express.raw({ type: () => true }) in front ' +
  'of it, or turn the body parser off for this route';

/**
 * Makes a receiver the request listener of `node:http`, or a handler of Express, Connect, or a Next.js
 * API route: `app.post('/hook', nodeHandler(receiver))`.
 */
export function nodeHandler(receiver: Receiver) {
  return (request: NodeRequest, response: NodeResponse): void => {
    // Neither rejects: `handle` answers whatever happens.
    void receiver.handle(incomingFromNode(request)).then((answer) => send(answer, response));
  };
}

function send({ status, headers = {}, body }: Answer, response: NodeResponse): void {
  // What is left of a body that is too large is not read to its end.
  const connection: Record<string, string> = status === 413 ? { connection: 'close' } : {};
  response.writeHead(status, { ...headers, ...connection });
  response.end(body);
}

/** What a receiver needs of a request of `node:http`, Express or Connect. */
export function incomingFromNode(request: NodeRequest): IncomingRequest {
  const protocol = 'encrypted' in request.socket ? 'https' : 'http';
  const host = String(request.headers['host'] ?? 'localhost');
  return {
    method: request.method ?? 'GET',
    url: `${protocol}://${host}${request.originalUrl ?? request.url ?? '/'}`,
    headers: pairs(request.rawHeaders),
    readBody: (maxBytes) => readNodeBody(request, maxBytes),
  };
}

function pairs(rawHeaders: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    found.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
  }
  return found;
}

async function readNodeBody(request: NodeRequest, maxBytes: number): Promise<Uint8Array> {
  const kept = [request.rawBody, request.body].find((value) => value instanceof Uint8Array);
  if (kept !== undefined) {
    const collected = new BodyCollector(maxBytes);
    collected.add(kept);
    return collected.whole();
  }
  if (request.readableDidRead === true || isParsed(request.body)) {
    throw new BodyUnavailable('body_consumed', CONSUMED);
  }
  refuseAnnounced(String(request.headers['content-length'] ?? 0), maxBytes);
  return readStream(request, maxBytes);
}

// Parsers of Express 4 leave an empty object on requests that they did not touch.
function isParsed(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return body !== undefined;
  return Object.keys(body).length > 0;
}

function readStream(request: NodeRequest, maxBytes: number): Promise<Uint8Array> {
  const collected = new BodyCollector(maxBytes);
  return new Promise((resolve, reject) => {
    const cutOff = (): void =>
      reject(new BodyUnavailable('body_cut_off', 'the connection ended before the body was complete'));
    request.on('data', (chunk) => {
      try {
        collected.add(chunk);
      } catch (error) {
        // Not destroyed: the answer goes out over the same connection.
        request.pause();
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    request.on('end', () => resolve(collected.whole()));
    request.on('error', cutOff);
    request.on('close', cutOff);
  });
}
