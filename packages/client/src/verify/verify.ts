import type { FetchLike } from './key-fetch.ts';
import type { Credentials } from './prepared-scheme.ts';
import type { Verifier, VerifyResult } from './prepared-verifier.ts';
import { createPreparedVerifier } from './prepared-verifier.ts';
import { prepareSource } from './source-preparation.ts';
import type { WebhookRequest } from './webhook-request.ts';

export type { Verifier, VerifyResult, WebhookEvent } from './prepared-verifier.ts';

/** How to verify: the provider and what was configured for it. */
export interface VerifyOptions extends Credentials {
  /** An id of the provider table, or `hmac`, `token`, `basic`, `none`. */
  readonly provider: string;
  /** A scheme of your own: needed for `hmac`, possible for every provider. */
  readonly verification?: unknown;
  /** Fetches key documents for the few providers that need it. Default: the global `fetch`. */
  readonly fetch?: FetchLike;
}

/**
 * Prepares a verifier: schemes compiled and keys decoded once.
 *
 * @throws VerifierSettingsError when the options cannot work, such as no secret.
 */
export function createVerifier(options: VerifyOptions): Verifier {
  return createPreparedVerifier(prepareSource(options), options);
}

/**
 * Verifies one request. With many requests of one source, make a verifier once instead.
 *
 * @throws VerifierSettingsError when the options cannot work; a request is never the cause.
 */
export async function verify(
  request: WebhookRequest,
  options: VerifyOptions & { readonly now?: Date },
): Promise<VerifyResult> {
  return createVerifier(options).verify(request, options.now);
}
