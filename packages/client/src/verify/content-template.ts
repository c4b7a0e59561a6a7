import { encodeBytes } from './bytes.ts';
import { crc32 } from './crc32.ts';
import type { MessageParts, Task } from './operation.ts';
import { digest } from './operation.ts';
import { VerifierSettingsError, refuse } from './reasons.ts';
import type { ReadReference, Settings, SignatureFields } from './reference.ts';
import { compileReference, splitReference } from './reference.ts';
import type { RequestView } from './request-view.ts';
import { fromUtf8 } from './bytes.ts';

/** The values that a content template may use besides references. */
export interface ContentValues {
  readonly view: RequestView;
  readonly fields: SignatureFields | undefined;
  readonly ts: string | undefined;
  readonly id: string | undefined;
  readonly secret: string | undefined;
}

/** A compiled content template. */
export interface ContentTemplate {
  /** Whether the content includes the whole body. */
  readonly coversBody: boolean;
  /** Whether the content differs from secret to secret. */
  readonly usesSecret: boolean;
  /** The signed message when it can be made at once; undefined when a hash is needed first. */
  readonly build: ((values: ContentValues) => MessageParts) | undefined;
  /** The signed message, for every template. */
  readonly task: (values: ContentValues) => Task<MessageParts>;
}

type Segment = (values: ContentValues) => string | Uint8Array;

const token = /\{([a-z]+)(?::([^{}|]+))?(?:\|([a-z0-9]+))?\}/g;
const plainNames = ['body', 'ts', 'id', 'url', 'method', 'secret', 'form'];
const filters = ['sha256hex', 'crc32', 'jsonstr', 'sortedkv'];

/** The mistakes in a template, each with its fix; empty when there is none. */
export function templateMistakes(template: string): string[] {
  const mistakes: string[] = [];
  for (const [whole, name = '', rest, filter] of template.matchAll(token)) {
    const known =
      rest === undefined ? plainNames.includes(name) : splitReference(`${name}:${rest}`) !== undefined;
    if (!known) {
      mistakes.push(
        `${whole} is not known: use ${plainNames.map((known_) => `{${known_}}`).join(', ')}, {h:HEADER}, ` +
          `{q:PARAMETER}, {json:PATH}, {form:FIELD}, {sig:FIELD} or {cfg:KEY}`,
      );
    }
    if (filter !== undefined && !filters.includes(filter)) {
      mistakes.push(`the filter in ${whole} is not known: use one of ${filters.join(', ')}`);
    }
  }
  return mistakes;
}

/** Prepares the text that a scheme signs. */
export function compileContent(template: string, settings: Settings): ContentTemplate {
  const mistake = templateMistakes(template)[0];
  if (mistake !== undefined) throw new VerifierSettingsError('/verification/content', mistake);
  const segments: Segment[] = [];
  let coversBody = false;
  let usesSecret = false;
  let hashesBody = false;
  let end = 0;
  for (const match of template.matchAll(token)) {
    if (match.index > end) segments.push(literal(template.slice(end, match.index)));
    end = match.index + match[0].length;
    const [, name = '', rest, filter] = match;
    if (name === 'body' || (name === 'form' && rest === undefined)) coversBody = true;
    if (name === 'secret') usesSecret = true;
    if (filter === 'sha256hex') {
      hashesBody = true;
      segments.push(bodyHash);
    } else {
      segments.push(segment(name, rest, filter, settings));
    }
  }
  if (end < template.length) segments.push(literal(template.slice(end)));

  const build = (values: ContentValues): MessageParts => segments.map((read) => read(values));
  function* task(values: ContentValues): Task<MessageParts> {
    const parts = build(values);
    if (!hashesBody) return parts;
    const hash = encodeBytes(yield* digest('sha256', [values.view.body]), 'hex');
    return parts.map((part, i) => (segments[i] === bodyHash ? hash : part));
  }
  return { coversBody, usesSecret, build: hashesBody ? undefined : build, task };
}

function bodyHash(): string {
  return '';
}

function literal(text: string): Segment {
  return () => text;
}

function segment(
  name: string,
  rest: string | undefined,
  filter: string | undefined,
  settings: Settings,
): Segment {
  if (filter === 'crc32') return ({ view }) => String(crc32(view.body));
  if (filter === 'sortedkv') return ({ view }) => sortedPairs(view.form());
  const read = rest === undefined ? plainSegment(name) : referenceSegment(name, rest, settings);
  if (filter !== 'jsonstr') return read;
  return (values) => {
    const value = read(values);
    return JSON.stringify(typeof value === 'string' ? value : fromUtf8(value));
  };
}

function plainSegment(name: string): Segment {
  switch (name) {
    case 'body':
      return ({ view }) => view.body;
    case 'url':
      return ({ view }) => view.url;
    case 'method':
      return ({ view }) => view.method;
    case 'ts':
      return ({ ts }) => present(ts, 'missing_timestamp');
    case 'id':
      return ({ id }) => present(id, 'missing_header');
    case 'secret':
      return ({ secret }) => secret ?? '';
    default:
      throw new VerifierSettingsError(
        '/verification/content',
        `{${name}} needs a filter, such as {form|sortedkv}`,
      );
  }
}

function referenceSegment(kind: string, name: string, settings: Settings): Segment {
  const read: ReadReference = compileReference(`${kind}:${name}`, settings, true);
  if (kind === 'cfg' && (settings[name] ?? '') === '') {
    throw new VerifierSettingsError(`/config/${name}`, `set ${name}: the signed content includes it`);
  }
  const reason =
    kind === 'h' || kind === 'q'
      ? 'missing_header'
      : kind === 'sig'
        ? 'malformed_signature'
        : 'missing_field';
  return ({ view, fields }) => present(read(view, fields), reason);
}

function present(
  value: string | undefined,
  reason: 'missing_timestamp' | 'missing_header' | 'missing_field' | 'malformed_signature',
): string {
  if (value === undefined) throw refuse(reason);
  return value;
}

function sortedPairs(form: URLSearchParams): string {
  return [...form]
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => name + value)
    .join('');
}
