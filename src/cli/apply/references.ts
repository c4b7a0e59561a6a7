import { isRecord } from '../json-value.ts';

/** Where references get their values. */
export interface ReferenceSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file, relative to the settings file; throws when it cannot be read. */
  readonly readFile: (path: string) => string;
}

/** A reference that has no value here. */
export interface MissingReference {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface Resolved {
  readonly value: unknown;
  readonly missing: readonly MissingReference[];
}

const REFERENCE = /(\$?)\$\{(env|file):([^}]*)\}/g;

export function hasReference(text: string): boolean {
  return Array.from(text.matchAll(REFERENCE)).some(([, escape]) => escape === '');
}

/** Text that would be read as a reference, so that it stays what it is. */
export function escapeReferences(text: string): string {
  return text.replaceAll(/\$\{(?=(?:env|file):[^}]*\})/g, '$$$${');
}

/**
 * A value with `${env:NAME}` and `${file:PATH}` in its texts replaced, `$${env:NAME}` by the text itself.
 * What has no value is left as it is and listed.
 */
export function resolveReferences(value: unknown, sources: ReferenceSources): Resolved {
  const missing: MissingReference[] = [];
  const resolve = (inner: unknown, path: readonly (string | number)[]): unknown => {
    if (typeof inner === 'string') {
      return inner.replaceAll(REFERENCE, (whole, escape: string, kind: string, name: string) => {
        if (escape !== '') return whole.slice(1);
        const found = kind === 'env' ? fromEnv(name, sources) : fromFile(name, sources);
        if ('text' in found) return found.text;
        missing.push({ path, message: found.message });
        return whole;
      });
    }
    if (Array.isArray(inner)) return inner.map((item, index) => resolve(item, [...path, index]));
    if (!isRecord(inner)) return inner;
    return Object.fromEntries(
      Object.entries(inner).map(([field, item]) => [field, resolve(item, [...path, field])]),
    );
  };
  return { value: resolve(value, []), missing };
}

type Found = { readonly text: string } | { readonly message: string };

function fromEnv(name: string, { env }: ReferenceSources): Found {
  if (!/^[A-Za-z_]\w*$/.test(name)) return { message: `"${name}" is not the name of a variable` };
  const text = env[name];
  if (text === undefined) return { message: `the environment variable ${name} is not set` };
  // An empty secret in a pipeline is one that was not handed on, never one that is meant.
  return text === '' ? { message: `the environment variable ${name} is empty` } : { text };
}

function fromFile(path: string, { readFile }: ReferenceSources): Found {
  try {
    const text = readFile(path).replace(/\r?\n$/, '');
    return text === '' ? { message: `the file ${path} is empty` } : { text };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const why = code === 'ENOENT' ? 'there is no such file' : code;
    return { message: `the file ${path} cannot be read: ${why}` };
  }
}
