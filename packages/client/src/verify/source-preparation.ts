import type { AnswerHandshake } from './handshake.ts';
import { compileHandshakes } from './handshake.ts';
import type { Task } from './operation.ts';
import { prepareScheme } from './prepare-scheme.ts';
import type { Credentials, PreparedScheme, Proof } from './prepared-scheme.ts';
import type { Provider } from './provider.ts';
import type { Reason } from './reasons.ts';
import { refuse } from './reasons.ts';
import type { Scheme } from './scheme.ts';
import { selectScheme } from './select-scheme.ts';

/** A source's settings, compiled. */
export interface PreparedSource {
  readonly id: string;
  /** Undefined for a generic source. */
  readonly provider: Provider | undefined;
  readonly scheme: PreparedScheme;
  readonly answerHandshake: AnswerHandshake | undefined;
}

/**
 * Compiles the settings of a source: its scheme with the credentials, and its handshakes.
 *
 * A provider that tells the secret only after its first question may be set up without one, and one
 * of which only the handshake is known without a scheme: then questions are answered, and events are
 * refused with a code that makes the sender try again.
 *
 * @throws VerifierSettingsError when the settings cannot work.
 */
export function prepareSource(
  options: Credentials & { readonly provider: string; readonly verification?: unknown },
): PreparedSource {
  const {
    scheme: chosen,
    provider,
    id,
  } = selectScheme(options.provider, options.verification, options.config);
  const scheme = prepareChosen(chosen, provider, options);
  const answerHandshake = compileHandshakes(provider?.handshakes, options, scheme);
  return { id, provider, scheme, answerHandshake };
}

function prepareChosen(
  scheme: Scheme | undefined,
  provider: Provider | undefined,
  credentials: Credentials,
): PreparedScheme {
  if (scheme === undefined) return refuseAll('scheme_unknown');
  const secretComesLater =
    provider?.handshakes?.some((rule) => rule.learns !== undefined || rule.beforeSecret === true) ?? false;
  const isPending = secretComesLater && (credentials.secrets ?? []).length === 0;
  return isPending ? refuseAll('secret_pending') : prepareScheme(scheme, credentials);
}

function refuseAll(reason: Reason): PreparedScheme {
  return {
    sharedToken: false,
    // oxlint-disable-next-line require-yield -- there is nothing to check with
    *check(): Task<Proof> {
      throw refuse(reason);
    },
  };
}
