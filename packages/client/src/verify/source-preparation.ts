import type { AnswerHandshake } from './handshake.ts';
import { compileHandshakes } from './handshake.ts';
import type { Task } from './operation.ts';
import { prepareScheme } from './prepare-scheme.ts';
import type { Credentials, PreparedScheme, Proof } from './prepared-scheme.ts';
import type { Provider } from './provider.ts';
import { refuse } from './reasons.ts';
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
 * A provider that brings the secret in its first request may be set up without one: then that
 * request is answered, and every other is refused.
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
  const learns = provider?.handshakes?.some((rule) => rule.learns !== undefined) ?? false;
  const isPending = learns && (options.secrets ?? []).length === 0;
  const scheme = isPending ? pendingScheme : prepareScheme(chosen, options);
  const answerHandshake = compileHandshakes(provider?.handshakes, options, scheme);
  return { id, provider, scheme, answerHandshake };
}

const pendingScheme: PreparedScheme = {
  sharedToken: false,
  // oxlint-disable-next-line require-yield -- there is nothing to check with
  *check(): Task<Proof> {
    throw refuse('key_unavailable');
  },
};
