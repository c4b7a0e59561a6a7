import { decodeText } from '../bytes.ts';
import { decodeSecrets } from '../key-material.ts';
import type { Task } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { refuse } from '../reasons.ts';
import type { RequestView } from '../request-view.ts';
import { checkTolerance, parseInstant } from '../timestamp.ts';
import { matchSecret } from './match-secret.ts';

const toleranceSeconds = 30;
const maxSignedHeaders = 100;

/** Contentful signs method, path, the headers that it lists, and the body. */
export function prepareContentful(credentials: Credentials): PreparedScheme {
  const keys = decodeSecrets(credentials.secrets, {});
  function* check(view: RequestView): Task<Proof> {
    const written = view.header('x-contentful-signature');
    const list = view.header('x-contentful-signed-headers');
    const ts = view.header('x-contentful-timestamp');
    if (written === undefined || list === undefined) throw refuse('missing_header');
    if (ts === undefined) throw refuse('missing_timestamp');
    const signature = decodeText(written, 'hex');
    const names = list.split(',').map((name) => name.trim().toLowerCase());
    // Each name is looked up among all headers.
    if (names.length > maxSignedHeaders) throw refuse('malformed_signature');
    // The age would be an unsigned claim if the sender's list left the timestamp out.
    if (signature?.length !== 32 || !names.includes('x-contentful-timestamp'))
      throw refuse('malformed_signature');
    const canonical = contentfulHead(view.method, view.url, names, (name) => view.header(name));
    const secretIndex = yield* matchSecret('sha256', keys, [signature], [[canonical, view.body]]);
    const instant = parseInstant(ts, 'ms');
    if (instant === undefined) throw refuse('malformed_timestamp');
    const rule = { from: '', unit: 'ms', past: toleranceSeconds, future: 300 } as const;
    checkTolerance(instant, rule, view.nowMs);
    return { covers: 'body', secretIndex };
  }
  return { sharedToken: false, check };
}

/** What Contentful signs before the body. */
export function contentfulHead(
  method: string,
  url: string,
  names: readonly string[],
  read: (name: string) => string | undefined,
): string {
  const path = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '').replace(/#.*$/, '') || '/';
  const headers = [...names]
    .toSorted()
    .map((name) => `${name}:${(read(name) ?? '').trim()}`)
    .join(';');
  return `${method}\n${path}\n${headers}\n`;
}
