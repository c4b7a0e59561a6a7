import type { Answer } from '../verify/handshake-rule.ts';

/** The codes of answers that are no success. */
export type AnswerCode =
  | 'signature_missing'
  | 'signature_mismatch'
  | 'timestamp_out_of_tolerance'
  | 'credentials_invalid'
  | 'not_ready'
  | 'method_not_allowed'
  | 'event_too_large'
  | 'body_consumed'
  | 'body_cut_off'
  | 'event_in_progress'
  | 'store_unavailable'
  | 'handler_failed'
  | 'receiver_failed';

/**
 * An answer that says what went wrong (RFC 9457). The sender may keep it and show it to people, so
 * nothing secret belongs into `detail`.
 */
export function problemAnswer(
  status: number,
  code: AnswerCode,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ status, code, detail }),
  };
}

/** The answer for a repeated event: a success, or the sender would go on. */
export const DUPLICATE: Answer = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: '{"duplicate":true}',
};

/** `retry-after` in whole seconds, at least one. */
export function retryAfter(ms: number): { readonly 'retry-after': string } {
  return { 'retry-after': String(Math.max(1, Math.ceil(ms / 1000))) };
}

/** An answer as a Web-standard response. */
export function webResponse({ status, headers = {}, body }: Answer): Response {
  // These may have no body at all, not even an empty one.
  const isBare = status === 204 || status === 304;
  return new Response(isBare ? null : (body ?? null), { status, headers });
}
