import { compileHandshakes } from './handshake.ts';
import type { HandshakeCredentials, PreparedSource, ProviderModule } from './prepare-provider.ts';
import { prepareProvider } from './prepare-provider.ts';
import { prepareScheme } from './prepare-scheme.ts';
import { selectScheme } from './select-scheme.ts';

/** What was chosen for a source: a provider of the table by name, perhaps with a scheme of its own. */
export type SourceChoice = HandshakeCredentials & {
  readonly provider: string;
  readonly verification?: unknown;
};

/**
 * Finds the provider of a source by its name, with the scheme to use.
 *
 * @throws VerifierSettingsError for an unknown provider or a scheme with a mistake.
 */
export function findModule(options: SourceChoice): ProviderModule {
  const { scheme, provider, id } = selectScheme(options.provider, options.verification, options.config);
  return {
    id,
    provider,
    compileHandshakes,
    ...(scheme === undefined ? {} : { prepare: (credentials) => prepareScheme(scheme, credentials) }),
  };
}

/**
 * Compiles the settings of a source, its provider found by name: see `prepareProvider`.
 *
 * @throws VerifierSettingsError when the settings cannot work.
 */
export function prepareSource(options: SourceChoice): PreparedSource {
  return prepareProvider(findModule(options), options);
}
