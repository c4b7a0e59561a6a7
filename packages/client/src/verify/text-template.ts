import type { ReadReference, Settings } from './reference.ts';
import { compileReference } from './reference.ts';
import type { RequestView } from './request-view.ts';

// Texts made from a request: identities of events and answers to handshakes. A template is text
// with references in braces, such as `{json:repository.full_name}#{json:issue.number}`. `{REF=TEXT}`
// is a condition: it adds nothing, and holds when the value is TEXT, or any value for `*`; `{!REF}`
// holds when there is no value.
const token = /\{(!?)([a-z]+:[^{}=]+|computed|secret)(?:=([^{}]*))?\}/g;

/** Values besides the request's own. */
export interface TextValues {
  readonly computed?: string | undefined;
  readonly secret?: string | undefined;
}

/** Reads the text; undefined when a part is absent or empty, or a condition does not hold. */
export type ReadText = (view: RequestView, values?: TextValues) => string | undefined;

/** A part of a template that depends on the request. */
export interface TextToken {
  readonly reference: string;
  readonly condition: string | undefined;
  readonly absent: boolean;
}

/** The references and conditions of a template, in order. */
export function textTokens(template: string): TextToken[] {
  return [...template.matchAll(token)].map(([, mark, reference = '', condition]) => ({
    reference,
    condition,
    absent: mark === '!',
  }));
}

/** Prepares a template. Throws when a reference in it is not one. */
export function compileText(template: string, settings: Settings = {}): ReadText {
  const parts: ReadText[] = [];
  let end = 0;
  for (const match of template.matchAll(token)) {
    const text = template.slice(end, match.index);
    if (text !== '') parts.push(() => text);
    end = match.index + match[0].length;
    const [, mark, reference = '', condition] = match;
    const part = compileToken(reference, condition, settings);
    parts.push(mark === '!' ? (view, values) => (part(view, values) === undefined ? '' : undefined) : part);
  }
  const rest = template.slice(end);
  if (rest !== '') parts.push(() => rest);
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  return (view, values) => joinAll(parts, view, values);
}

function compileToken(reference: string, condition: string | undefined, settings: Settings): ReadText {
  if (reference === 'computed') return (_view, values) => values?.computed;
  if (reference === 'secret') return (_view, values) => values?.secret;
  const read = compileReference(reference, settings, false);
  return condition === undefined ? nonEmpty(read) : holds(read, condition);
}

function joinAll(
  parts: readonly ReadText[],
  view: RequestView,
  values: TextValues | undefined,
): string | undefined {
  let joined = '';
  for (const read of parts) {
    const part = read(view, values);
    if (part === undefined) return undefined;
    joined += part;
  }
  return joined;
}

function nonEmpty(read: ReadReference): ReadText {
  return (view) => {
    const value = read(view);
    return value === '' ? undefined : value;
  };
}

function holds(read: ReadReference, condition: string): ReadText {
  return (view) => {
    const value = read(view);
    return value !== undefined && (condition === '*' || value === condition) ? '' : undefined;
  };
}
