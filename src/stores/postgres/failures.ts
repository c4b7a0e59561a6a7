import { Problem } from '../../domain/problem.ts';

/**
 * SQLSTATEs that mean "not now", by their class (the first two characters) or whole: PostgreSQL 15,
 * appendix A. 08 connection, 53 resources (disk full, out of memory, too many connections), 57P the
 * server stops or starts, 58 I/O error; 25006 a server that has become a standby; 28 and 3D a login or a
 * database that was there at the start; 55P03 and 57014 a lock or a statement that took too long.
 */
const UNAVAILABLE_CLASSES: ReadonlySet<string> = new Set(['08', '28', '3D', '53', '58']);
const UNAVAILABLE_STATES: ReadonlySet<string> = new Set([
  '25006',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
  '57P04',
  '57P05',
]);

/** After these the connection is of no use any more, or nobody knows what it is doing. */
const USABLE_AFTERWARDS: ReadonlySet<string> = new Set(['55P03', '57014', '53100', '53200', '53400']);

/** Conflicts between transactions that the server ended by undoing one of them: trying again helps. */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01']);

/** The SQLSTATE that the server gave; `null` when the failure is not the server's answer. */
export function sqlState(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('severity' in error && 'code' in error && typeof error.code === 'string') return error.code;
  return sqlState(error.cause);
}

/** The server ended the statement because it took longer than it may. */
export function isOutOfTime(error: unknown): boolean {
  return sqlState(error) === '57014';
}

export function isConflict(error: unknown): boolean {
  return CONFLICTS.has(sqlState(error) ?? '');
}

/** Whether the statement was never answered: what it did, if anything, is not known. */
export function isConnectionLost(error: unknown): boolean {
  const state = sqlState(error);
  if (state === null) return !(error instanceof Problem) && !(error instanceof TypeError);
  return isUnavailableState(state) && !USABLE_AFTERWARDS.has(state);
}

export function isUnavailable(error: unknown): boolean {
  if (error instanceof Problem) return error.code === 'store_unavailable';
  const state = sqlState(error);
  return state === null ? isConnectionLost(error) : isUnavailableState(state);
}

/** The error as the store's callers get it. */
export function toCallersError(error: unknown, retryAfterS: number): Error {
  if (error instanceof Problem) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (isUnavailable(error) || isConflict(error)) {
    return new Problem('store_unavailable', `PostgreSQL does not answer as it should: ${message}`, {
      retryAfterS,
      cause: error,
    });
  }
  if (sqlState(error) === null || error instanceof StoreFailure) return asError(error);
  return new StoreFailure(`the store failed: ${message}`, { cause: error });
}

/** A statement that the server refused; its SQLSTATE is in the cause. */
class StoreFailure extends Error {
  override readonly name = 'StoreFailure';
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function isUnavailableState(state: string): boolean {
  return UNAVAILABLE_CLASSES.has(state.slice(0, 2)) || UNAVAILABLE_STATES.has(state);
}
