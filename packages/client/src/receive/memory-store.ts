import type { Claim, IdempotencyStore } from './idempotency.ts';

interface Entry {
  /** Undefined once done. */
  readonly token: string | undefined;
  readonly untilMs: number;
}

/**
 * Remembers events in this process: for a receiver that runs once, and for trying things out. After
 * a restart, and in another process, a repeated event is handled again.
 *
 * @param maxEvents what is remembered at most; then the oldest is forgotten.
 */
export function memoryStore({ maxEvents = 100_000 }: { readonly maxEvents?: number } = {}): IdempotencyStore {
  const entries = new Map<string, Entry>();
  const holds = (key: string, token: string): boolean => entries.get(key)?.token === token;
  const put = (key: string, token: string | undefined, forMs: number): void => {
    // Deleted first, so that the map is in the order of writing and the first is the oldest.
    entries.delete(key);
    entries.set(key, { token, untilMs: Date.now() + forMs });
    const [oldest] = entries.keys();
    if (entries.size > maxEvents && oldest !== undefined) entries.delete(oldest);
  };
  const claim = (key: string, leaseMs: number): Claim => {
    const entry = entries.get(key);
    const leftMs = entry === undefined ? 0 : entry.untilMs - Date.now();
    if (entry !== undefined && leftMs > 0) {
      return entry.token === undefined ? { state: 'done' } : { state: 'running', retryAfterMs: leftMs };
    }
    const token = crypto.randomUUID();
    put(key, token, leaseMs);
    return { state: 'claimed', token };
  };
  return {
    claim: async (key, leaseMs) => claim(key, leaseMs),
    extend: async (key, token, leaseMs) => {
      if (!holds(key, token)) return false;
      put(key, token, leaseMs);
      return true;
    },
    complete: async (key, token, keepMs) => {
      if (!holds(key, token)) return false;
      put(key, undefined, keepMs);
      return true;
    },
    release: async (key, token) => {
      if (holds(key, token)) entries.delete(key);
    },
  };
}
