import { isRecord } from '../domain/json-record.ts';

export { isRecord };

export type JsonRecord = Readonly<Record<string, unknown>>;

export function recordOf(value: unknown): JsonRecord {
  return isRecord(value) ? value : {};
}

/** The records of a list; of anything else, none. */
export function recordsOf(value: unknown): JsonRecord[] {
  return Array.isArray(value) ? value.filter((item) => isRecord(item)) : [];
}

/** A field's text; `null` for what is absent or not text. */
export function textOf(value: unknown, field: string): string | null {
  const found = recordOf(value)[field];
  return typeof found === 'string' ? found : null;
}

export function numberOf(value: unknown, field: string): number | null {
  const found = recordOf(value)[field];
  return typeof found === 'number' ? found : null;
}

export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** JSON from a text, or why it is none. */
export function parseJson(text: string): { readonly value: unknown } | { readonly mistake: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}
