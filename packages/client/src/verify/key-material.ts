import { certificatePublicKey, decodePem, ed25519Spki, rsaSpki } from './asn1.ts';
import { decodeSecretBase64, decodeText, utf8 } from './bytes.ts';
import type { PublicKey } from './operation.ts';
import { VerifierSettingsError } from './reasons.ts';
import type { KeyRule } from './scheme.ts';

/** A configured secret, ready for use. `derive` is still to be applied, since it needs a hash. */
export interface SecretKey {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** Turns configured secrets into keys. Throws when there is none, or when one does not decode. */
export function decodeSecrets(secrets: readonly string[] | undefined, rule: KeyRule): SecretKey[] {
  if (secrets === undefined || secrets.length === 0) {
    throw new VerifierSettingsError(
      '/secrets',
      'set at least one secret: without it nothing can be verified',
    );
  }
  return secrets.map((secret, index) => {
    const pointer = `/secrets/${index}`;
    if (secret === '')
      throw new VerifierSettingsError(pointer, 'the secret is empty: paste it from the sender');
    return { text: secret, bytes: decodeSecret(secret, rule, pointer) };
  });
}

function decodeSecret(secret: string, rule: KeyRule, pointer: string): Uint8Array {
  let text = secret;
  let stripped = false;
  for (const prefix of rule.strip ?? []) {
    if (text.startsWith(prefix)) {
      text = text.slice(prefix.length);
      stripped = true;
    }
  }
  if (rule.stripPattern !== undefined) text = text.replace(new RegExp(rule.stripPattern), '');
  if (rule.normalize !== undefined) text = text.normalize(rule.normalize);
  text += rule.suffix ?? '';
  const decode =
    rule.decode === 'base64-if-prefixed' ? (stripped ? 'base64' : 'utf8') : (rule.decode ?? 'utf8');
  if (decode === 'utf8') return utf8(text);
  const bytes = decode === 'hex' ? decodeText(text, 'hex') : decodeSecretBase64(text);
  if (bytes === undefined || bytes.length === 0) {
    throw new VerifierSettingsError(
      pointer,
      `the secret must be ${decode} text: copy all of it from the sender`,
    );
  }
  return bytes;
}

/** A public key from a PEM block: a public key or a certificate. */
export function publicKeyFromPem(pem: string): PublicKey | undefined {
  const block = decodePem(pem);
  if (block === undefined) return undefined;
  if (block.label === 'PUBLIC KEY') return { spki: block.der };
  if (block.label === 'RSA PUBLIC KEY') return { spki: rsaSpki(block.der) };
  if (block.label !== 'CERTIFICATE') return undefined;
  const spki = certificatePublicKey(block.der);
  return spki === undefined ? undefined : { spki };
}

/** A configured public key in the format of a scheme; PEM is understood everywhere. */
export function decodePublicKey(
  text: string | undefined,
  format: 'pem' | 'spki-der-base64' | 'raw-hex' | 'raw-base64',
  strip: readonly string[] = [],
): PublicKey {
  if (text === undefined || text === '') {
    throw new VerifierSettingsError('/publicKey', 'set publicKey: copy the public key that the sender shows');
  }
  const bare = strip.reduce(
    (rest, prefix) => (rest.startsWith(prefix) ? rest.slice(prefix.length) : rest),
    text,
  );
  const key = text.includes('-----BEGIN') ? publicKeyFromPem(text) : decodeBareKey(bare.trim(), format);
  if (key === undefined) {
    throw new VerifierSettingsError(
      '/publicKey',
      `publicKey does not decode: expected ${format} or a PEM block`,
    );
  }
  return key;
}

function decodeBareKey(text: string, format: string): PublicKey | undefined {
  if (format === 'spki-der-base64' || format === 'pem') {
    const spki = decodeSecretBase64(text.replaceAll(/\s/g, ''));
    return spki === undefined || spki[0] !== 0x30 ? undefined : { spki };
  }
  const raw = format === 'raw-hex' ? decodeText(text, 'hex') : decodeSecretBase64(text);
  return raw?.length === 32 ? { spki: ed25519Spki(raw) } : undefined;
}

/**
 * For senders that name the address of a certificate: a key that was configured instead, so that
 * nothing is fetched. Undefined when there is none.
 */
export function pinnedPublicKey({ publicKey }: { readonly publicKey?: string }): PublicKey | undefined {
  return publicKey === undefined ? undefined : decodePublicKey(publicKey, 'pem');
}

/** A set of JSON Web Keys (RFC 7517). */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

/** The keys of a set, by their `kid`. Keys for encryption are left out. */
export function keysOfSet(set: JsonWebKeySet): { kid: string | undefined; key: PublicKey; type: string }[] {
  return set.keys
    .filter((jwk) => jwk['use'] === undefined || jwk['use'] === 'sig')
    .map((jwk) => ({
      kid: typeof jwk['kid'] === 'string' ? jwk['kid'] : undefined,
      key: { jwk },
      type: typeof jwk['kty'] === 'string' ? jwk['kty'] : '',
    }));
}

/** The configured public keys by their id. Throws when there is none or one does not decode. */
export function decodeKeys(
  keys: Readonly<Record<string, string>> | undefined,
): ReadonlyMap<string, PublicKey> {
  const entries = Object.entries(keys ?? {});
  if (entries.length === 0) {
    throw new VerifierSettingsError('/keys', 'set keys: the public keys of the sender (PEM) by their id');
  }
  return new Map(
    entries.map(([id, pem]) => {
      const key = publicKeyFromPem(pem);
      if (key === undefined) {
        throw new VerifierSettingsError(
          `/keys/${id}`,
          'not a PEM public key or certificate: paste the whole block',
        );
      }
      return [id, key];
    }),
  );
}
