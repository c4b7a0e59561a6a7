import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { SimulationKeys } from '../../../packages/client/src/simulate/simulate.ts';
import { credentialNeeds } from '../../../packages/client/src/verify/credential-needs.ts';
import { findProvider } from '../../../packages/client/src/verify/provider-table.ts';
import type { KeyRule, PublicKeySource, Scheme } from '../../../packages/client/src/verify/scheme.ts';
import { selectScheme } from '../../../packages/client/src/verify/select-scheme.ts';

/** Keys made for a simulation: what signs, and what a source must be configured with to check it. */
export interface MadeKeys {
  readonly signing: SimulationKeys;
  readonly source: {
    readonly secrets: readonly string[];
    readonly config: Readonly<Record<string, unknown>>;
    readonly verification?: Readonly<Record<string, unknown>>;
  };
}

const keyId = 'simulated-1';

/**
 * Where the table has no scheme for a provider, a secret in the address: what people do for such
 * senders. For `hmac`, the commonest scheme there is.
 */
export function substituteScheme(provider: string): Readonly<Record<string, unknown>> | undefined {
  if (provider === 'hmac')
    return { kind: 'mac', alg: 'hmac-sha256', sig: { header: 'x-signature' }, content: '{body}' };
  const known = findProvider(provider);
  return known !== undefined && known.scheme === undefined ? { kind: 'token', from: 'q:token' } : undefined;
}

/** The scheme by which requests of a provider are signed here. Throws `VerifierSettingsError` for an unknown one. */
export function simulatedScheme(
  provider: string,
  verification: unknown = substituteScheme(provider),
): Scheme {
  const { scheme } = selectScheme(provider, verification, {});
  return scheme ?? { kind: 'none' };
}

/**
 * New keys in the form that the provider gives out.
 *
 * @param given settings that are known already, such as a topic.
 */
export function makeKeys(provider: string, given: Readonly<Record<string, string>> = {}): MadeKeys {
  const verification = substituteScheme(provider);
  const scheme = simulatedScheme(provider, verification);
  const pair = pairOf(scheme);
  const secrets = wantsSecret(scheme) ? [madeSecret(scheme, provider)] : [];
  const config = { ...madeSettings(provider), ...given };
  const extra = verification === undefined ? {} : { verification };
  return {
    signing: {
      secrets,
      config: { ...signerSettings(provider), ...config },
      ...extra,
      ...(pair === undefined ? {} : { privateKey: pair.privateKey, keyId }),
    },
    source: {
      secrets,
      config: { ...config, ...(pair === undefined ? {} : publicSettings(scheme, pair)) },
      ...extra,
    },
  };
}

function wantsSecret(scheme: Scheme): boolean {
  if (scheme.kind === 'jwt') return scheme.key.from === 'secret';
  if (scheme.kind === 'custom') return !['ebay', 'mailchannels', 'sns'].includes(scheme.fn);
  return scheme.kind !== 'none' && scheme.kind !== 'signature';
}

function madeSecret(scheme: Scheme, provider: string): string {
  const rule = scheme.kind === 'mac' ? (scheme.key ?? {}) : {};
  if (provider === 'adyen') return randomBytes(32).toString('hex');
  if (provider === 'stripe') return `whsec_${randomBytes(32).toString('hex')}`;
  if (provider === 'lemonsqueezy') return randomBytes(16).toString('hex');
  if (provider === 'inngest') return `signkey-test-${randomBytes(32).toString('hex')}`;
  if (scheme.kind === 'token' && scheme.from === 'basic')
    return `ringback:${randomBytes(18).toString('hex')}`;
  return macSecret(rule);
}

function macSecret({ decode, strip = [] }: KeyRule): string {
  if (decode === 'base64' || decode === 'base64-if-prefixed')
    return strip.join('') + randomBytes(32).toString('base64');
  return randomBytes(32).toString('hex');
}

const fixedSettings: Readonly<Record<string, string>> = {
  apiKey: 'APIsimulated',
  audience: 'https://hooks.example.com/simulated',
  headerName: 'x-webhook-secret',
  key: 'simulated-app-key',
  publicKey: 'simulated_public_key',
  serviceAccount: 'simulated@example-project.iam.gserviceaccount.com',
  topic: 'https://blog.example.com/feed',
  topicArn: 'arn:aws:sns:us-east-1:123456789012:simulated',
  webhookId: 'WH-SIMULATED',
};

/** Where the events of the generic providers say what they are; see their payloads. */
const genericSettings: Readonly<Record<string, string>> = {
  typeFrom: 'json:type',
  keyFrom: 'json:data.id',
  timeFrom: 'iso json:timestamp',
};

function madeSettings(provider: string): Readonly<Record<string, string>> {
  const entry = findProvider(provider);
  if (entry === undefined) return genericSettings;
  const { config, handshakeConfig } = credentialNeeds(entry);
  return Object.fromEntries(
    [...config, ...handshakeConfig].map((name) => [
      name,
      fixedSettings[name] ?? randomBytes(16).toString('hex'),
    ]),
  );
}

/** Settings of the signer alone: a source pins the key instead of fetching the certificate. */
function signerSettings(provider: string): Record<string, string> {
  if (provider === 'paypal')
    return { certUrl: 'https://api.paypal.com/v1/notifications/certs/CERT-simulated' };
  if (provider === 'sns')
    return { certUrl: 'https://sns.us-east-1.amazonaws.com/SimpleNotificationService-simulated.pem' };
  return {};
}

interface Pair {
  readonly privateKey: string;
  readonly publicPem: string;
  readonly spki: Buffer;
  readonly jwk: Readonly<Record<string, unknown>>;
}

function pairOf(scheme: Scheme): Pair | undefined {
  const kind = keyKind(scheme);
  if (kind === undefined) return undefined;
  const { privateKey, publicKey } =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : kind === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }),
    spki: publicKey.export({ type: 'spki', format: 'der' }),
    jwk: { ...publicKey.export({ format: 'jwk' }), kid: keyId },
  };
}

function keyKind(scheme: Scheme): 'ed25519' | 'ec' | 'rsa' | undefined {
  if (scheme.kind === 'custom') {
    const kinds: Readonly<Record<string, 'ed25519' | 'ec' | 'rsa'>> = {
      ebay: 'ec',
      mailchannels: 'ed25519',
      sns: 'rsa',
    };
    return kinds[scheme.fn];
  }
  if (scheme.kind === 'jwt' && scheme.key.from === 'jwks')
    return scheme.algs.includes('ES256') ? 'ec' : 'rsa';
  if (scheme.kind !== 'signature') return undefined;
  if (scheme.alg === 'ed25519') return 'ed25519';
  return scheme.alg.startsWith('ecdsa') ? 'ec' : 'rsa';
}

function publicSettings(scheme: Scheme, pair: Pair): Record<string, unknown> {
  if (scheme.kind === 'custom')
    return scheme.fn === 'sns' ? { publicKey: pair.publicPem } : { keys: { [keyId]: pair.publicPem } };
  if (scheme.kind !== 'signature') return { jwks: { keys: [pair.jwk] } };
  return keyFor(scheme.key, pair);
}

function keyFor(key: PublicKeySource, pair: Pair): Record<string, unknown> {
  if (key.from === 'keys') return { keys: { [keyId]: pair.publicPem } };
  if (key.from === 'certUrl') return { publicKey: pair.publicPem };
  if (key.from !== 'publicKey') return { jwks: { keys: [pair.jwk] } };
  // The last 32 bytes of an Ed25519 key in SPKI are the key itself (RFC 8410).
  if (key.format === 'raw-hex') return { publicKey: pair.spki.subarray(-32).toString('hex') };
  if (key.format === 'raw-base64') return { publicKey: pair.spki.subarray(-32).toString('base64') };
  return { publicKey: key.format === 'pem' ? pair.publicPem : pair.spki.toString('base64') };
}
