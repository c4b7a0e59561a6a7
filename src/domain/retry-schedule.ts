/** When a failed delivery is tried again, and how often. */
export interface RetryPolicy {
  /** Counts the first attempt. */
  readonly maxAttempts: number;
  /** Waits before attempt 2, 3, ...; the last repeats when `maxAttempts` asks for more. */
  readonly scheduleMs: readonly number[];
  /** Share of each wait, 0 to 1, that is taken off at random. */
  readonly jitter: number;
  /** The longest wait, also for a `Retry-After`. */
  readonly maxDelayMs: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** The longest that a receiver may make us wait by `Retry-After`, unless the policy says otherwise. */
export const DEFAULT_MAX_DELAY_MS = 24 * HOUR;

/** Standard Webhooks 1.0.0, "Deliverability and reliability": now, 5 s, 5 min, ... 24 h. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  maxAttempts: 10,
  scheduleMs: [
    5_000,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
  ],
  jitter: 0.1,
  maxDelayMs: DEFAULT_MAX_DELAY_MS,
};

/** The waits of `base * factor^n`, cut at `maxDelayMs`, for `maxAttempts` attempts. */
export function exponentialSchedule(settings: {
  baseMs: number;
  factor: number;
  maxDelayMs: number;
  maxAttempts: number;
}): number[] {
  const waits: number[] = [];
  for (let retry = 0; retry < settings.maxAttempts - 1; retry += 1) {
    const wait = Math.min(settings.maxDelayMs, settings.baseMs * settings.factor ** retry);
    waits.push(Math.round(wait));
    // Once capped every later wait is the same, and `retryDelayMs` repeats the last one.
    if (wait >= settings.maxDelayMs) break;
  }
  return waits;
}

/**
 * Milliseconds to wait after attempt `attemptNumber` failed, or `null` when attempts are used up.
 *
 * `retryAfterMs`, what the receiver asked for, lengthens the wait but never shortens it.
 * `random` is in [0, 1).
 */
export function retryDelayMs(
  policy: RetryPolicy,
  attemptNumber: number,
  random: number,
  retryAfterMs: number | null,
): number | null {
  if (attemptNumber >= policy.maxAttempts) return null;
  const last = policy.scheduleMs.at(-1) ?? 0;
  const scheduledMs = Math.min(policy.scheduleMs[attemptNumber - 1] ?? last, policy.maxDelayMs);
  // Jitter after the cap, not before: capping last would put every late retry of an outage on the
  // same millisecond and stampede the receiver as it recovers.
  const jitteredMs = Math.round(scheduledMs * (1 - policy.jitter * random));
  if (retryAfterMs === null) return jitteredMs;
  return Math.max(jitteredMs, Math.min(retryAfterMs, policy.maxDelayMs));
}
