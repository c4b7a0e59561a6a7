import type { EventIdentity } from '../../packages/client/src/verify/event-identity.ts';
import { compileIdentity } from '../../packages/client/src/verify/event-identity.ts';
import type { FetchLike } from '../../packages/client/src/verify/key-fetch.ts';
import { createKeyFetch } from '../../packages/client/src/verify/key-fetch.ts';
import { prepareScheme } from '../../packages/client/src/verify/prepare-scheme.ts';
import type { Credentials, Proof } from '../../packages/client/src/verify/prepared-scheme.ts';
import type { Reason, RefusalCode } from '../../packages/client/src/verify/reasons.ts';
import { Refusal, refusalCode } from '../../packages/client/src/verify/reasons.ts';
import { RequestView } from '../../packages/client/src/verify/request-view.ts';
import type { Covers } from '../../packages/client/src/verify/scheme.ts';
import { selectScheme } from '../../packages/client/src/verify/select-scheme.ts';
import { runWithNodeCrypto } from './node-crypto.ts';

export { VerifierSettingsError } from '../../packages/client/src/verify/reasons.ts';

/** The settings of a source that bear on verification. */
export interface SourceVerifierOptions extends Credentials {
  readonly provider: string;
  /** Current secret first, then previous ones. */
  readonly secrets: readonly string[];
  /** A declarative scheme; needed for `hmac`, and it replaces the provider's own scheme. */
  readonly verification?: unknown;
  /** Fetches key documents; give it an address guard. Default: the global `fetch`. */
  readonly fetch?: FetchLike;
}

/** A request as Node's HTTP server gives it. */
export interface SourceRequest {
  readonly method: string;
  /** The full public URL that the sender called. */
  readonly url: string;
  /** Name, value, name, value, ... as in `IncomingMessage.rawHeaders`. */
  readonly rawHeaders: readonly string[];
  readonly body: Uint8Array;
  readonly nowMs: number;
}

/** The codes of the gateway's error registry that a refusal may have. */
export type VerdictCode = Exclude<RefusalCode, 'key_unavailable'> | 'internal_error';

/** The outcome of a verification. */
export type Verdict =
  | {
      readonly ok: true;
      /** What the proof protects. */
      readonly covers: Covers;
      /** Which secret matched, so that one that is out of use can be seen. */
      readonly secretIndex?: number;
      readonly event: EventIdentity;
      /** The body as JSON, only if verifying or identifying had to parse it. */
      readonly json?: unknown;
    }
  | { readonly ok: false; readonly reason: Reason; readonly code: VerdictCode };

/**
 * Verifies the requests of one source. The verdict is there at once, except when a provider's key
 * has to be fetched first: then it is a promise. It never rejects because of a request.
 */
export interface SourceVerifier {
  verify(request: SourceRequest): Verdict | Promise<Verdict>;
}

function accepted(view: RequestView, proof: Proof, event: EventIdentity): Verdict {
  const json = view.parsedJson;
  const verdict = { ok: true, event, ...proof } as const;
  return json === undefined ? verdict : { ...verdict, json: json.value };
}

/**
 * Compiles the settings of a source into a verifier. Keep it until the settings change.
 *
 * @throws VerifierSettingsError (with a JSON pointer and the fix) when the settings cannot work:
 *   no secret, a secret that does not decode, an unknown provider, a mistake in `verification`.
 */
export function createSourceVerifier(options: SourceVerifierOptions): SourceVerifier {
  const { scheme, provider, id } = selectScheme(options.provider, options.verification, options.config);
  const prepared = prepareScheme(scheme, options);
  const readIdentity = compileIdentity(provider ?? {}, provider && id, options.config ?? {});
  const fetchKey = createKeyFetch(options.fetch ?? fetch);

  function refused(error: unknown): Verdict {
    if (!(error instanceof Refusal)) throw error;
    const code = refusalCode(error.reason, prepared.sharedToken);
    // Our own trouble, not the sender's: with this code it is told to try again.
    return { ok: false, reason: error.reason, code: code === 'key_unavailable' ? 'internal_error' : code };
  }

  return {
    verify({ method, url, rawHeaders, body, nowMs }) {
      const view = new RequestView(method, url, rawHeaders, body, nowMs);
      try {
        const proof = runWithNodeCrypto(prepared.check(view), fetchKey);
        if (!(proof instanceof Promise)) return accepted(view, proof, readIdentity(view));
        return proof.then((value) => accepted(view, value, readIdentity(view))).catch(refused);
      } catch (error) {
        return refused(error);
      }
    },
  };
}
