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

type Entry = Vector | HandshakeCase | { readonly kind?: undefined };

function readEntries(file: string): Entry[] {
  const lines = readFileSync(new URL(file, folder), 'utf8').trim().split('\n');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own test data
  return lines.map((line) => JSON.parse(line) as Entry);
}

/** The vectors of every provider that has some. */
export function readSuites(): { provider: string; vectors: Vector[] }[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => ({ provider: name.replace('.jsonl', ''), vectors: readEntries(name).filter(isVector) }))
    .filter(({ vectors }) => vectors.length > 0);
}

/** A provider's question about the URL, and the answer that it wants. */
export interface HandshakeCase {
  readonly kind: 'handshake';
  readonly id: string;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: readonly (readonly [string, string])[];
    readonly bodyBase64?: string;
  };
  readonly response: {
    readonly status?: number;
    readonly statusIn?: readonly number[];
    readonly headers?: Readonly<Record<string, string>>;
    readonly bodyText?: string;
    readonly bodyJson?: unknown;
    readonly bodyContains?: string;
    readonly bodyJsonOrText?: { readonly text: string };
  };
  readonly now?: number;
  readonly secrets?: readonly string[];
  readonly publicKey?: string;
  readonly config?: Readonly<Record<string, string>>;
}

/** The handshakes of every provider that has some. */
export function readHandshakes(): { provider: string; cases: HandshakeCase[] }[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => ({ provider: name.replace('.jsonl', ''), cases: readEntries(name).filter(isHandshake) }))
    .filter(({ cases }) => cases.length > 0);
}

function isHandshake(entry: Entry): entry is HandshakeCase {
  return entry.kind === 'handshake';
}

function isVector(entry: Entry): entry is Vector {
  return entry.kind === 'vector';
}
