import { cliName } from './cli-name.ts';
import { fullTime, sizeText } from './format.ts';
import { type JsonRecord, numberOf, textOf } from './json-value.ts';
import type { NameBook } from './names.ts';
import { paint, printable, printText } from './output.ts';

/** What happened to a refused request, and what will most likely mend it. */
export async function tellRejection(rejection: JsonRecord, names: NameBook): Promise<void> {
  const source = await names.nameOf('sources', textOf(rejection, 'source_id'));
  const reason = textOf(rejection, 'reason') ?? '';
  const code = textOf(rejection, 'code') ?? '';
  const at = source === '-' ? 'a URL that no source has' : `the source "${source}"`;
  printText(
    `${paint('bold', show(rejection, 'id'))} is a request that was refused at ${at}, ` +
      `${fullTime(textOf(rejection, 'at') ?? '')}.`,
  );
  printText(
    `It was a ${show(rejection, 'method')} with ${sizeText(numberOf(rejection, 'body_bytes') ?? 0)} ` +
      `from ${show(rejection, 'remote_address')}${pathText(textOf(rejection, 'path') ?? '')}.`,
  );
  printText(`It was refused with ${paint('red', printable(code))}: ${printable(words(reason))}.`);
  const fix = FIXES[reason] ?? FIXES[code];
  if (fix !== undefined) printText(`\n${paint('bold', 'likely fix')}  ${fix(source, cliName())}`);
  printText(`\nIts headers and the start of its body: ${cliName()} rejections get ${show(rejection, 'id')}`);
}

function show(record: JsonRecord, field: string): string {
  return printable(textOf(record, field) ?? '-');
}

/** What came after the source's key; the key itself is a secret. */
function pathText(path: string): string {
  return path === '' ? '' : `, below the URL: ${printable(path)}`;
}

function words(reason: string): string {
  return reason === '' ? 'no finer reason is kept' : reason.replaceAll('_', ' ');
}

type Fix = (source: string, cli: string) => string;

const SECRET: Fix = (source, cli) =>
  'the secret here and the one at the sender differ, or something on the way changes the body. Copy the ' +
  `sender's secret again and add it: ${cli} sources add-secret ${source} --secret -`;
const CLOCK: Fix = () =>
  'the clock here or at the sender is wrong, or the request is an old one that someone sent again. ' +
  'Compare the clocks: ringback doctor';
const UNSIGNED: Fix = (source, cli) =>
  'the sender does not sign: set the secret there, and see that the provider of the source is the right one ' +
  `(${cli} sources get ${source}). If this is not the sender, it is right to refuse it`;
const CREDENTIALS: Fix = (source, cli) =>
  'the token or password at the sender is not the one of the source: ' +
  `${cli} sources add-secret ${source} --secret -`;
const KEYS: Fix = (source, cli) =>
  "the provider's public keys could not be fetched or do not have this one: check that this machine " +
  `reaches the provider, and the source's config (${cli} sources get ${source})`;

/** By the finer reason first, then by the code. */
const FIXES: Readonly<Record<string, Fix>> = {
  alg_not_allowed: () =>
    'the sender signs with another algorithm than the source allows: choose at the sender the one that the ' +
    "source's provider or verification names",
  unknown_key: KEYS,
  key_unavailable: KEYS,
  malformed_signature: UNSIGNED,
  missing_timestamp: UNSIGNED,
  signature_missing: UNSIGNED,
  signature_mismatch: SECRET,
  timestamp_out_of_tolerance: CLOCK,
  credentials_invalid: CREDENTIALS,
  sender_not_allowed: (source, cli) =>
    'if this sender is meant, add its address: ' +
    `${cli} sources update ${source} --allowed-ips A,B. Behind a proxy, set RINGBACK_TRUSTED_PROXIES`,
  source_unknown: (_source, cli) =>
    `the sender calls a URL that no source has (deleted, or mistyped); the right ones: ${cli} sources list --json`,
  source_disabled: (source, cli) => `${cli} sources update ${source} --enabled`,
  event_too_large: (source, cli) => `${cli} sources update ${source} --max-body-bytes 5MiB`,
  content_type_unsupported: (source, cli) =>
    `allow the media type: ${cli} sources update ${source} --content-types application/json,TYPE`,
  schema_mismatch: (source, cli) =>
    'the body does not fit the JSON Schema of the source: mend either, or keep such events marked: ' +
    `${cli} sources update ${source} --on-invalid mark`,
  rate_limited: (source, cli) =>
    `the source takes fewer: raise it: ${cli} sources update ${source} --rate-limit '{"limit":100,"period":"1s"}'`,
};
