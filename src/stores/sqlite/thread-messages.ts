import { isProblemCode, Problem } from '../../domain/problem.ts';

/** One operation, by name. */
export interface Call {
  readonly operation: string;
  readonly argument: unknown;
}

export interface Request {
  readonly calls: readonly Call[];
}

export type Answer =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: WireError };

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
