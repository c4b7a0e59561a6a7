import type { AttemptOutcome } from './delivery.ts';

/** What came back from a destination. Data, never thrown: a receiver's failure is not our error. */
export interface SendResult {
  /** HTTP status; `null` when no answer came. */
  readonly status: number | null;
  readonly error: SendError | null;
  readonly headers: readonly string[];
  /** The start of the body, as text. */
  readonly body: string;
  readonly durationMs: number;
}

/** Why no usable answer came. Categories only: they are shown to whoever registered the URL. */
export type SendError =
  | 'timeout'
  | 'connection_refused'
  | 'connection_reset'
  | 'dns_failure'
  | 'tls_error'
  | 'address_forbidden'
  | 'https_required'
  /** No access token could be had. */
  | 'auth_failed'
  | 'invalid_response'
  | 'invalid_request'
  | 'network_error';

/** What a result means for the delivery. */
export interface Judgement {
  readonly outcome: Exclude<AttemptOutcome, 'abandoned'>;
  /** `timeout`, `http_503`, ...; `null` on success. */
  readonly error: string | null;
  /** The receiver's `Retry-After`, in milliseconds from now. */
  readonly retryAfterMs: number | null;
  /** True for 410: the destination itself is gone. */
  readonly gone: boolean;
}

/** Statuses that always mean "later" (RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4). */
const RETRYABLE_CLIENT_ERRORS: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * The outcome table of the external contract: what a status or a failure means for the delivery.
 *
 * 3xx is never followed and counts as an answer that may be mended, like a 4xx: receivers answer 401,
 * 404 and redirects while they deploy.
 */
export function judge(result: SendResult, onClientError: 'retry' | 'dead', nowMs: number): Judgement {
  const { status } = result;
  if (status === null) {
    const error = result.error ?? 'network_error';
    // Refused by the address guard or unsendable: the same request cannot fare better, but the
    // DNS record or the allow-list can be mended, so the schedule applies.
    return { outcome: 'retryable', error, retryAfterMs: null, gone: false };
  }
  if (status >= 200 && status < 300) {
    return { outcome: 'succeeded', error: null, retryAfterMs: null, gone: false };
  }
  const error = `http_${status}`;
  const retryAfterMs = parseRetryAfter(result.headers, nowMs);
  if (status === 410) return { outcome: 'permanent', error, retryAfterMs: null, gone: true };
  if (status >= 500 || RETRYABLE_CLIENT_ERRORS.has(status)) {
    return { outcome: 'retryable', error, retryAfterMs, gone: false };
  }
  const outcome = onClientError === 'dead' ? 'permanent' : 'retryable';
  return { outcome, error, retryAfterMs, gone: false };
}

/**
 * The three forms of an HTTP-date, of which one says no zone (RFC 9110 5.6.7). `Date.parse` alone would
 * take nearly any words with a number in them for a date, and that form for local time.
 */
const HTTP_DATE =
  /^[A-Za-z]{3}, \d{2} [A-Za-z]{3} \d{4} \d{2}:\d{2}:\d{2} GMT$|^[A-Za-z]{6,9}, \d{2}-[A-Za-z]{3}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME_DATE = /^[A-Za-z]{3} [A-Za-z]{3} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** `Retry-After` in milliseconds from now: delay-seconds or HTTP-date (RFC 9110 10.2.3), else `null`. */
export function parseRetryAfter(headers: readonly string[], nowMs: number): number | null {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() !== 'retry-after') continue;
    const value = headers[index + 1]?.trim() ?? '';
    if (/^\d+$/.test(value)) return Number(value) * 1000;
    const at = parseHttpDate(value);
    return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
  }
  return null;
}

function parseHttpDate(text: string): number {
  if (HTTP_DATE.test(text)) return Date.parse(text);
  return ASCTIME_DATE.test(text) ? Date.parse(`${text} GMT`) : Number.NaN;
}
