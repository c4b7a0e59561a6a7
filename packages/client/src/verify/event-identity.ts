import type { Settings } from './reference.ts';
import { compileReference, splitReference } from './reference.ts';
import type { RequestView } from './request-view.ts';
import { VerifierSettingsError } from './reasons.ts';
import { compileText } from './text-template.ts';

/** Alternatives, as text templates: the first that is complete counts. */
export type IdentityTemplates = readonly string[];

/** An instant of the event: `UNIT REFERENCE`, such as `s json:created`. */
export type TimeRule = `${'s' | 'ms' | 'iso'} ${string}`;

/** Where a provider writes what its events are. */
export interface IdentityRules {
  /**
   * The reversed domain that types begin with, as in `com.github.push`: `com.` and this. Empty: the
   * format is shared by many senders, and the type stays as it was sent.
   */
  readonly brand?: string;
  readonly type?: IdentityTemplates;
  /** What is the same when the sender repeats an event, and never for two events. */
  readonly id?: IdentityTemplates;
  /** What the event is about: events with the same key belong together. */
  readonly key?: IdentityTemplates;
  readonly time?: readonly TimeRule[];
}

/** What a request says of its event. Absent: it does not say. */
export interface EventIdentity {
  readonly id?: string;
  readonly type?: string;
  readonly key?: string;
  readonly timeMs?: number;
  /**
   * The provider gives its events no id: compare bodies instead, within minutes only, for some
   * senders repeat the same bytes for a new event.
   */
  readonly dedupe?: 'body';
}

// Longer values are somebody's mistake or attack; they must not become keys of an index.
const maxLength = 512;
const maxTypeLength = 200;
type Read = (view: RequestView) => string | undefined;

/**
 * Prepares the reading of an event's identity. Nothing is parsed that the rules do not need.
 *
 * @param defaultBrand the brand when the rules name none; undefined for generic sources, whose
 *   events have only the identity that the settings `idFrom`, `typeFrom`, `keyFrom`, `timeFrom`
 *   tell.
 */
export function compileIdentity(rules: IdentityRules, defaultBrand: string | undefined, settings: Settings) {
  const readId = compileFirst(chosen(settings, 'idFrom', rules.id));
  const readType = compileFirst(chosen(settings, 'typeFrom', rules.type));
  const readKey = compileFirst(chosen(settings, 'keyFrom', rules.key));
  const readTime = compileTime(settings['timeFrom'] === undefined ? rules.time : [settings['timeFrom']]);
  const prefix = typePrefix(rules.brand ?? defaultBrand);
  const fallbackType = prefix === '' ? undefined : `${prefix}event`;
  const hintsBody = defaultBrand !== undefined;

  return (view: RequestView): EventIdentity => {
    const written = readType?.(view);
    const type = written === undefined ? undefined : cleanType(written);
    const id = readId?.(view);
    const key = readKey?.(view);
    const timeMs = readTime(view);
    const fullType = type === undefined ? fallbackType : prefix + type;
    const identity: { -readonly [Field in keyof EventIdentity]: EventIdentity[Field] } = {};
    if (fullType !== undefined) identity.type = fullType;
    if (id !== undefined) identity.id = id;
    if (key !== undefined) identity.key = key;
    if (timeMs !== undefined) identity.timeMs = timeMs;
    if (id === undefined && hintsBody) identity.dedupe = 'body';
    return identity;
  };
}

function typePrefix(brand: string | undefined): string {
  return brand === undefined || brand === '' ? '' : `com.${brand}.`;
}

/** The type that events get which the provider calls `written`. */
export function eventTypeOf(rules: IdentityRules, defaultBrand: string | undefined, written: string): string {
  return typePrefix(rules.brand ?? defaultBrand) + (cleanType(written) ?? 'event');
}

function chosen(settings: Settings, name: string, fromTable: IdentityTemplates | undefined) {
  const own = settings[name];
  if (own === undefined) return { pointer: name, templates: fromTable };
  if (!own.includes('{') && splitReference(own) === undefined) {
    throw new VerifierSettingsError(
      `/config/${name}`,
      `"${own}" does not say where to look: write for example h:x-event-id or json:id`,
    );
  }
  // A bare reference is a template with nothing around it.
  return { pointer: name, templates: [own.includes('{') ? own : `{${own}}`] };
}

function compileFirst(rule: { pointer: string; templates: IdentityTemplates | undefined }): Read | undefined {
  if (rule.templates === undefined || rule.templates.length === 0) return undefined;
  try {
    const alternatives = rule.templates.map((template) => compileText(template));
    return (view) => {
      for (const read of alternatives) {
        const value = read(view);
        if (value !== undefined && value !== '' && value.length <= maxLength) return value;
      }
      return undefined;
    };
  } catch (error) {
    if (!(error instanceof VerifierSettingsError)) throw error;
    throw new VerifierSettingsError(`/config/${rule.pointer}`, error.message);
  }
}

const cleanTypePattern = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

// Segments between full stops, none of them empty (Standard Webhooks, "Event types").
function cleanType(type: string): string | undefined {
  if (cleanTypePattern.test(type) && type.length <= maxTypeLength) return type;
  const cleaned = type
    .slice(0, maxTypeLength)
    .replaceAll(/[^A-Za-z0-9_.-]/g, '_')
    .replaceAll(/\.{2,}/g, '.')
    .replaceAll(/^\.|\.$/g, '');
  return cleaned === '' ? undefined : cleaned;
}

function compileTime(rules: readonly string[] | undefined): (view: RequestView) => number | undefined {
  const readers = (rules ?? []).map((rule) => {
    const [unit = '', reference = ''] = rule.split(' ');
    return { unit, read: compileReference(reference, {}, false) };
  });
  return (view) => {
    for (const { unit, read } of readers) {
      const instant = parseTime(read(view), unit);
      if (instant !== undefined) return instant;
    }
    return undefined;
  };
}

// Lenient, unlike the timestamps of proofs: nothing depends on it but how an event is shown.
function parseTime(text: string | undefined, unit: string): number | undefined {
  if (text === undefined || text === '') return undefined;
  const instant =
    unit === 'iso'
      ? parseIso(text)
      : /^\d+(?:\.\d+)?$/.test(text)
        ? Number(text) * (unit === 's' ? 1000 : 1)
        : NaN;
  return Number.isFinite(instant) && instant > 0 ? Math.round(instant) : undefined;
}

function parseIso(text: string): number {
  if (!/^\d{4}-\d\d-\d\d[T ]/.test(text)) return NaN;
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`;
  return Date.parse(
    zoned
      .replace(' ', 'T')
      .replace(/(\.\d{3})\d+/, '$1')
      .replace(/([+-]\d\d)(\d\d)$/, '$1:$2'),
  );
}
