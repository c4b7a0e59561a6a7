import { decodeText, equalBytes } from '../bytes.ts';
import { groupParameters } from '../form-groups.ts';
import { decodeSecrets } from '../key-material.ts';
import type { Task } from '../operation.ts';
import { digest } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { refuse } from '../reasons.ts';
import type { RequestView } from '../request-view.ts';
import { matchSecret } from './match-secret.ts';

/**
 * Twilio signs the public URL followed by the form's parameters, sorted, or the URL alone when it
 * carries the hash of a JSON body.
 */
export function prepareTwilio(credentials: Credentials): PreparedScheme {
  const keys = decodeSecrets(credentials.secrets, {});
  function* check(view: RequestView): Task<Proof> {
    const written = view.header('x-twilio-signature');
    if (written === undefined) throw refuse('missing_header');
    const signature = decodeText(written, 'base64');
    if (signature?.length !== 20) throw refuse('malformed_signature');
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(view.firstHeader('content-type') ?? '');
    const suffix = isForm ? sortedParameters(view.form()) : '';
    const contents = urlVariants(view.url).map((url) => [url + suffix]);
    const secretIndex = yield* matchSecret('sha1', keys, [signature], contents);
    if (!isForm && view.body.length > 0) yield* checkBody(view);
    return { covers: 'body', secretIndex };
  }
  return { sharedToken: false, check };
}

function* checkBody(view: RequestView): Task<void> {
  const written = view.query().get('bodySHA256');
  if (written === null) throw refuse('body_not_covered');
  const given = decodeText(written, 'hex');
  const expected = yield* digest('sha256', [view.body]);
  if (given === undefined || !equalBytes(given, expected)) throw refuse('body_hash_mismatch');
}

/** The parameters as Twilio signs them: by name, repeated values sorted and without duplicates. */
export function sortedParameters(form: Iterable<readonly [string, string]>): string {
  return groupParameters(form)
    .map(([name, values]) => [...new Set(values)].map((value) => name + value).join(''))
    .join('');
}

// Twilio signs the URL as it was entered, with or without the default port, and proxies add or
// remove it on the way.
function urlVariants(url: string): string[] {
  const match = /^(https?):\/\/([^/?#]*?)(:\d+)?([/?#].*)?$/.exec(url);
  if (match === null) return [url];
  const [, scheme = '', host = '', port, rest = ''] = match;
  const defaultPort = scheme === 'https' ? ':443' : ':80';
  if (port !== undefined && port !== defaultPort) return [url];
  return [`${scheme}://${host}${rest}`, `${scheme}://${host}${defaultPort}${rest}`];
}
