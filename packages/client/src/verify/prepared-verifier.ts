import { compileIdentity } from './event-identity.ts';
import type { HandshakeAnswer } from './handshake.ts';
import type { FetchLike } from './key-fetch.ts';
import { createKeyFetch } from './key-fetch.ts';
import type { PreparedSource } from './prepare-provider.ts';
import type { Reason, RefusalCode } from './reasons.ts';
import { Refusal, refusalCode } from './reasons.ts';
import type { Settings } from './reference.ts';
import type { Covers } from './scheme.ts';
import { runWithWebCrypto } from './web-crypto.ts';
import type { WebhookRequest } from './webhook-request.ts';
import { viewOfRequest } from './webhook-request.ts';

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
  /** The answer to a provider's question about the URL itself; undefined when the request is an event. */
  answerHandshake(request: WebhookRequest, now?: Date): Promise<HandshakeAnswer | undefined>;
}

/** A verifier of a compiled source, driven by WebCrypto. */
export function createPreparedVerifier(
  source: PreparedSource,
  options: { readonly config?: Settings; readonly fetch?: FetchLike },
): Verifier {
  const { scheme, provider, id, answerHandshake } = source;
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
    async answerHandshake(request, now = new Date()) {
      if (answerHandshake === undefined) return undefined;
      return runWithWebCrypto(answerHandshake(viewOfRequest(request, now)), fetchKey);
    },
  };
}
