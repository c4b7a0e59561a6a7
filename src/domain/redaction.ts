/** What stands in place of a value that is not to be seen. */
export const REDACTED = '(redacted)';

/** Shorter values are not looked for elsewhere: they would be found everywhere. */
const SHORTEST_ELSEWHERE = 3;
/** What is nested deeper is taken out whole: no payload that is meant is, and walking has an end. */
const DEEPEST = 500;

/** A rule is a JSON pointer (RFC 6901; `*` stands for any one step), or a name that counts at any depth. */
export function isRedactionRule(text: string): boolean {
  if (text.startsWith('/')) return /^(\/([^~/]|~[01])+)+$/.test(text);
  return text.length > 0 && text.length <= 200 && !/[\p{Cc}/]/u.test(text);
}

/** What is left of a value, and what was taken out of it, as text. */
export interface Redacted {
  readonly value: unknown;
  readonly removed: ReadonlySet<string>;
}

/** Takes the values that the rules name out of a JSON value; the value itself is not changed. */
export function redact(value: unknown, rules: readonly string[]): Redacted {
  const names = new Set(rules.filter((rule) => !rule.startsWith('/')).map((name) => name.toLowerCase()));
  const pointers = rules.filter((rule) => rule.startsWith('/')).map((rule) => steps(rule));
  const removed = new Set<string>();
  const walk = (inner: unknown, path: readonly string[]): unknown => {
    if (path.length > DEEPEST) return REDACTED;
    if (path.length > 0 && (isNamed(path, names) || pointers.some((pointer) => fits(pointer, path)))) {
      collect(inner, removed);
      return REDACTED;
    }
    if (Array.isArray(inner)) return inner.map((item, index) => walk(item, [...path, String(index)]));
    if (typeof inner !== 'object' || inner === null) return inner;
    const entries = Object.entries(inner).map(([name, item]) => [name, walk(item, [...path, name])] as const);
    return Object.fromEntries(entries);
  };
  return { value: walk(value, []), removed };
}

/** The text with every value that was taken out elsewhere taken out here too. */
export function without(text: string, removed: ReadonlySet<string>): string {
  let rest = text;
  for (const value of removed) {
    if (rest === value) return REDACTED;
    if (value.length < SHORTEST_ELSEWHERE) continue;
    for (const form of formsOf(value)) rest = rest.replaceAll(form, REDACTED);
  }
  return rest;
}

/** As it is written in JSON, in a URL, in a form. */
function formsOf(value: string): ReadonlySet<string> {
  const encoded = new URLSearchParams([['', value]]).toString().slice(1);
  return new Set([
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value.toWellFormed()),
    encoded,
  ]);
}

function isNamed(path: readonly string[], names: ReadonlySet<string>): boolean {
  return names.has((path.at(-1) ?? '').toLowerCase());
}

function steps(pointer: string): string[] {
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function fits(pointer: readonly string[], path: readonly string[]): boolean {
  return (
    pointer.length === path.length && pointer.every((step, index) => step === '*' || step === path[index])
  );
}

function collect(value: unknown, into: Set<string>): void {
  if (typeof value === 'string' || typeof value === 'number') {
    if (value !== '') into.add(String(value));
  } else if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) collect(inner, into);
  }
}
