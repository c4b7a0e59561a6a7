import { decodeText } from '../bytes.ts';
import { decodeSecrets } from '../key-material.ts';
import type { Task } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { refuse } from '../reasons.ts';
import type { RequestView } from '../request-view.ts';
import { checkTolerance, parseInstant } from '../timestamp.ts';
import { matchSecret } from './match-secret.ts';

const maxSignedHeaders = 100;

/** Coinbase's developer platform: the signature header lists which other headers are signed. */
export function prepareCoinbaseCdp(credentials: Credentials): PreparedScheme {
  const keys = decodeSecrets(credentials.secrets, {});
  function* check(view: RequestView): Task<Proof> {
    const written = view.header('x-hook0-signature');
    if (written === undefined) throw refuse('missing_header');
    const { ts, list, signatures } = parseHeader(written);
    if (signatures.length === 0) throw refuse('malformed_signature');
    if (ts === undefined) throw refuse('missing_timestamp');
    const names = list.split(' ').filter((name) => name !== '');
    // Each name is looked up among all headers.
    if (names.length > maxSignedHeaders) throw refuse('malformed_signature');
    const values = names.map((name) => {
      const value = view.header(name.toLowerCase());
      if (value === undefined) throw refuse('missing_header');
      return value;
    });
    const content = [`${ts}.${list}.${values.join('.')}.`, view.body];
    const secretIndex = yield* matchSecret('sha256', keys, signatures, [content]);
    const instant = parseInstant(ts, 's');
    if (instant === undefined) throw refuse('malformed_timestamp');
    checkTolerance(instant, { from: '', unit: 's', past: 300, future: 300 }, view.nowMs);
    return { covers: 'body', secretIndex };
  }
  return { sharedToken: false, check };
}

function parseHeader(text: string) {
  let ts: string | undefined;
  let list = '';
  const signatures: Uint8Array[] = [];
  for (const entry of text.split(',')) {
    const at = entry.indexOf('=');
    const label = entry.slice(0, at).trim();
    const value = entry.slice(at + 1);
    if (label === 'v1') {
      const bytes = decodeText(value, 'hex');
      if (bytes?.length === 32) signatures.push(bytes);
    } else if (label === 't') {
      if (ts !== undefined) throw refuse('ambiguous_header');
      ts = value;
    } else if (label === 'h') {
      list = value;
    }
  }
  return { ts, list, signatures };
}
