import { decodeSecretBase64, encodeBytes, equalBytes, utf8 } from './bytes.ts';
import type { HandshakeAnswerRule, HandshakeRule } from './handshake-rule.ts';
import type { HashName, Task } from './operation.ts';
import { digest, hmac } from './operation.ts';
import type { Credentials, PreparedScheme } from './prepared-scheme.ts';
import { Refusal } from './reasons.ts';
import type { Settings } from './reference.ts';
import { parsePath, valueAtPath } from './reference.ts';
import { RequestView } from './request-view.ts';
import type { ReadText, TextValues } from './text-template.ts';
import { compileText, textTokens } from './text-template.ts';

/** An answer to a provider's question about the URL itself, which is no event. */
export interface HandshakeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /**
   * The secret that the question brought. Keep it, once: only a source without any secret gets one
   * in this way.
   */
  readonly learnedSecret?: string;
}

/** Answers a request if it is a handshake; undefined: it is not, so treat it as an event. */
export type AnswerHandshake = (view: RequestView) => Task<HandshakeAnswer | undefined>;

// Echoing more than a token would make us a mirror for whatever somebody sends.
const maxEchoChars = 4096;
const maxSecretChars = 512;

/**
 * Prepares a provider's handshakes; undefined when it has none.
 *
 * @param scheme checks questions that are signed; undefined: such questions are not answered.
 * @param awaitsSecret whether a question may bring a secret; default: while there is none.
 */
export function compileHandshakes(
  rules: readonly HandshakeRule[] | undefined,
  credentials: Credentials,
  scheme: PreparedScheme | undefined,
  awaitsSecret: boolean = (credentials.secrets ?? []).length === 0,
): AnswerHandshake | undefined {
  if (rules === undefined || rules.length === 0) return undefined;
  const usable = rules.filter((rule) => rule.learns === undefined || awaitsSecret);
  const compiled = usable.map((rule) => compileRule(rule, credentials, scheme));
  return function* answer(view) {
    for (const rule of compiled) {
      const answered = yield* rule(view);
      if (answered !== undefined) return answered;
    }
    return undefined;
  };
}

/** Reads the secret that a question brings along, whether or not it is awaited. */
export function compileBroughtSecret(
  rules: readonly HandshakeRule[] | undefined,
  settings: Settings,
): ReadText | undefined {
  const readers = (rules ?? []).flatMap(({ learns }) =>
    learns === undefined ? [] : [compileText(learns, settings)],
  );
  if (readers.length === 0) return undefined;
  return (view) => {
    for (const read of readers) {
      const secret = read(view);
      if (secret !== undefined) return secret;
    }
    return undefined;
  };
}

function compileRule(
  rule: HandshakeRule,
  credentials: Credentials,
  scheme: PreparedScheme | undefined,
): AnswerHandshake {
  const settings = credentials.config ?? {};
  const secret = credentials.secrets?.[0];
  const applies = compileConditions(rule, settings);
  const readKey = rule.decryptWith === undefined ? undefined : compileText(rule.decryptWith, settings);
  const respond = compileAnswer(rule, settings, secret);
  const learned = rule.learns === undefined ? undefined : compileText(rule.learns, settings);

  return function* answer(request) {
    if (request.method !== (rule.method ?? 'POST')) return undefined;
    if (rule.emptyBody === true && request.body.length > 0) return undefined;
    const view = readKey === undefined ? request : yield* decrypted(request, readKey(request, { secret }));
    if (view === undefined || !applies(view)) return undefined;
    if (rule.verified === true && !(yield* isProven(view, scheme))) return undefined;
    const answered = yield* respond(view);
    if (answered === undefined || learned === undefined) return answered;
    const learnedSecret = learned(view);
    const isUsable = learnedSecret !== undefined && learnedSecret.length <= maxSecretChars;
    return isUsable ? { ...answered, learnedSecret } : undefined;
  };
}

function* isProven(view: RequestView, scheme: PreparedScheme | undefined): Task<boolean> {
  if (scheme === undefined) return false;
  try {
    yield* scheme.check(view);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

function compileConditions(rule: HandshakeRule, settings: Settings): (view: RequestView) => boolean {
  const conditions = (rule.when ?? []).map((template) => compileText(template, settings));
  // An event must not be parsed before it is proven, nor twice: a body without the word that the
  // rule looks for is not a handshake, and that is seen without parsing.
  const words = (rule.decryptWith === undefined ? (rule.when ?? []) : []).flatMap(bodyWords);
  if (rule.emptyList !== undefined) words.push(utf8('[]'));
  const list = rule.emptyList === undefined ? undefined : parsePath(rule.emptyList);
  return (view) =>
    words.every((word) => includesBytes(view.body, word)) &&
    conditions.every((read) => read(view) !== undefined) &&
    (list === undefined || isEmptyList(valueAtPath(view.json()?.value, list)));
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function bodyWords(template: string): Uint8Array[] {
  return textTokens(template)
    .filter(({ reference, absent }) => !absent && /^(?:json|form|fj):/.test(reference))
    .map(({ reference, condition }) =>
      utf8(condition === undefined || condition === '*' ? (reference.split(/[:.]/).at(-1) ?? '') : condition),
    )
    .filter((word) => word.length > 0);
}

function includesBytes(bytes: Uint8Array, word: Uint8Array): boolean {
  const last = bytes.length - word.length;
  for (let at = bytes.indexOf(word[0] ?? 0); at >= 0 && at <= last; at++) {
    let same = 0;
    while (same < word.length && bytes[at + same] === word[same]) same++;
    if (same === word.length) return true;
  }
  return false;
}

function* decrypted(view: RequestView, key: string | undefined): Task<RequestView | undefined> {
  if (key === undefined || !includesBytes(view.body, utf8('"encrypt"'))) return undefined;
  const field = valueAtPath(view.json()?.value, ['encrypt']);
  const bytes = typeof field === 'string' ? decodeSecretBase64(field) : undefined;
  if (bytes === undefined || bytes.length < 32) return undefined;
  const plain = yield {
    op: 'decrypt',
    key: yield* digest('sha256', [key]),
    iv: bytes.subarray(0, 16),
    data: bytes.subarray(16),
  };
  if (!(plain instanceof Uint8Array)) return undefined;
  return new RequestView(view.method, view.url, view.rawHeaders, plain, view.nowMs);
}

function compileAnswer(rule: HandshakeRule, settings: Settings, secret: string | undefined): AnswerHandshake {
  const compute = compileComputation(rule, settings, secret);
  const { confirm } = rule;
  const objection = compileObjection(rule, settings);
  const readUrl = confirm === undefined ? undefined : compileText(confirm.url, settings);
  const render = compileRendering(rule.answer, settings);

  return function* respond(view) {
    const computed = yield* compute(view);
    const values: TextValues = { computed, secret };
    const objected = objection(view, values);
    if (objected !== undefined) return objected === 'unknown' ? undefined : emptyAnswer(objected);
    if (confirm !== undefined) {
      const url = readUrl?.(view, values);
      if (url === undefined || !isOnHost(url, confirm.hostPattern)) return undefined;
      // Not confirmed: with a 503 the provider asks again.
      if ((yield { op: 'fetch', url }) === undefined) return emptyAnswer(503);
    }
    return render(view, values);
  };
}

/** The status with which a question is turned down; `unknown`: not configured, so no handshake of ours. */
function compileObjection({ match, atMost }: HandshakeRule, settings: Settings) {
  const read = (template: string | undefined): ReadText | undefined =>
    template === undefined ? undefined : compileText(template, settings);
  const [readValue, readExpected] = [read(match?.value), read(match?.equals)];
  const [readNumber, readLimit] = [read(atMost?.value), read(atMost?.limit)];
  return (view: RequestView, values: TextValues): number | 'unknown' | undefined => {
    if (match !== undefined) {
      const expected = readExpected?.(view, values);
      if (expected === undefined) return 'unknown';
      const value = readValue?.(view, values) ?? '';
      if (!equalBytes(utf8(value), utf8(expected))) return match.orStatus;
    }
    const isTooMuch = atMost !== undefined && isAbove(readNumber?.(view, values), readLimit?.(view, values));
    return isTooMuch ? atMost.orStatus : undefined;
  };
}

function isAbove(value: string | undefined, limit: string | undefined): boolean {
  if (limit === undefined) return false;
  return value === undefined || !/^\d{1,15}$/.test(value) || Number(value) > Number(limit);
}

function isOnHost(address: string, hostPattern: string): boolean {
  try {
    const url = new URL(address);
    return url.protocol === 'https:' && url.port === '' && new RegExp(hostPattern).test(url.hostname);
  } catch {
    return false;
  }
}

function emptyAnswer(status: number): HandshakeAnswer {
  return { status, headers: {}, body: '' };
}

/** Prepares the hash that an answer contains, or that a question must contain. */
export function compileComputation(rule: HandshakeRule, settings: Settings, secret: string | undefined) {
  const { compute } = rule;
  const texts = (compute?.sorted ?? [compute?.content ?? '']).map((text) => compileText(text, settings));
  return function* computed(view: RequestView): Task<string | undefined> {
    if (compute === undefined) return undefined;
    const parts = texts.map((read) => read(view, { secret }));
    if (parts.includes(undefined)) return undefined;
    const content = (compute.sorted === undefined ? parts : parts.toSorted(byCodeUnit)).join('');
    const hash: HashName = compute.alg.endsWith('sha1') ? 'sha1' : 'sha256';
    if (!compute.alg.startsWith('hmac-')) return encodeBytes(yield* digest(hash, [content]), compute.enc);
    if (secret === undefined) return undefined;
    const key = compute.derive === undefined ? utf8(secret) : yield* digest('sha1', [secret]);
    return encodeBytes(yield* hmac(hash, key, [content]), compute.enc);
  };
}

function compileRendering(answer: HandshakeAnswerRule, settings: Settings) {
  const headers = Object.entries(answer.headers ?? {}).map(
    ([name, template]) => [name, compileText(template, settings)] as const,
  );
  const text = answer.text === undefined ? undefined : compileText(answer.text, settings);
  const json = Object.entries(answer.json ?? {}).map(
    ([name, value]) => [name, typeof value === 'string' ? compileText(value, settings) : value] as const,
  );
  return (view: RequestView, values: TextValues): HandshakeAnswer | undefined => {
    const filledHeaders = fill<string>(headers, view, values);
    const filledJson = fill(json, view, values);
    const filledText = text === undefined ? '' : text(view, values);
    if (filledHeaders === undefined || filledJson === undefined || filledText === undefined) return undefined;
    const isJson = answer.json !== undefined;
    const body = isJson ? JSON.stringify(filledJson) : filledText;
    if (body.length > maxEchoChars) return undefined;
    return { status: answer.status, headers: { ...contentHeaders(isJson, body), ...filledHeaders }, body };
  };
}

// Plain text, and never guessed to be HTML: what we echo was written by the caller.
function contentHeaders(isJson: boolean, body: string): Record<string, string> {
  if (body === '') return {};
  const type = isJson ? 'application/json' : 'text/plain';
  return { 'content-type': type, 'x-content-type-options': 'nosniff' };
}

function fill<T extends string | number>(
  entries: readonly (readonly [string, ReadText | T])[],
  view: RequestView,
  values: TextValues,
): Record<string, string | T> | undefined {
  const filled: Record<string, string | T> = {};
  for (const [name, value] of entries) {
    const text = typeof value === 'function' ? value(view, values) : value;
    if (text === undefined) return undefined;
    filled[name] = text;
  }
  return filled;
}

function byCodeUnit(a: string | undefined = '', b: string | undefined = ''): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
