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

/** The value at a path such as `a.b[0].c`, already split; undefined when it is absent. */
export function valueAtPath(value: unknown, path: readonly (string | number)[]): unknown {
  let current = value;
  for (const step of path) {
    if (typeof step === 'number') {
      current = Array.isArray(current) ? (current as unknown[])[step] : undefined;
    } else {
      current = isRecord(current) && Object.hasOwn(current, step) ? current[step] : undefined;
    }
  }
  return current;
}

/** Splits `a.b[0].c` (or `[0].a`) into its steps. */
export function parsePath(path: string): (string | number)[] {
  const steps: (string | number)[] = [];
  for (const piece of path.split('.')) {
    const name = piece.replace(/(?:\[\d+\])+$/, '');
    if (name !== '') steps.push(name);
    for (const index of piece.slice(name.length).matchAll(/\[(\d+)\]/g)) steps.push(Number(index[1]));
  }
  return steps;
}

/** A plain value as text: strings as they are, numbers and booleans as JSON writes them. */
export function plainText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return undefined;
}

const kinds = ['h', 'q', 'json', 'form', 'fj', 'sig', 'jwt', 'cfg'] as const;

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
      const path = parsePath(name);
      return (view) => plainText(valueAtPath(view.formJson('json'), path));
    }
    case 'jwt':
    default: {
      const path = parsePath(name);
      return (view) => plainText(valueAtPath(view.claims, path));
    }
  }
}
