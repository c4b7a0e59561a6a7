import type { RequestView } from './request-view.ts';
import { VerifierSettingsError } from './reasons.ts';

/** Settings of a source that are not secret, such as `webhookId` or `audience`. */
export type Settings = Readonly<Record<string, string | undefined>>;

/** Labelled fields of a signature header. */
export type SignatureFields = ReadonlyMap<string, string>;

/** Reads one value of a request; undefined when it is absent or not a plain value. */
export type ReadReference = (view: RequestView, fields?: SignatureFields) => string | undefined;

/** Whether a value is an object with named fields. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** The step `[*]` of a path. */
export const everyItem: unique symbol = Symbol('every item');

/** A step of a path: a field, an index, or every item. */
export type PathStep = string | number | typeof everyItem;

/**
 * The value at a path such as `a.b[0].c`, already split; undefined when it is absent. After `[*]`
 * it is the value that all items share: undefined if they differ.
 */
export function valueAtPath(value: unknown, path: readonly PathStep[]): unknown {
  let current = value;
  for (const [index, step] of path.entries()) {
    if (step === everyItem) return sharedValue(current, path.slice(index + 1));
    if (typeof step === 'number') {
      current = Array.isArray(current) ? (current as unknown[])[step] : undefined;
    } else {
      current = isRecord(current) && Object.hasOwn(current, step) ? current[step] : undefined;
    }
  }
  return current;
}

function sharedValue(list: unknown, path: readonly PathStep[]): unknown {
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const [first, ...others] = list.map((item) => valueAtPath(item, path));
  return others.every((other) => other === first) ? first : undefined;
}

/** Splits `a.b[0].c`, `[0].a` or `a[*].b` into its steps. */
export function parsePath(path: string): PathStep[] {
  const steps: PathStep[] = [];
  for (const piece of path.split('.')) {
    const name = piece.replace(/(?:\[(?:\d+|\*)\])+$/, '');
    if (name !== '') steps.push(name);
    for (const [, index] of piece.slice(name.length).matchAll(/\[(\d+|\*)\]/g)) {
      steps.push(index === '*' ? everyItem : Number(index));
    }
  }
  return steps;
}

/**
 * A plain value as text: strings as they are, numbers and booleans as JSON writes them. Integers
 * that a JavaScript number cannot hold are left out: rounded, two of them could become one.
 */
export function plainText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) return undefined;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return undefined;
}

const kinds = ['h', 'q', 'json', 'form', 'fj', 'fx', 'xml', 'other', 'sig', 'jwt', 'cfg'] as const;

/** The kinds of references, for messages that say what is possible. */
export const referenceKinds: readonly string[] = kinds;

/** Splits `kind:name`; undefined when it is not a reference. */
export function splitReference(
  reference: string,
): { kind: (typeof kinds)[number]; name: string } | undefined {
  const colon = reference.indexOf(':');
  const kind = kinds.find((known) => known === reference.slice(0, colon));
  const name = reference.slice(colon + 1);
  return kind === undefined || name === '' ? undefined : { kind, name };
}

// `path` inside the form field `json`, or `field/path`.
function fieldAndPath(name: string): readonly [string, string] {
  const slash = name.indexOf('/');
  return slash < 0 ? ['json', name] : [name.slice(0, slash), name.slice(slash + 1)];
}

function onlyValue(values: readonly string[]): string | undefined {
  return values.every((value) => value === values[0]) ? values[0] : undefined;
}

// Some senders name the kind of event by the only field that is not always there.
function otherField(value: unknown, known: readonly string[]): string | undefined {
  return isRecord(value) ? Object.keys(value).find((name) => !known.includes(name)) : undefined;
}

/**
 * Prepares a reference once, so that a request only pays for the reading.
 *
 * @param proof whether the value takes part in a proof: then a repeated header is refused.
 */
export function compileReference(reference: string, settings: Settings, proof: boolean): ReadReference {
  const split = splitReference(reference);
  if (split === undefined) {
    throw new VerifierSettingsError(
      '/verification',
      `"${reference}" is not a reference: write one of ${kinds.map((kind) => `${kind}:...`).join(', ')}`,
    );
  }
  const { kind, name } = split;
  switch (kind) {
    case 'h': {
      const lowerName = name.toLowerCase();
      return proof ? (view) => view.header(lowerName) : (view) => view.firstHeader(lowerName);
    }
    case 'q':
      return (view) => view.query().get(name) ?? undefined;
    case 'form':
      return (view) => view.formText(name);
    case 'sig':
      return (_view, fields) => fields?.get(name);
    case 'cfg':
      return () => settings[name];
    case 'json': {
      const path = parsePath(name);
      return (view) => plainText(valueAtPath(view.json()?.value, path));
    }
    case 'fj': {
      const [field, path] = fieldAndPath(name);
      const steps = parsePath(path);
      return (view) => plainText(valueAtPath(view.formJson(field), steps));
    }
    case 'fx': {
      const [field, element] = fieldAndPath(name);
      return (view) => view.formXml(field, element);
    }
    case 'xml':
      return (view) => onlyValue(view.xml(name));
    case 'other': {
      const known = name.split(',');
      return (view) => otherField(view.json()?.value, known);
    }
    case 'jwt':
    default: {
      const path = parsePath(name);
      return (view) => plainText(valueAtPath(view.claims, path));
    }
  }
}
