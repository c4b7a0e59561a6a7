import { encodeBytes, fromUtf8, utf8 } from '../bytes.ts';
import { VerifierSettingsError } from '../reasons.ts';
import type { TokenScheme } from '../scheme.ts';
import type { Draft } from './draft.ts';
import type { SignInput } from './sign-input.ts';
import { signingSecret } from './signing-keys.ts';

/** Shows the first secret, as the scheme says. */
export function showToken(scheme: TokenScheme, draft: Draft, input: SignInput): void {
  const { from, headerConfig } = scheme;
  if (input.fault === 'missing-header') {
    if (from.startsWith('xml:')) draft.setBody(xmlWith(fromUtf8(draft.body), from.slice(4), ''));
    return;
  }
  const { text } = signingSecret(input);
  const token = input.fault === 'signature' ? `${text}x` : text;
  if (from === 'basic') draft.setHeader('authorization', `Basic ${encodeBytes(utf8(token), 'base64')}`);
  else if (from === 'bearer') draft.setHeader('authorization', `Bearer ${token}`);
  else if (headerConfig !== undefined) draft.setHeader(configuredHeader(input, headerConfig), token);
  else if (from.startsWith('xml:')) draft.setBody(xmlWith(fromUtf8(draft.body), from.slice(4), token));
  else draft.set(from, token);
}

function configuredHeader(input: SignInput, key: string): string {
  const name = input.config?.[key];
  if (name === undefined) {
    throw new VerifierSettingsError(
      `/config/${key}`,
      `set ${key}: the name of the header that carries the token`,
    );
  }
  return name;
}

// The first such element with this text; a document of our own where there is none.
function xmlWith(document: string, element: string, value: string): string {
  const known = new RegExp(`(<(?:\\w+:)?${element}>)[^<]*(</)`);
  if (known.test(document)) {
    return document.replace(known, (_, open: string, close: string) => open + value + close);
  }
  return `<?xml version="1.0" encoding="UTF-8"?><notifications><${element}>${value}</${element}></notifications>`;
}
