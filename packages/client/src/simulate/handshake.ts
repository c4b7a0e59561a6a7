import type { HandshakeAnswer } from '../verify/handshake.ts';
import { compileComputation, compileHandshakes } from '../verify/handshake.ts';
import type { HandshakeAnswerRule, HandshakeRule } from '../verify/handshake-rule.ts';
import type { Settings } from '../verify/reference.ts';
import { Draft } from '../verify/sign/draft.ts';
import type { SignedRequest } from '../verify/sign/sign-input.ts';
import { sign } from '../verify/sign/sign.ts';
import type { TextToken } from '../verify/text-template.ts';
import { compileText, textTokens } from '../verify/text-template.ts';
import { runWithWebCrypto } from '../verify/web-crypto.ts';
import { viewOfRequest } from '../verify/webhook-request.ts';
import type { SimulationKeys } from './simulate.ts';

/** A question about the URL itself, as the provider would ask it, and the answer that it wants. */
export interface SimulatedHandshake {
  /** Which of the provider's questions it is: `GET hub.mode=subscribe`. */
  readonly name: string;
  readonly request: SignedRequest;
  readonly wanted: HandshakeAnswer;
}

/**
 * Why a question cannot be simulated; undefined when it can.
 *
 * @param config the settings of the source. Default: whichever the question is answered with.
 */
export function handshakeObstacle(rule: HandshakeRule, config?: Settings): string | undefined {
  if (rule.learns !== undefined) return 'it brings the secret along, so only a source without one answers it';
  if (rule.confirm !== undefined) return 'the answer is a call to an address of the provider';
  if (rule.decryptWith !== undefined) return 'it is encrypted';
  if (rule.answer.status >= 400) return 'the answer is a refusal';
  return config === undefined ? undefined : settingObstacle(rule, config);
}

function settingObstacle(rule: HandshakeRule, config: Settings): string | undefined {
  for (const { reference, condition, absent } of settingTokens(rule)) {
    const name = reference.slice('cfg:'.length);
    const value = config[name] ?? '';
    if (absent) {
      if (value !== '') return `the source has ${name} in its config`;
    } else if (value === '') {
      return `the source has no ${name} in its config`;
    } else if (condition !== undefined && condition !== '*' && value !== condition) {
      return `the source has not ${name}: "${condition}" in its config`;
    }
  }
  return undefined;
}

/** The settings that a question is answered with, and those that must not be there. */
function settingTokens({ when = [], match, compute, answer }: HandshakeRule): TextToken[] {
  const texts = [
    ...when,
    ...(match === undefined ? [] : [match.equals]),
    ...(compute?.sorted ?? [compute?.content ?? '']),
    ...answerTexts(answer),
  ];
  return texts.flatMap(textTokens).filter(({ reference }) => reference.startsWith('cfg:'));
}

function answerTexts({ text = '', headers = {}, json = {} }: HandshakeAnswerRule): string[] {
  return [text, ...Object.values(headers), ...Object.values(json).map(String)];
}

/** The name of a question: what tells it from others. */
export function handshakeName({ method = 'POST', when = [], emptyList }: HandshakeRule): string {
  const marks = when.flatMap(textTokens).flatMap(({ reference, condition, absent }) => {
    const name = reference.slice(reference.indexOf(':') + 1);
    return absent ? [] : [condition === undefined ? name : `${name}=${condition}`];
  });
  return [method, ...marks, ...(emptyList === undefined ? [] : [`empty ${emptyList}`])].join(' ');
}

/** Asks as the provider would. The rule must have no obstacle with these keys' settings. */
export async function simulateHandshake(
  provider: string,
  rule: HandshakeRule,
  given: { readonly url: string; readonly keys: SimulationKeys; readonly now?: Date },
): Promise<SimulatedHandshake> {
  const { url, keys, now = new Date() } = given;
  const draft = new Draft(rule.method ?? 'POST', url, [], new Uint8Array(0), now.getTime());
  if (rule.emptyList !== undefined) draft.setJson(rule.emptyList, []);
  for (const { reference, value } of mentioned(rule)) draft.set(reference, value);
  if (rule.match !== undefined) await meetMatch(rule, rule.match, draft, keys);
  if (rule.atMost !== undefined) meetLimit(rule.atMost, draft, keys.config);
  if (rule.emptyBody !== true && draft.body.length > 0 && draft.header('content-type') === undefined)
    draft.setHeader('content-type', 'application/json');
  const { method, headers, body } = draft;
  const request =
    rule.verified === true
      ? await sign(provider, { ...keys, method, url: draft.url, headers, body, now })
      : { method, url: draft.url, headers, body };
  return { name: handshakeName(rule), request, wanted: await wantedAnswer(rule, request, keys, now) };
}

interface Mention {
  readonly reference: string;
  readonly value: string | number;
}

// What the rule asks for has the value that it asks for; what it answers with is anything new.
function mentioned(rule: HandshakeRule): Mention[] {
  const { answer, compute } = rule;
  const asked = (rule.when ?? []).flatMap(textTokens).filter(({ absent }) => !absent);
  const answered = [...answerTexts(answer), ...(compute?.sorted ?? [compute?.content ?? ''])].flatMap(
    textTokens,
  );
  const known = new Map<string, string | number>();
  for (const { reference, condition } of [...asked, ...answered]) {
    if (known.has(reference) || !/^(?:h|q|json|form|fj):/.test(reference)) continue;
    const fixed = condition === undefined || condition === '*' ? undefined : condition;
    known.set(reference, typed(reference, fixed ?? crypto.randomUUID().replaceAll('-', '')));
  }
  return [...known].map(([reference, value]) => ({ reference, value }));
}

// In JSON a kind that is a number is written as one.
function typed(reference: string, value: string): string | number {
  return reference.startsWith('json:') && /^\d+$/.test(value) ? Number(value) : value;
}

async function meetMatch(
  rule: HandshakeRule,
  match: NonNullable<HandshakeRule['match']>,
  draft: Draft,
  keys: SimulationKeys,
): Promise<void> {
  const secret = keys.secrets?.[0];
  const settings: Settings = keys.config;
  const compute = compileComputation(rule, settings, secret);
  const computed = await runWithWebCrypto(compute(draft.view()), () => Promise.resolve(undefined));
  const value = compileText(match.equals, settings)(draft.view(), { computed, secret });
  const [token] = textTokens(match.value);
  if (token !== undefined && value !== undefined) draft.set(token.reference, value);
}

// As much as is allowed; without a limit, any number passes.
function meetLimit(atMost: NonNullable<HandshakeRule['atMost']>, draft: Draft, settings: Settings): void {
  const limit = compileText(atMost.limit, settings)(draft.view()) ?? '86400';
  const [token] = textTokens(atMost.value);
  if (token !== undefined) draft.set(token.reference, limit);
}

async function wantedAnswer(
  rule: HandshakeRule,
  request: SignedRequest,
  keys: SimulationKeys,
  now: Date,
): Promise<HandshakeAnswer> {
  // The proof is the receiver's to check; what to answer follows from the question alone.
  const { verified: _verified, ...unproven } = rule;
  const credentials = {
    ...(keys.secrets === undefined ? {} : { secrets: keys.secrets }),
    config: keys.config,
  };
  const answer = compileHandshakes([unproven], credentials, undefined);
  const view = viewOfRequest(request, now);
  const task = answer?.(view);
  const wanted =
    task === undefined ? undefined : await runWithWebCrypto(task, () => Promise.resolve(undefined));
  if (wanted === undefined) throw new Error(`the question ${handshakeName(rule)} has no answer`);
  return wanted;
}
