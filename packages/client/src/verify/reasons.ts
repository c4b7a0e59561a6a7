/** Why a request was not accepted, in the words that the test vectors use. */
export type Reason =
  | 'missing_header'
  | 'missing_field'
  | 'missing_credentials'
  | 'missing_claim'
  | 'missing_timestamp'
  | 'malformed_signature'
  | 'malformed_timestamp'
  | 'malformed_body'
  | 'malformed_credentials'
  | 'bad_signature'
  | 'bad_credentials'
  | 'bad_claim'
  | 'body_hash_mismatch'
  | 'url_hash_mismatch'
  | 'body_not_covered'
  | 'timestamp_too_old'
  | 'timestamp_too_new'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'alg_not_allowed'
  | 'unknown_key'
  | 'untrusted_cert_url'
  | 'key_unavailable'
  | 'secret_pending'
  | 'scheme_unknown'
  | 'ambiguous_header';

/**
 * The public code of a refusal: few enough to branch on, stable across releases. `not_ready` is our
 * own trouble, so the sender must be told to try again (a 5xx, never a 4xx).
 */
export type RefusalCode =
  | 'signature_missing'
  | 'signature_mismatch'
  | 'timestamp_out_of_tolerance'
  | 'credentials_invalid'
  | 'not_ready';

const codes: Partial<Record<Reason, RefusalCode>> = {
  missing_header: 'signature_missing',
  missing_field: 'signature_missing',
  missing_credentials: 'signature_missing',
  missing_claim: 'signature_missing',
  missing_timestamp: 'signature_missing',
  timestamp_too_old: 'timestamp_out_of_tolerance',
  timestamp_too_new: 'timestamp_out_of_tolerance',
  token_expired: 'timestamp_out_of_tolerance',
  token_not_yet_valid: 'timestamp_out_of_tolerance',
  bad_credentials: 'credentials_invalid',
  key_unavailable: 'not_ready',
  secret_pending: 'not_ready',
  scheme_unknown: 'not_ready',
};

/**
 * Maps a reason to its public code.
 *
 * `sharedToken` is true for schemes that carry a token or a password instead of a signature:
 * there, credentials that are absent or unreadable are credentials that are not valid.
 */
export function refusalCode(reason: Reason, sharedToken: boolean): RefusalCode {
  if (sharedToken && (reason === 'missing_credentials' || reason === 'malformed_credentials')) {
    return 'credentials_invalid';
  }
  return codes[reason] ?? 'signature_mismatch';
}

/**
 * Ends one verification. Thrown inside the interpreter only; the drivers turn it into a verdict.
 *
 * One instance for each reason, made once: an attacker chooses how often this is thrown, and a
 * fresh Error with its stack costs more than the signature check itself.
 */
export class Refusal extends Error {
  readonly reason: Reason;

  constructor(reason: Reason) {
    super(reason);
    this.name = 'Refusal';
    this.reason = reason;
  }
}

const refusals = new Map<Reason, Refusal>();

/** The refusal for `reason`, to be thrown. */
export function refuse(reason: Reason): Refusal {
  let refusal = refusals.get(reason);
  if (refusal === undefined) {
    refusal = new Refusal(reason);
    refusals.set(reason, refusal);
  }
  return refusal;
}

/**
 * The settings of a source cannot work: nothing configured to check against, a secret that does
 * not decode, a scheme with a mistake. `pointer` is the JSON pointer of the setting, and the
 * message says what to change.
 */
export class VerifierSettingsError extends Error {
  readonly pointer: string;
  /** Every mistake that was found; the first one is the error's own pointer and message. */
  readonly errors: readonly { readonly pointer: string; readonly message: string }[];

  constructor(
    pointer: string,
    message: string,
    more: readonly { readonly pointer: string; readonly message: string }[] = [],
  ) {
    super(message);
    this.name = 'VerifierSettingsError';
    this.pointer = pointer;
    this.errors = [{ pointer, message }, ...more];
  }
}
