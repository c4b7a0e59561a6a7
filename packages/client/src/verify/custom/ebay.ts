import { decodeText, fromUtf8 } from '../bytes.ts';
import { decodeKeys } from '../key-material.ts';
import type { Task } from '../operation.ts';
import { checkSignature } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { refuse } from '../reasons.ts';
import { valueAtPath } from '../reference.ts';
import type { RequestView } from '../request-view.ts';
import { rawSignature } from '../signed-content.ts';

/** eBay: the header is base64 JSON with the key's id and an ECDSA signature over SHA-1. */
export function prepareEbay(credentials: Credentials): PreparedScheme {
  const keys = decodeKeys(credentials.keys);
  function* check(view: RequestView): Task<Proof> {
    const written = view.header('x-ebay-signature');
    if (written === undefined) throw refuse('missing_header');
    const { kid, signature } = parseHeader(written);
    const key = keys.get(kid);
    if (key === undefined) throw refuse('unknown_key');
    const raw = rawSignature('ecdsa-p256-sha1', signature);
    if (raw === undefined) throw refuse('malformed_signature');
    if (!(yield* checkSignature('ecdsa-p256-sha1', key, raw, [view.body]))) throw refuse('bad_signature');
    return { covers: 'body' };
  }
  return { sharedToken: false, check };
}

function parseHeader(text: string): { kid: string; signature: Uint8Array } {
  const bytes = decodeText(text, 'base64');
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes ?? new Uint8Array()));
  } catch {
    throw refuse('malformed_signature');
  }
  const kid = valueAtPath(value, ['kid']);
  const encoded = valueAtPath(value, ['signature']);
  const signature = typeof encoded === 'string' ? decodeText(encoded, 'base64') : undefined;
  if (typeof kid !== 'string' || signature === undefined) throw refuse('malformed_signature');
  return { kid, signature };
}
