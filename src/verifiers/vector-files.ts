import { readFileSync, readdirSync } from 'node:fs';

// Reads the golden vectors: one file a provider, one JSON document a line.

/** A request with its credentials, the clock, and the verdict that it deserves. */
export interface Vector {
  readonly kind: 'vector';
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly bodyBase64: string;
  readonly now: number;
  readonly expect: string;
  readonly expectAny?: readonly string[];
  readonly policy?: boolean;
  readonly secrets?: readonly string[];
  readonly publicKey?: string;
  readonly keys?: Readonly<Record<string, string>>;
  readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] };
  readonly config?: Readonly<Record<string, string>>;
  readonly fetches?: Readonly<Record<string, string>>;
}

const folder = new URL('../../packages/client/src/verify/vectors/', import.meta.url);

function readVectors(file: string): Vector[] {
  const lines = readFileSync(new URL(file, folder), 'utf8').trim().split('\n');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own test data
  const entries = lines.map((line) => JSON.parse(line) as Vector);
  return entries.filter((entry) => entry.kind === 'vector');
}

/** The vectors of every provider that has some. */
export function readSuites(): { provider: string; vectors: Vector[] }[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => ({ provider: name.replace('.jsonl', ''), vectors: readVectors(name) }))
    .filter(({ vectors }) => vectors.length > 0);
}
