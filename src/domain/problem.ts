/**
 * Every error that a caller or an operator can meet, by code. The one registry: docs/reference/errors.md and
 * the OpenAPI description are made from it. Codes are part of the contract; branch on them.
 */
export const PROBLEMS = {
  signature_missing: { status: 401, retryable: false, title: 'The request carries no proof of its sender' },
  signature_mismatch: { status: 401, retryable: false, title: 'The signature does not fit the request' },
  timestamp_out_of_tolerance: {
    status: 401,
    retryable: false,
    title: 'The signed time is too far from now',
  },
  credentials_invalid: { status: 401, retryable: false, title: 'The credentials are not accepted' },
  credentials_missing: { status: 401, retryable: false, title: 'An API key is required' },
  scope_missing: { status: 403, retryable: false, title: 'The API key lacks the scope for this' },
  sender_not_allowed: { status: 403, retryable: false, title: 'The sender address is not on the allow-list' },
  source_unknown: { status: 404, retryable: false, title: 'There is no source at this URL' },
  source_disabled: { status: 410, retryable: false, title: 'The source is disabled' },
  not_found: { status: 404, retryable: false, title: 'There is no such thing' },
  route_unknown: { status: 404, retryable: false, title: 'There is nothing at this path' },
  method_not_allowed: { status: 405, retryable: false, title: 'The method is not supported here' },
  conflict: { status: 409, retryable: false, title: 'The request conflicts with the present state' },
  idempotency_conflict: {
    status: 409,
    retryable: false,
    title: 'The idempotency key was used for another request',
  },
  request_timeout: { status: 408, retryable: true, title: 'The request did not arrive in time' },
  event_too_large: { status: 413, retryable: false, title: 'The body is larger than allowed' },
  content_type_unsupported: { status: 415, retryable: false, title: 'The content type is not accepted' },
  body_malformed: { status: 400, retryable: false, title: 'The request cannot be read' },
  validation_failed: { status: 422, retryable: false, title: 'The request has invalid fields' },
  schema_mismatch: { status: 422, retryable: false, title: 'The event does not fit its schema' },
  schema_incompatible: {
    status: 422,
    retryable: false,
    title: 'The version breaks what its event type promises',
  },
  filter_invalid: { status: 422, retryable: false, title: 'The expression is not valid' },
  rate_limited: { status: 429, retryable: true, title: 'Too many requests' },
  provider_refused: { status: 422, retryable: false, title: 'The provider did not accept what was asked' },
  provider_unavailable: { status: 502, retryable: true, title: 'The provider could not be asked' },
  internal_error: { status: 500, retryable: true, title: 'Something failed inside the gateway' },
  store_unavailable: { status: 503, retryable: true, title: 'The event could not be stored; send it again' },
  source_not_ready: {
    status: 503,
    retryable: true,
    title: 'The source cannot check its senders at the moment; send it again',
  },
  overloaded: { status: 503, retryable: true, title: 'The gateway is at its memory limit; send it again' },
  role_absent: { status: 503, retryable: true, title: 'This node does not do that; another one does' },
  shutting_down: { status: 503, retryable: true, title: 'The gateway is stopping; send it again' },
} as const satisfies Record<string, { status: number; retryable: boolean; title: string }>;

/** A code of the registry. */
export type ProblemCode = keyof typeof PROBLEMS;

/** One mistake in a request, with the JSON pointer to it. */
export interface FieldError {
  readonly pointer: string;
  readonly message: string;
}

/** What a problem may say beyond its code and detail. */
export interface ProblemExtra {
  readonly errors?: readonly FieldError[];
  readonly retryAfterS?: number;
  readonly status?: number;
  readonly cause?: unknown;
}

/**
 * An error that the caller or the operator can act on. Anything else that is thrown is a bug.
 *
 * `retryAfterS` becomes `Retry-After`, in seconds.
 */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly errors: readonly FieldError[];
  readonly retryAfterS: number | null;
  /** HTTP status: the code's own, or the one that a provider insists on. */
  readonly status: number;

  constructor(code: ProblemCode, detail: string, extra: ProblemExtra = {}) {
    super(detail, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.name = 'Problem';
    this.code = code;
    this.errors = extra.errors ?? [];
    this.retryAfterS = extra.retryAfterS ?? null;
    this.status = extra.status ?? PROBLEMS[code].status;
  }

  get retryable(): boolean {
    return PROBLEMS[this.code].retryable;
  }
}

/** Whether `text` is a code of the registry. */
export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(PROBLEMS, text);
}
