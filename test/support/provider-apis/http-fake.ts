import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request to a provider's API, read whole. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  json(): Record<string, unknown>;
}

/** What the API answers. */
export interface ApiAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A provider's API on loopback. */
export interface FakeApi {
  readonly url: string;
  readonly port: number;
  /** Method and path of each request so far. */
  readonly calls: readonly string[];
  close(): Promise<void>;
}

/** Serves an API on a free port of loopback. */
export async function serveApi(answer: (request: ApiRequest) => ApiAnswer): Promise<FakeApi> {
  const calls: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://api');
      const body = Buffer.concat(chunks).toString();
      calls.push(`${request.method ?? ''} ${pathname}`);
      const given = answer({
        method: request.method ?? '',
        path: pathname,
        query: searchParams,
        headers: request.headers,
        body,
        json: () => (body === '' ? {} : (JSON.parse(body) as Record<string, unknown>)),
      });
      response.writeHead(given.status, { 'content-type': 'application/json', ...given.headers });
      response.end(given.body === undefined ? '' : JSON.stringify(given.body));
    });
  });
  return { ...(await listening(server)), calls };
}

/** Opens the server on a port of loopback. */
export async function listening(server: Server): Promise<Pick<FakeApi, 'url' | 'port' | 'close'>> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
