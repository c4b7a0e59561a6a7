import { Agent, request as httpRequest, type ClientRequest } from 'node:http';
import { Agent as TlsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { SignedRequest } from '../../app/simulation.ts';

/** How the body goes out. */
export type Manner =
  | { readonly kind: 'whole' }
  /** Without a length, in pieces (`transfer-encoding: chunked`). */
  | { readonly kind: 'chunked' }
  /** In pieces, over this time. */
  | { readonly kind: 'slow'; readonly overMs: number };

/** What came back. */
export interface ReceivedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** At most 64 KiB of it. */
  readonly body: string;
  readonly durationMs: number;
}

const TIME_LIMIT_MS = 60_000;
const PIECES = 10;
const MOST_ANSWER_BYTES = 65_536;

/** Sends requests exactly as they are: nothing is added but what HTTP/1.1 needs. */
export class RequestSender {
  readonly #plain = new Agent({ keepAlive: true });
  readonly #tls = new TlsAgent({ keepAlive: true });

  /** Rejects when no answer comes: refused connection, broken connection, 60 s of silence. */
  async send(request: SignedRequest, manner: Manner): Promise<ReceivedAnswer> {
    const url = new URL(request.url);
    const isTls = url.protocol === 'https:';
    const startedAt = performance.now();
    const outgoing = (isTls ? httpsRequest : httpRequest)(url, {
      method: request.method,
      agent: isTls ? this.#tls : this.#plain,
      headers: wireHeaders(request, manner, url),
      timeout: TIME_LIMIT_MS,
    });
    const answered = received(outgoing);
    // An answer may come, or the connection break, while the body is still on its way.
    await Promise.race([written(outgoing, request.body, manner), answered]);
    const answer = await answered;
    return { ...answer, durationMs: performance.now() - startedAt };
  }

  close(): void {
    this.#plain.destroy();
    this.#tls.destroy();
  }
}

/** The headers as they go over the wire. */
export function wireHeaders(request: SignedRequest, manner: Manner, url: URL): string[] {
  const length =
    manner.kind === 'chunked'
      ? ['transfer-encoding', 'chunked']
      : ['content-length', String(request.body.length)];
  return ['host', url.host, ...request.headers.flat(), ...length];
}

function received(outgoing: ClientRequest): Promise<Omit<ReceivedAnswer, 'durationMs'>> {
  return new Promise((resolve, reject) => {
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer within ${TIME_LIMIT_MS / 1000} s`)));
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        if (body.length < MOST_ANSWER_BYTES) body += piece;
      });
      response.once('error', reject);
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
  });
}

async function written(outgoing: ClientRequest, body: Uint8Array, manner: Manner): Promise<void> {
  // What goes wrong here is told by `received`.
  outgoing.on('error', () => undefined);
  if (manner.kind === 'whole') {
    outgoing.end(body);
    return;
  }
  const pieceBytes = Math.max(1, Math.ceil(body.length / PIECES));
  for (let at = 0; at < body.length && !outgoing.destroyed; at += pieceBytes) {
    outgoing.write(body.subarray(at, at + pieceBytes));
    // A piece after the other is what this is about.
    // oxlint-disable-next-line no-await-in-loop
    await delay(manner.kind === 'slow' ? manner.overMs / PIECES : 0);
  }
  outgoing.end();
}
