import { decodeText, equalBytes, fromStrictUtf8 } from '../bytes.ts';
import { decodeSecrets } from '../key-material.ts';
import type { Task } from '../operation.ts';
import { digest } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { refuse } from '../reasons.ts';
import { valueAtPath } from '../reference.ts';
import type { RequestView } from '../request-view.ts';

/** Unisender Go: the MD5 of the body in which the API key stands where the hash is now. */
export function prepareUnisender(credentials: Credentials): PreparedScheme {
  const keys = decodeSecrets(credentials.secrets, {});
  function* check(view: RequestView): Task<Proof> {
    const text = fromStrictUtf8(view.body);
    const parsed = view.json();
    if (parsed === undefined || text === undefined) throw refuse('malformed_body');
    const written = valueAtPath(parsed.value, ['auth']);
    if (typeof written !== 'string' || written === '') throw refuse('missing_field');
    const given = decodeText(written, 'hex');
    if (given?.length !== 16) throw refuse('malformed_signature');
    const place = new RegExp(`("auth"\\s*:\\s*")${written}"`).exec(text);
    if (place === null) throw refuse('malformed_body');
    const before = text.slice(0, place.index) + (place[1] ?? '');
    const after = text.slice(before.length + written.length);
    for (const [index, key] of keys.entries()) {
      const expected = yield* digest('md5', [before, key.text, after]);
      if (equalBytes(given, expected)) return { covers: 'body', secretIndex: index };
    }
    throw refuse('bad_signature');
  }
  return { sharedToken: false, check };
}
