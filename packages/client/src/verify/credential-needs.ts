import type { HandshakeRule } from './handshake-rule.ts';
import type { Provider } from './provider.ts';
import type { CustomScheme, Scheme } from './scheme.ts';

/** What a source of a provider must be configured with. */
export interface CredentialNeeds {
  readonly secrets: boolean;
  readonly publicKey: boolean;
  readonly keys: boolean;
  /** A key set: `fetched` when its address is known, so that nothing need be given. */
  readonly jwks: 'no' | 'required' | 'fetched' | 'instead of a secret';
  /** Settings without which the proof cannot be checked. */
  readonly config: readonly string[];
  /** Settings that only answering the provider's handshake needs. */
  readonly handshakeConfig: readonly string[];
  /** Settings that change how the provider's handshake is answered; it is answered without them too. */
  readonly handshakeOptions: readonly string[];
}

/** Tells what a source of this provider must be configured with, from its scheme and handshakes. */
export function credentialNeeds(provider: Provider): CredentialNeeds {
  const { scheme, handshakes = [] } = provider;
  const config = scheme === undefined ? [] : schemeSettings(scheme);
  const options = references(handshakes.flatMap(choices)).filter((key) => !config.includes(key));
  const mentioned = references([JSON.stringify(handshakes)]);
  return {
    secrets: needsSecret(scheme),
    publicKey: scheme?.kind === 'signature' && scheme.key.from === 'publicKey',
    keys: needsKeys(scheme),
    jwks: keySetNeed(scheme),
    config,
    handshakeConfig: mentioned.filter((key) => !config.includes(key) && !options.includes(key)),
    handshakeOptions: options,
  };
}

function needsSecret(scheme: Scheme | undefined): boolean {
  if (scheme === undefined || scheme.kind === 'none' || scheme.kind === 'signature') return false;
  if (scheme.kind === 'jwt') return scheme.key.from === 'secret';
  return scheme.kind !== 'custom' || !['ebay', 'mailchannels', 'sns'].includes(scheme.fn);
}

function needsKeys(scheme: Scheme | undefined): boolean {
  if (scheme?.kind === 'custom') return scheme.fn === 'ebay' || scheme.fn === 'mailchannels';
  return scheme?.kind === 'signature' && scheme.key.from === 'keys';
}

function keySetNeed(scheme: Scheme | undefined): CredentialNeeds['jwks'] {
  if (scheme?.kind === 'jwt' && scheme.key.from === 'secret') {
    return scheme.algs.some((alg) => !alg.startsWith('HS')) ? 'instead of a secret' : 'no';
  }
  if (scheme?.kind !== 'jwt' && scheme?.kind !== 'signature') return 'no';
  const { key } = scheme;
  if (key.from !== 'jwks' && key.from !== 'jwksAny') return 'no';
  return key.url === undefined ? 'required' : 'fetched';
}

const customSettings: Partial<Record<CustomScheme['fn'], string[]>> = {
  sns: ['topicArn'],
  websub: ['topic'],
};

function schemeSettings(scheme: Scheme): string[] {
  switch (scheme.kind) {
    case 'token':
      return given(scheme.headerConfig);
    case 'jwt': {
      const values = Object.values(scheme.claimEquals ?? {}).map(String);
      return [...given(scheme.issuerConfig, scheme.audienceConfig), ...references(values)];
    }
    case 'mac':
    case 'digest':
    case 'signature': {
      const texts = [scheme.content, ...(scheme.require ?? []).map(({ equals }) => equals)];
      return [...given(scheme.sig.pickConfig), ...references(texts)];
    }
    case 'custom':
      return customSettings[scheme.fn] ?? [];
    case 'none':
    default:
      return [];
  }
}

// A setting that a rule has as a condition, or as a limit, decides between answers.
function choices({ when = [], atMost }: HandshakeRule): string[] {
  return [...when, ...given(atMost?.limit)];
}

function given(...keys: readonly (string | undefined)[]): string[] {
  return keys.filter((key) => key !== undefined);
}

function references(texts: readonly string[]): string[] {
  return [
    ...new Set(texts.flatMap((text) => [...text.matchAll(/cfg:(\w+)/g)].flatMap(([, key]) => given(key)))),
  ];
}
