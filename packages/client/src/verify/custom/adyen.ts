import { decodeText, equalBytes } from '../bytes.ts';
import { decodeSecrets } from '../key-material.ts';
import type { SecretKey } from '../key-material.ts';
import type { Task } from '../operation.ts';
import { hmac } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { refuse } from '../reasons.ts';
import { plainText, valueAtPath } from '../reference.ts';
import type { RequestView } from '../request-view.ts';

const signedFields = [
  ['pspReference'],
  ['originalReference'],
  ['merchantAccountCode'],
  ['merchantReference'],
  ['amount', 'value'],
  ['amount', 'currency'],
  ['eventCode'],
  ['success'],
];

/**
 * Adyen's classic payment notifications: each item of the batch carries its own HMAC over eight of
 * its fields. Every item must hold; nothing else in the body is protected.
 */
export function prepareAdyen(credentials: Credentials): PreparedScheme {
  const keys = decodeSecrets(credentials.secrets, { decode: 'hex' });
  function* check(view: RequestView): Task<Proof> {
    const parsed = view.json();
    if (parsed === undefined) throw refuse('malformed_body');
    const items = valueAtPath(parsed.value, ['notificationItems']);
    // An empty batch would pass a loop that only looks for bad items.
    if (!Array.isArray(items) || items.length === 0) throw refuse('missing_field');
    let secretIndex = 0;
    for (const item of items as unknown[]) {
      secretIndex = yield* checkItem(valueAtPath(item, ['NotificationRequestItem']), keys);
    }
    return { covers: 'metadata', secretIndex };
  }
  return { sharedToken: false, check };
}

/** The text that Adyen signs for one item. */
export function adyenContent(item: unknown): string {
  return signedFields.map((path) => plainText(valueAtPath(item, path)) ?? '').join(':');
}

function* checkItem(item: unknown, keys: readonly SecretKey[]): Task<number> {
  const written = valueAtPath(item, ['additionalData', 'hmacSignature']);
  if (typeof written !== 'string' || written === '') throw refuse('missing_field');
  const signature = decodeText(written, 'base64');
  if (signature?.length !== 32) throw refuse('malformed_signature');
  const content = adyenContent(item);
  for (const [index, key] of keys.entries()) {
    if (equalBytes(signature, yield* hmac('sha256', key.bytes, [content]))) return index;
  }
  throw refuse('bad_signature');
}
