/** What became of an attempt to begin with an event. */
export type Claim =
  /** It is ours until the lease ends; `token` proves it. */
  | { readonly state: 'claimed'; readonly token: string }
  /** Somebody is at it, for at most this long. */
  | { readonly state: 'running'; readonly retryAfterMs: number }
  /** It was completed before. */
  | { readonly state: 'done' };

/**
 * Remembers which events were handled and which are being handled, so that a repeated event does
 * nothing and two requests for one event do not run at the same time.
 *
 * A claim is a lease: it ends by itself, so that an event whose handler died is handled again when
 * its sender repeats it. Each method must be atomic towards all processes that share the store.
 * Every method may reject; the sender is then told to try again.
 */
export interface IdempotencyStore {
  /** Takes the event if nobody has it: it is new, it was released, or its lease ended. */
  claim(key: string, leaseMs: number): Promise<Claim>;
  /** Lengthens a lease from now on; false when it is no longer ours. */
  extend(key: string, token: string, leaseMs: number): Promise<boolean>;
  /** Marks the event as done for `keepMs`; false when the lease is no longer ours. */
  complete(key: string, token: string, keepMs: number): Promise<boolean>;
  /** Gives the event back, so that the next request for it may begin at once. Not ours: does nothing. */
  release(key: string, token: string): Promise<void>;
}

/** How a receiver tells repeated events. */
export interface IdempotencyOptions {
  readonly store: IdempotencyStore;
  /**
   * How long a process that vanished keeps others from an event, in milliseconds; while a handler
   * runs its lease is renewed. Default: one minute.
   */
  readonly leaseMs?: number;
  /** How long a handled event is remembered, in milliseconds. Default: seven days. */
  readonly keepMs?: number;
}

const MINUTE_MS = 60_000;
const DEFAULT_KEEP_MS = 7 * 24 * 60 * MINUTE_MS;
// Some senders that give no id repeat the same bytes for a new event.
const BODY_KEEP_MS = 5 * MINUTE_MS;

/** How one run of the work ended. */
export interface RunOutcome<T> {
  readonly result: T;
  /** False: the work wants to be asked again. */
  readonly handled: boolean;
}

/** The work's result, or why it was not done. */
export type OnceResult<T> =
  | { readonly state: 'ran'; readonly result: T }
  | { readonly state: 'duplicate' }
  | { readonly state: 'running'; readonly retryAfterMs: number };

/**
 * Runs `work` unless it was done before or is being done.
 *
 * The lease is renewed while the work runs. `signal` is aborted when it is lost all the same (the
 * process slept, the store was away): then somebody else may have begun.
 *
 * @param tell hears of what the store failed to do after the work was done; that is no reason to
 *   have it done again.
 */
export async function runOnce<T>(
  { store, leaseMs = MINUTE_MS, keepMs = DEFAULT_KEEP_MS }: IdempotencyOptions,
  { key, byBody }: { readonly key: string; readonly byBody: boolean },
  work: (signal: AbortSignal) => Promise<RunOutcome<T>>,
  tell: (error: unknown) => void,
): Promise<OnceResult<T>> {
  const claim = await store.claim(key, leaseMs);
  if (claim.state === 'done') return { state: 'duplicate' };
  if (claim.state === 'running') return claim;
  const { token } = claim;
  const lease = keepLease(() => store.extend(key, token, leaseMs), leaseMs);
  let handled = false;
  try {
    const outcome = await work(lease.signal);
    handled = outcome.handled;
    return { state: 'ran', result: outcome.result };
  } finally {
    lease.end();
    const kept = byBody ? Math.min(keepMs, BODY_KEEP_MS) : keepMs;
    await (handled ? store.complete(key, token, kept) : store.release(key, token)).catch(tell);
  }
}

interface KeptLease {
  readonly signal: AbortSignal;
  end(): void;
}

function keepLease(extend: () => Promise<boolean>, leaseMs: number): KeptLease {
  const lost = new AbortController();
  let validUntil = performance.now() + leaseMs;
  const renew = async (): Promise<void> => {
    const askedAt = performance.now();
    // A store that is away for a moment is asked again; the lease may outlive that.
    const extended = await extend().catch(() => undefined);
    if (extended === true) validUntil = askedAt + leaseMs;
    if (extended === false || performance.now() >= validUntil) lost.abort(new Error('the lease was lost'));
  };
  const timer = setInterval(() => void renew(), leaseMs / 3);
  return { signal: lost.signal, end: () => clearInterval(timer) };
}
