import { concatenated, partByPart } from '../../domain/byte-parts.ts';
import { isProblemCode, Problem } from '../../domain/problem.ts';

/** One operation, by name. */
export interface Call {
  readonly operation: string;
  readonly argument: unknown;
  /** Bodies, which are not part of the argument: see `Request`. Empty for most. */
  readonly bytes: Uint8Array;
}

/**
 * Calls as they cross threads. Cloning costs by the object and by the name, not by what they hold: so
 * calls lie one after the other in one list, hot arguments are rows without names, and the bodies of all
 * calls share one buffer, which changes hands.
 */
export interface Request {
  /** Operation, argument, number of bytes; and again for the next call. */
  readonly calls: readonly unknown[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What the calls of one request or group gave, in their order. */
export interface Answers {
  readonly values: readonly unknown[];
  /** Those that failed, by their place; they have no value. */
  readonly errors: readonly (readonly [place: number, error: WireError])[];
  /** How long their commit took, in milliseconds; 0 where nothing was written. */
  readonly commitMs: number;
}

export function toRequest(calls: readonly Call[]): Request {
  const flat: unknown[] = [];
  for (const { operation, argument, bytes } of calls) flat.push(operation, argument, bytes.byteLength);
  return { calls: flat, bytes: concatenated(calls.map(({ bytes }) => bytes)) };
}

export function callsOf({ calls, bytes }: Request): Call[] {
  const found: Call[] = [];
  const next = partByPart(bytes);
  for (let place = 0; place < calls.length; place += 3) {
    found.push({
      operation: String(calls[place]),
      argument: calls[place + 1],
      bytes: next(Number(calls[place + 2])),
    });
  }
  return found;
}

/** An error as it crosses threads: structured cloning keeps neither class nor code. */
export interface WireError {
  readonly message: string;
  readonly problem: string | null;
  /** SQLite's result code (sqlite.org/rescode.html), `null` when it is not SQLite's error. */
  readonly sqliteCode: number | null;
}

/** Primary result codes that mean "not now": busy, out of memory, read-only, I/O, corrupt, full, cannot open. */
const UNAVAILABLE: ReadonlySet<number> = new Set([5, 6, 7, 8, 10, 11, 13, 14]);

export function toWire(error: unknown): WireError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Problem) return { message, problem: error.code, sqliteCode: null };
  const code = error instanceof Error && 'errcode' in error ? error.errcode : null;
  return { message, problem: null, sqliteCode: typeof code === 'number' ? code : null };
}

export function fromWire(error: WireError): Error {
  if (error.problem !== null && isProblemCode(error.problem))
    return new Problem(error.problem, error.message);
  if (error.sqliteCode !== null && UNAVAILABLE.has(error.sqliteCode & 0xff)) {
    return new Problem('store_unavailable', `the database does not take writes now: ${error.message}`, {
      retryAfterS: 5,
    });
  }
  return new Error(`the store failed: ${error.message}`);
}
