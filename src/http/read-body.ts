import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { concatenated } from '../domain/byte-parts.ts';
import { Problem } from '../domain/problem.ts';

/** Bytes of bodies held at once, over all requests: memory is bounded whatever arrives. */
export class BodyBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes `bytes`; a `Problem` (`overloaded`) when they are not there. */
  take(bytes: number): void {
    if (this.#usedBytes + bytes > this.#maxBytes) {
      throw new Problem('overloaded', 'too many bodies are being received', { retryAfterS: 1 });
    }
    this.#usedBytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }
}

/** A body that was read, or as much of it as there was when it passed the limit. */
export interface ReadBody {
  readonly body: Uint8Array;
  readonly tooLarge: boolean;
}

/** Connections whose time was up. */
const lateSockets = new WeakSet<Socket>();

/** Says of a connection that is being ended why: its request did not arrive in time. */
export function markLate(socket: Socket): void {
  lateSockets.add(socket);
}

const EMPTY = new Uint8Array(0);

/**
 * Reads a request's body, at most `limitBytes`: counted as it comes, so that a chunked body without a
 * length is held to the same limit.
 *
 * Rejects with a `Problem` when the sender goes away (`body_malformed`), when its time is up
 * (`request_timeout`) or when memory is short (`overloaded`).
 */
export function readBody(
  request: IncomingMessage,
  limitBytes: number,
  budget: BodyBudget,
): Promise<ReadBody> {
  const announced = Number(request.headers['content-length'] ?? Number.NaN);
  if (announced > limitBytes) return Promise.resolve({ body: EMPTY, tooLarge: true });
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    let taken = 0;
    let isOver = false;
    const finish = (done: () => void): void => {
      if (isOver) return;
      isOver = true;
      budget.giveBack(taken);
      done();
      // Our listeners stay, and with them what they see: a chunk is a part of the socket's whole buffer.
      chunks = [];
    };
    request.on('data', (chunk: Buffer) => {
      if (isOver) return;
      bytes += chunk.byteLength;
      if (bytes > limitBytes) {
        finish(() => resolve({ body: joined(chunks), tooLarge: true }));
        return;
      }
      try {
        budget.take(chunk.byteLength);
        taken += chunk.byteLength;
      } catch (error) {
        finish(() => reject(error instanceof Error ? error : new Error(String(error))));
        return;
      }
      chunks.push(chunk);
    });
    request.on('end', () => finish(() => resolve({ body: joined(chunks), tooLarge: false })));
    request.on('error', () => undefined);
    request.on('close', () => {
      const code = lateSockets.has(request.socket) ? 'request_timeout' : 'body_malformed';
      finish(() => reject(new Problem(code, 'the connection ended before the body did')));
    });
  });
}

/** With a buffer of its own: a view would keep a whole read buffer alive, where Node gives views of one. */
function joined(chunks: readonly Buffer[]): Uint8Array {
  const [first] = chunks;
  if (first === undefined) return EMPTY;
  if (chunks.length === 1) {
    return first.byteLength === first.buffer.byteLength
      ? new Uint8Array(first.buffer)
      : new Uint8Array(first);
  }
  return concatenated(chunks);
}

/** Bytes of a refused body that are still read, so that the sender gets to read our answer. */
const DRAIN_BYTES = 16 * 1024 * 1024;
const DRAIN_MS = 5_000;

/**
 * Reads on without keeping anything, for a while: closing a connection on which the sender is still
 * writing resets it, and the sender would never see why it was refused.
 */
export function drain(request: IncomingMessage): void {
  let bytes = 0;
  const timer = setTimeout(() => request.destroy(), DRAIN_MS);
  timer.unref();
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > DRAIN_BYTES) request.destroy();
  });
  request.on('error', () => undefined);
  request.on('close', () => clearTimeout(timer));
  request.resume();
}
