import { readdirSync, readFileSync } from 'node:fs';
import type { ProviderPayloads } from '../../../packages/client/src/simulate/payload.ts';

const folder = new URL('../../../packages/client/src/simulate/payloads/', import.meta.url);

/** An entry of the files: a whole one, or one that has the payloads of another provider. */
type Entry =
  | (ProviderPayloads & { readonly like?: undefined })
  | (Pick<ProviderPayloads, 'id' | 'from' | 'headers'> & { readonly like: string });

/** The payloads of every provider, by its id; some 200 KB, read anew by each call. */
export function readPayloads(): ReadonlyMap<string, ProviderPayloads> {
  const entries = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => readEntries(file));
  const whole = new Map(entries.flatMap((entry) => (entry.like === undefined ? [[entry.id, entry]] : [])));
  for (const entry of entries) {
    if (entry.like === undefined) continue;
    const { like, ...own } = entry;
    const model = whole.get(like);
    if (model === undefined) throw new Error(`payloads of ${own.id}: there is no ${like}`);
    whole.set(own.id, { ...model, ...own, headers: { ...model.headers, ...own.headers } });
  }
  return whole;
}

function readEntries(file: string): Entry[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own data; a test makes a request of each
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Entry[];
}
