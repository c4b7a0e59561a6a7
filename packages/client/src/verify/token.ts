import { decodeText, equalBytes, utf8 } from './bytes.ts';
import type { SecretKey } from './key-material.ts';
import { decodeSecrets } from './key-material.ts';
import type { Task } from './operation.ts';
import type { Credentials, PreparedScheme, Proof } from './prepared-scheme.ts';
import { VerifierSettingsError, refuse } from './reasons.ts';
import type { Settings } from './reference.ts';
import { parsePath, plainText, splitReference, valueAtPath } from './reference.ts';
import type { RequestView } from './request-view.ts';
import type { TokenScheme } from './scheme.ts';

/** Prepares a secret that the sender shows with each request. */
export function prepareToken(scheme: TokenScheme, credentials: Credentials): PreparedScheme {
  const keys = decodeSecrets(credentials.secrets, {});
  const read = compileShown(scheme, credentials.config ?? {});
  const covers = scheme.covers ?? 'nothing';
  // oxlint-disable-next-line require-yield -- a comparison is no operation
  function* check(view: RequestView): Task<Proof> {
    let secretIndex: number | undefined;
    for (const token of read(view)) secretIndex = matchToken(token, keys);
    if (secretIndex === undefined) throw refuse('missing_credentials');
    return { covers, secretIndex };
  }
  return { sharedToken: true, check };
}

/** The token of an `Authorization: Bearer` value (RFC 6750); the scheme's case does not matter. */
export function bearerToken(value: string): string | undefined {
  return /^bearer +(\S+)$/i.exec(value)?.[1];
}

function matchToken(token: Uint8Array, keys: readonly SecretKey[]): number {
  // All are compared, so that the time does not tell which one matched.
  let found = -1;
  for (let index = keys.length - 1; index >= 0; index--) {
    if (equalBytes(token, keys[index]?.bytes ?? token.subarray(0, 0))) found = index;
  }
  if (found < 0) throw refuse('bad_credentials');
  return found;
}

// Every item that is returned must match: a request with one good and one bad token is not good.
function compileShown(scheme: TokenScheme, settings: Settings): (view: RequestView) => readonly Uint8Array[] {
  const { from } = scheme;
  if (from === 'basic' || from === 'bearer') return (view) => [readAuthorization(view, from)];
  if (scheme.headerConfig !== undefined) {
    const name = settings[scheme.headerConfig];
    if (name === undefined || name === '') {
      throw new VerifierSettingsError(
        `/config/${scheme.headerConfig}`,
        `set ${scheme.headerConfig}: the name of the header that carries the token`,
      );
    }
    return compileHeader(name.toLowerCase());
  }
  const split = splitReference(from.startsWith('xml:') ? `json:${from.slice(4)}` : from);
  if (split === undefined)
    throw new VerifierSettingsError('/verification/from', `"${from}" is not a place for a token`);
  const { kind, name } = split;
  if (from.startsWith('xml:')) return (view) => shown(view.xml(name));
  if (kind === 'h') return compileHeader(name.toLowerCase());
  if (kind === 'q') return (view) => shownOnce(view.query().getAll(name));
  if (kind === 'form') return (view) => shownOnce(view.form().getAll(name));
  return compileJson(name);
}

function compileHeader(lowerName: string): (view: RequestView) => readonly Uint8Array[] {
  return (view) => {
    const value = view.header(lowerName);
    if (value === undefined) throw refuse('missing_header');
    return [utf8(value)];
  };
}

function compileJson(path: string): (view: RequestView) => readonly Uint8Array[] {
  const [before = '', after] = path.split('[*].');
  const listPath = parsePath(before);
  const itemPath = parsePath(after ?? '');
  return (view) => {
    const parsed = view.json();
    if (parsed === undefined) throw refuse('malformed_body');
    const value = valueAtPath(parsed.value, listPath);
    if (after === undefined) return shown([value]);
    return shown(Array.isArray(value) ? value.map((item) => valueAtPath(item, itemPath)) : []);
  };
}

function shownOnce(values: readonly string[]): readonly Uint8Array[] {
  if (values.length > 1) throw refuse('ambiguous_header');
  return shown(values);
}

function shown(values: readonly unknown[]): readonly Uint8Array[] {
  if (values.length === 0) throw refuse('missing_credentials');
  return values.map((value) => {
    if (value === undefined || value === null || value === '') throw refuse('missing_credentials');
    // Not coerced: ["secret"] is not "secret".
    if (typeof value === 'object') throw refuse('bad_credentials');
    return utf8(plainText(value) ?? '');
  });
}

function readAuthorization(view: RequestView, scheme: 'basic' | 'bearer'): Uint8Array {
  const value = view.header('authorization');
  if (value === undefined) throw refuse('missing_header');
  if (scheme === 'bearer') {
    const token = bearerToken(value);
    if (token === undefined) throw refuse('malformed_credentials');
    return utf8(token);
  }
  const encoded = /^basic +(\S+)$/i.exec(value)?.[1];
  const bytes = encoded === undefined ? undefined : decodeText(encoded, 'base64');
  if (bytes === undefined) throw refuse('malformed_credentials');
  return bytes;
}
