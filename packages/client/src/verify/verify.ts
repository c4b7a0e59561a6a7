import type { FetchLike } from './key-fetch.ts';
import { compileIdentity } from './event-identity.ts';
import { createKeyFetch } from './key-fetch.ts';
import type { Credentials } from './prepared-scheme.ts';
import type { Reason, RefusalCode } from './reasons.ts';
import { Refusal, refusalCode } from './reasons.ts';
import type { Covers } from './scheme.ts';
import { prepareSource } from './source-preparation.ts';
import type { WebhookRequest } from './webhook-request.ts';
import { viewOfRequest } from './webhook-request.ts';
import { runWithWebCrypto } from './web-crypto.ts';

/** How to verify: the provider and what was configured for it. */
export interface VerifyOptions extends Credentials {
  /** An id of the provider table, or `hmac`, `token`, `basic`, `none`. */
  readonly provider: string;
  /** A scheme of your own: needed for `hmac`, possible for every provider. */
  readonly verification?: unknown;
  /** Fetches key documents for the few providers that need it. Default: the global `fetch`. */
  readonly fetch?: FetchLike;
}

/** What a request says of its event, as far as the provider says it. */
export interface WebhookEvent {
  readonly id?: string;
  readonly type?: string;
  readonly key?: string;
  readonly time?: Date;
  /** The provider gives no id: compare bodies, within minutes only. */
  readonly dedupe?: 'body';
}

/** Verified, or not and why. */
export type VerifyResult =
  | {
      readonly ok: true;
      readonly event: WebhookEvent;
      readonly covers: Covers;
      /** Which of the secrets matched. */
      readonly secretIndex?: number;
    }
  | { readonly ok: false; readonly reason: Reason; readonly code: RefusalCode };

/** A verifier with its keys decoded, for many requests. */
export interface Verifier {
  verify(request: WebhookRequest, now?: Date): Promise<VerifyResult>;
}

/**
 * Prepares a verifier: schemes compiled and keys decoded once.
 *
 * @throws VerifierSettingsError when the options cannot work, such as no secret.
 */
export function createVerifier(options: VerifyOptions): Verifier {
  const { scheme, provider, id } = prepareSource(options);
  const readIdentity = compileIdentity(provider ?? {}, provider && id, options.config ?? {});
  const fetchKey = createKeyFetch(options.fetch ?? fetch);
  return {
    async verify(request, now = new Date()) {
      const view = viewOfRequest(request, now);
      try {
        const proof = await runWithWebCrypto(scheme.check(view), fetchKey);
        const { timeMs, ...event } = readIdentity(view);
        const timed = timeMs === undefined ? event : { ...event, time: new Date(timeMs) };
        return { ok: true, event: timed, ...proof };
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return { ok: false, reason: error.reason, code: refusalCode(error.reason, scheme.sharedToken) };
      }
    },
  };
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
