import type { AnswerHandshake, compileHandshakes } from './handshake.ts';
import type { Task } from './operation.ts';
import type { Credentials, PreparedScheme, Proof } from './prepared-scheme.ts';
import type { Provider } from './provider.ts';
import type { Reason } from './reasons.ts';
import { refuse } from './reasons.ts';

/** Credentials, and whether a handshake may bring another one. */
export interface HandshakeCredentials extends Credentials {
  /** Default: while there is no secret. */
  readonly awaitsSecret?: boolean;
}

/** A source's settings, compiled. */
export interface PreparedSource {
  readonly id: string;
  /** Undefined for a generic source. */
  readonly provider: Provider | undefined;
  readonly scheme: PreparedScheme;
  readonly answerHandshake: AnswerHandshake | undefined;
}

/**
 * One provider with the code that its scheme takes and no other: what a program imports that knows
 * whom it hears from, so that a bundler leaves out the rest of the table.
 */
export interface ProviderModule {
  readonly id: string;
  /** Undefined for a generic source. */
  readonly provider: Provider | undefined;
  /** Compiles the provider's scheme; absent when only its handshake is known. */
  readonly prepare?: (credentials: Credentials) => PreparedScheme;
  /** Absent where there are no handshakes, so that their code is left out. */
  readonly compileHandshakes?: typeof compileHandshakes;
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
export function prepareProvider(module: ProviderModule, credentials: HandshakeCredentials): PreparedSource {
  const { id, provider } = module;
  const scheme = prepareProof(module, credentials);
  const { awaitsSecret } = credentials;
  const answerHandshake = module.compileHandshakes?.(provider?.handshakes, credentials, scheme, awaitsSecret);
  return { id, provider, scheme, answerHandshake };
}

function prepareProof(
  { prepare, provider }: ProviderModule,
  credentials: HandshakeCredentials,
): PreparedScheme {
  if (prepare === undefined) return refuseAll('scheme_unknown');
  const secretComesLater =
    credentials.awaitsSecret === true ||
    provider?.handshakes?.some((rule) => rule.learns !== undefined || rule.beforeSecret === true) === true;
  const isPending = secretComesLater && (credentials.secrets ?? []).length === 0;
  return isPending ? refuseAll('secret_pending') : prepare(credentials);
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
