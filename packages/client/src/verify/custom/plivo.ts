import { decodeText } from '../bytes.ts';
import { groupParameters } from '../form-groups.ts';
import { decodeSecrets } from '../key-material.ts';
import type { Task } from '../operation.ts';
import type { Credentials, PreparedScheme, Proof } from '../prepared-scheme.ts';
import { refuse } from '../reasons.ts';
import type { RequestView } from '../request-view.ts';
import { matchSecret } from './match-secret.ts';

/** Several only while the account's token is being changed. */
const maxSignatures = 16;

/** Plivo's third signature version: URL, sorted query, sorted form parameters and a nonce. */
export function preparePlivo(credentials: Credentials): PreparedScheme {
  const keys = decodeSecrets(credentials.secrets, {});
  function* check(view: RequestView): Task<Proof> {
    const written = view.header('x-plivo-signature-v3');
    const nonce = view.header('x-plivo-signature-v3-nonce');
    if (written === undefined || nonce === undefined) throw refuse('missing_header');
    const signatures = written
      .split(',', maxSignatures)
      .map((entry) => decodeText(entry.trim(), 'base64'))
      .filter((bytes) => bytes !== undefined)
      .filter((bytes) => bytes.length === 32);
    if (signatures.length === 0) throw refuse('malformed_signature');
    const content = plivoContent(view.method, view.url, view.query(), view.form(), nonce);
    const secretIndex = yield* matchSecret('sha256', keys, signatures, [[content]]);
    return { covers: 'body', secretIndex };
  }
  return { sharedToken: false, check };
}

/** The text that Plivo signs. */
export function plivoContent(
  method: string,
  url: string,
  query: URLSearchParams,
  form: URLSearchParams,
  nonce: string,
): string {
  const base = url.split(/[?#]/, 1)[0] ?? '';
  const parameters = method === 'GET' ? new URLSearchParams() : form;
  const sortedQuery = sortedPairs(query, '=').join('&');
  const sortedForm = sortedPairs(parameters, '').join('');
  const mark = sortedQuery !== '' || parameters.size > 0 ? '?' : '';
  const dot = sortedQuery !== '' && parameters.size > 0 ? '.' : '';
  return `${base}${mark}${sortedQuery}${dot}${sortedForm}.${nonce}`;
}

function sortedPairs(parameters: URLSearchParams, between: string): string[] {
  return groupParameters(parameters).flatMap(([name, values]) =>
    values.map((value) => name + between + value),
  );
}
