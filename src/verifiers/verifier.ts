import type { EventIdentity } from '../../packages/client/src/verify/event-identity.ts';
import { compileIdentity } from '../../packages/client/src/verify/event-identity.ts';
import type { HandshakeAnswer } from '../../packages/client/src/verify/handshake.ts';
import { compileBroughtSecret } from '../../packages/client/src/verify/handshake.ts';
import type { Answer } from '../../packages/client/src/verify/handshake-rule.ts';
import type { FetchLike } from '../../packages/client/src/verify/key-fetch.ts';
import { createKeyFetch } from '../../packages/client/src/verify/key-fetch.ts';
import type { Credentials, Proof } from '../../packages/client/src/verify/prepared-scheme.ts';
import type { Reason, RefusalCode } from '../../packages/client/src/verify/reasons.ts';
import { Refusal, refusalCode } from '../../packages/client/src/verify/reasons.ts';
import { RequestView } from '../../packages/client/src/verify/request-view.ts';
import type { Covers } from '../../packages/client/src/verify/scheme.ts';
import { prepareSource } from '../../packages/client/src/verify/source-preparation.ts';
import type { IngestRequest } from '../ports/verifier.ts';
import { runWithNodeCrypto } from './node-crypto.ts';

export { VerifierSettingsError } from '../../packages/client/src/verify/reasons.ts';

/** The settings of a source that bear on verification. */
export interface SourceVerifierOptions extends Credentials {
  readonly provider: string;
  /** Current secret first, then previous ones. */
  readonly secrets: readonly string[];
  /** A declarative scheme; needed for `hmac`, and it replaces the provider's own scheme. */
  readonly verification?: unknown;
  /** Whether a handshake may bring a secret. Default: while there is none. */
  readonly awaitsSecret?: boolean;
  /** Reads a body that is no JSON, once it is proven, for the identity of its event; undefined: it cannot. */
  readonly decode?: (request: IngestRequest) => { readonly value: unknown } | undefined;
  /** Fetches key documents; give it an address guard. Default: the global `fetch`. */
  readonly fetch?: FetchLike;
}

/** The codes of the gateway's error registry that a refusal may have. */
export type VerdictCode = Exclude<RefusalCode, 'not_ready'> | 'source_not_ready';

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

/** Verifies the requests of one source. */
export interface SourceVerifier {
  /**
   * The verdict is there at once, except when a provider's key has to be fetched first: then it is
   * a promise. It never rejects because of a request.
   */
  verify(request: IngestRequest): Verdict | Promise<Verdict>;
  /**
   * The answer to a question about the URL itself; undefined when the request is an event. Ask
   * before `verify`, with the same request object, so that a body is parsed once.
   */
  handshake(request: IngestRequest): HandshakeAnswer | undefined | Promise<HandshakeAnswer | undefined>;
  /** What the provider wants to see when its event was kept; undefined: any 2xx. */
  readonly successAnswer: Answer | undefined;
  /** The status for a request that is not proven. */
  readonly refusalStatus: number;
  /** The secret that the request brings along, whether or not it is awaited. */
  readonly secretBroughtBy: ((request: IngestRequest) => string | undefined) | undefined;
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
  const { scheme, provider, id, answerHandshake } = prepareSource(options);
  const readIdentity = compileIdentity(provider ?? {}, provider && id, options.config ?? {});
  const fetchKey = createKeyFetch(options.fetch ?? fetch);
  const readBrought = compileBroughtSecret(provider?.handshakes, options.config ?? {});
  const views = new WeakMap<IngestRequest, RequestView>();

  function refused(error: unknown): Verdict {
    if (!(error instanceof Refusal)) throw error;
    const code = refusalCode(error.reason, scheme.sharedToken);
    // Our own trouble, not the sender's: with this code it is told to try again.
    return { ok: false, reason: error.reason, code: code === 'not_ready' ? 'source_not_ready' : code };
  }

  /** Only what is proven is decoded. */
  function identify(view: RequestView, request: IngestRequest): EventIdentity {
    const decoded = options.decode?.(request);
    if (decoded !== undefined) view.takeJson(decoded.value);
    return readIdentity(view);
  }

  return {
    verify(request) {
      const view = views.get(request) ?? viewOf(request);
      try {
        const proof = runWithNodeCrypto(scheme.check(view), fetchKey);
        if (!(proof instanceof Promise)) return accepted(view, proof, identify(view, request));
        return proof.then((value) => accepted(view, value, identify(view, request))).catch(refused);
      } catch (error) {
        return refused(error);
      }
    },
    handshake(request) {
      if (answerHandshake === undefined) return undefined;
      const view = viewOf(request);
      views.set(request, view);
      return runWithNodeCrypto(answerHandshake(view), fetchKey);
    },
    successAnswer: provider?.answer,
    refusalStatus: provider?.refusalStatus ?? 401,
    secretBroughtBy: readBrought && ((request) => readBrought(views.get(request) ?? viewOf(request))),
  };
}

function viewOf({ method, url, headers, body, nowMs }: IngestRequest): RequestView {
  return new RequestView(method, url, headers, body, nowMs);
}
