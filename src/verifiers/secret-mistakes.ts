import type { Scheme } from '../../packages/client/src/verify/scheme.ts';

/** What is known of the secrets that a provider gives out. */
interface SecretShape {
  readonly pattern: RegExp;
  /** What a secret looks like and where it is found; follows "the secret of PROVIDER ". */
  readonly is: string;
}

const shapes: Readonly<Record<string, SecretShape>> = {
  contentful: { pattern: /^.{64}$/, is: 'has 64 characters' },
  lemonsqueezy: { pattern: /^.{6,40}$/, is: 'has 6 to 40 characters' },
  openai: {
    pattern: /^whsec_/,
    is: 'begins with whsec_, which belongs to it: without it the rest would be read as another key',
  },
  stripe: {
    pattern: /^whsec_/,
    is: 'begins with whsec_, and Stripe signs with the whole text: without the prefix no signature would ever fit',
  },
  telegram: { pattern: /^[\w-]{1,256}$/, is: 'has 1 to 256 letters, digits, "_" and "-"' },
  twitch: { pattern: /^[\x20-\x7e]{10,100}$/, is: 'has 10 to 100 ASCII characters' },
};

/** Other credentials of the same provider, which people paste by mistake. */
const strangers: Readonly<Record<string, readonly (readonly [RegExp, string])[]>> = {
  github: [[/^(?:gh[pousr]_|github_pat_)/, 'an access token']],
  linear: [[/^lin_(?:api|oauth)_/, 'an API key']],
  openai: [[/^sk-/, 'an API key']],
  shopify: [[/^shp(?:at|ca|pa|ua)_/, 'an access token; what signs is the client secret of the app']],
  shopify_events: [[/^shp(?:at|ca|pa|ua)_/, 'an access token; what signs is the client secret of the app']],
  slack: [[/^xox[a-z]-|^xapp-/, 'a token']],
  stripe: [[/^(?:sk|rk|pk)_(?:live|test)_/, 'an API key; what signs is the signing secret of the endpoint']],
  twilio: [[/^(?:AC|SK)[0-9a-f]{32}$/i, 'an account or key id']],
};

/** Printed in documentation, so that anybody can sign with it: for trying things out, and not in production. */
const publicSecrets: Readonly<Record<string, string>> = {
  // What Zendesk signs with when its test button is pressed.
  zendesk: 'dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==',
};

/**
 * What is wrong with a secret that somebody typed in or pasted, as far as its text shows; `null` when
 * nothing is. Asked when a secret is given, and never about those that are kept.
 *
 * @param scheme of the source: with a scheme of its own the provider's shapes do not count.
 */
export function secretMistake(
  provider: string,
  scheme: Scheme | undefined,
  isOwnScheme: boolean,
  text: string,
): string | null {
  return generalMistake(scheme, text) ?? (isOwnScheme ? null : providerMistake(provider, text));
}

function generalMistake(scheme: Scheme | undefined, text: string): string | null {
  if (/\p{Cc}/u.test(text)) {
    return 'the secret holds a line break or another control character: paste it in one line';
  }
  if (text.length > 2 && /^(["'`]).*\1$/.test(text))
    return 'the secret is in quotation marks: leave them out';
  if (/^[A-Z][A-Z0-9_]*=/.test(text))
    return 'the secret begins with the name of a variable: give what follows the "="';
  const signature = /^(?:sha1|sha256|sha384|sha512|hmac-sha256|v0|v1|t)=/.exec(text)?.[0];
  if (signature !== undefined) {
    return `this looks like a signature ("${signature}..."), which each request has its own of: give the secret that makes them`;
  }
  if (scheme?.kind !== 'token') return null;
  if (scheme.from === 'basic' && !text.includes(':')) return 'write the secret as user:password';
  const authorization = /^(bearer|basic) +/i.exec(text)?.[1];
  return authorization !== undefined && (scheme.from === 'bearer' || scheme.from === 'basic')
    ? `leave out "${authorization}": give only what follows it`
    : null;
}

function providerMistake(provider: string, text: string): string | null {
  const stranger = strangers[provider]?.find(([pattern]) => pattern.test(text));
  if (stranger !== undefined) return `this is no webhook secret of ${provider} but ${stranger[1]}`;
  const shape = shapes[provider];
  return shape === undefined || shape.pattern.test(text) ? null : `the secret of ${provider} ${shape.is}`;
}

/** The same for a secret that everybody knows. */
export function publicSecretMistake(provider: string, text: string): string | null {
  if (publicSecrets[provider] !== text) return null;
  return `this secret is printed in the documentation of ${provider}: anybody could sign with it`;
}
