import type { Provider } from './provider.ts';
import { findProvider, genericProviders, providerId } from './provider-table.ts';
import { VerifierSettingsError } from './reasons.ts';
import type { Settings } from './reference.ts';
import type { Scheme } from './scheme.ts';
import { validateScheme } from './validate-scheme.ts';

/** The provider's entry (undefined for a generic one) and the scheme to use. */
export interface Selection {
  readonly provider: Provider | undefined;
  /** The provider's id, aliases resolved. */
  readonly id: string;
  /** Undefined when only the provider's handshake is known. */
  readonly scheme: Scheme | undefined;
}

/**
 * Chooses the scheme of a source: its own `verification` if there is one, else the provider's.
 *
 * @throws VerifierSettingsError for an unknown provider, a bad `verification`, or none where it is
 *   needed.
 */
export function selectScheme(id: string, verification: unknown, settings: Settings | undefined): Selection {
  const provider = findProvider(id);
  const isGeneric = genericProviders.some((generic) => generic === id);
  if (provider === undefined && !isGeneric) {
    throw new VerifierSettingsError(
      '/provider',
      `provider "${id}" is not known: use an id of the provider table, or one of ${genericProviders.join(', ')}`,
    );
  }
  if (verification !== undefined) return { provider, id: providerId(id), scheme: customScheme(verification) };
  const scheme = provider === undefined ? genericScheme(id, settings) : provider.scheme;
  if (scheme === undefined && provider === undefined) {
    throw new VerifierSettingsError(
      '/verification',
      'set verification: it says where the signature is and what is signed',
    );
  }
  return { provider, id: providerId(id), scheme };
}

function customScheme(verification: unknown): Scheme {
  const result = validateScheme(verification);
  if (result.ok) return result.scheme;
  const [first, ...more] = result.errors.map(({ pointer, message }) => ({
    pointer: `/verification${pointer}`,
    message,
  }));
  throw new VerifierSettingsError(first?.pointer ?? '/verification', first?.message ?? 'not a scheme', more);
}

function genericScheme(id: string, settings: Settings | undefined): Scheme | undefined {
  if (id === 'none') return { kind: 'none' };
  if (id === 'basic') return { kind: 'token', from: 'basic' };
  if (id !== 'token') return undefined;
  return settings?.['headerName'] === undefined
    ? { kind: 'token', from: 'bearer' }
    : { kind: 'token', from: 'header', headerConfig: 'headerName' };
}
