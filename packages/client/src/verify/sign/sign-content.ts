import { encodeBytes } from '../bytes.ts';
import { compileContent } from '../content-template.ts';
import type { ContentValues } from '../content-template.ts';
import type { Task } from '../operation.ts';
import { digest, hmac } from '../operation.ts';
import { VerifierSettingsError } from '../reasons.ts';
import { compileReference, splitReference } from '../reference.ts';
import type { DigestScheme, MacScheme, SignaturePlace, SignatureScheme, TimestampRule } from '../scheme.ts';
import { macHashes } from '../signed-content.ts';
import type { Draft } from './draft.ts';
import type { SignInput } from './sign-input.ts';
import { faulty, signed, signingKey, signingSecret } from './signing-keys.ts';

type ContentScheme = MacScheme | DigestScheme | SignatureScheme;

/** Signs a draft by a scheme over its content: adds what the content needs, then the signature. */
export function* signContent(scheme: ContentScheme, draft: Draft, input: SignInput): Task<void> {
  const settings = input.config ?? {};
  const fields = new Map<string, string>();
  const ts = writeTimestamp(scheme.ts, draft, fields);
  for (const { ref, equals } of scheme.require ?? []) {
    draft.set(ref, equals.startsWith('cfg:') ? (settings[equals.slice(4)] ?? '') : equals);
  }
  if (scheme.kind === 'signature') writeKeyName(scheme, draft, input);
  fillReferences(scheme, draft, fields, settings);
  orderFields(fields, scheme);
  const view = draft.view();
  const id = scheme.id === undefined ? undefined : compileReference(scheme.id, settings, true)(view);
  const secret =
    scheme.kind === 'signature' ? undefined : signingSecret(input, scheme.kind === 'mac' ? scheme.key : {});
  const signature = yield* compute(scheme, { view, fields, ts, id, secret: secret?.text }, input);
  if (input.fault !== 'missing-header') {
    place(
      scheme.sig,
      encodeBytes(faulty(signature, input), scheme.sig.enc ?? 'hex'),
      draft,
      fields,
      settings,
    );
  }
}

function* compute(scheme: ContentScheme, values: ContentValues, input: SignInput): Task<Uint8Array> {
  const parts = yield* compileContent(scheme.content, input.config ?? {}).task(values);
  if (scheme.kind === 'digest') return yield* digest(scheme.alg, parts);
  if (scheme.kind === 'signature') return yield* signed(scheme.alg, signingKey(input), parts);
  const { bytes } = signingSecret(input, scheme.key);
  const key = scheme.key?.derive === undefined ? bytes : yield* digest(scheme.key.derive, [bytes]);
  return yield* hmac(macHashes[scheme.alg], key, parts);
}

/** An instant in the words of a rule. */
export function writtenInstant(nowMs: number, unit: TimestampRule['unit']): string {
  const seconds = Math.floor(nowMs / 1000);
  if (unit === 's') return String(seconds);
  if (unit === 'ms') return String(nowMs);
  return unit === 'iso' ? new Date(nowMs).toISOString() : new Date(seconds * 1000).toUTCString();
}

function writeTimestamp(
  rule: TimestampRule | undefined,
  draft: Draft,
  fields: Map<string, string>,
): string | undefined {
  if (rule === undefined) return undefined;
  const text = writtenInstant(draft.nowMs, rule.unit);
  if (rule.from.startsWith('sig:')) fields.set(rule.from.slice(4), text);
  // Inside JSON a timestamp that is a number is written as one.
  else draft.set(rule.from, rule.from.startsWith('json:') && rule.unit === 'ms' ? draft.nowMs : text);
  return text;
}

function writeKeyName(scheme: SignatureScheme, draft: Draft, input: SignInput): void {
  if (scheme.key.from === 'keys') draft.set(scheme.key.select, input.keyId ?? 'key-1');
  if (scheme.key.from !== 'certUrl') return;
  const { name = '' } = splitReference(scheme.key.urlFrom) ?? {};
  if (draft.header(name) !== undefined) return;
  const url = input.config?.['certUrl'];
  if (url === undefined) {
    throw new VerifierSettingsError(
      '/config/certUrl',
      'set certUrl: where the receiver finds the certificate',
    );
  }
  draft.set(scheme.key.urlFrom, url);
}

// Ids and nonces that the content includes and the caller did not give.
function fillReferences(
  scheme: ContentScheme,
  draft: Draft,
  fields: Map<string, string>,
  settings: NonNullable<SignInput['config']>,
): void {
  const inContent = [...scheme.content.matchAll(/\{((?:h|sig|json|form|fj):[^{}|]+)/g)].map(
    ([, ref = '']) => ref,
  );
  for (const reference of [...inContent, ...(scheme.id === undefined ? [] : [scheme.id])]) {
    if (compileReference(reference, settings, true)(draft.view(), fields) !== undefined) continue;
    if (reference.startsWith('sig:')) fields.set(reference.slice(4), settings[reference.slice(4)] ?? 'main');
    else draft.set(reference, crypto.randomUUID());
  }
}

// Labels come in the order in which the content uses them.
function orderFields(fields: Map<string, string>, scheme: ContentScheme): void {
  const position = (name: string): number =>
    scheme.content.indexOf(scheme.ts?.from === `sig:${name}` ? '{ts}' : `{sig:${name}`);
  const ordered = [...fields].toSorted(([a], [b]) => position(a) - position(b));
  fields.clear();
  for (const [name, value] of ordered) fields.set(name, value);
}

function place(
  sig: SignaturePlace,
  encoded: string,
  draft: Draft,
  fields: ReadonlyMap<string, string>,
  settings: NonNullable<SignInput['config']>,
): void {
  const text = writtenSignature(sig, encoded, fields, settings);
  if (sig.query !== undefined) draft.setQuery(sig.query, text);
  else if (sig.form !== undefined) draft.setForm(sig.form, text);
  else if (sig.json !== undefined) draft.setJson(sig.json, text);
  else if (sig.formJson !== undefined) draft.setFormJson('json', sig.formJson, text);
  else draft.setHeader(headerName(sig), text);
}

function headerName({ header, headers, headerPattern = '' }: SignaturePlace): string {
  return header ?? headers?.[0] ?? headerPattern.replaceAll(/^\^|\$$/g, '').replace(String.raw`\d+`, '1');
}

function writtenSignature(
  sig: SignaturePlace,
  encoded: string,
  fields: ReadonlyMap<string, string>,
  settings: NonNullable<SignInput['config']>,
): string {
  const one = (sig.prefix ?? '') + encoded;
  if (sig.list === undefined) return one;
  if (sig.positional === true) return [...fields.values(), one].join(sig.list);
  if (sig.kv === undefined) return one;
  const label = sig.pickConfig === undefined ? (sig.pick ?? '') : (settings[sig.pickConfig] ?? '');
  const others = [...fields];
  const entries =
    sig.signatureFirst === true ? [[label, one] as const, ...others] : [...others, [label, one] as const];
  return entries.map(([name, value]) => `${name}${sig.kv ?? ''}${value}`).join(sig.list);
}
