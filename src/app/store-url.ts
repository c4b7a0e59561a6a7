import { resolve } from 'node:path';
import { maskUrl } from '../config/show.ts';

/** A store that outlives the process, by its URL. */
export type StoreAddress =
  | { readonly store: 'sqlite'; readonly path: string; readonly said: string }
  | { readonly store: 'postgres'; readonly url: string; readonly said: string };

/** Reads `sqlite:PATH` or `postgres://...`; throws with what to write. `said` has no password. */
export function readStoreUrl(url: string): StoreAddress {
  if (url.startsWith('sqlite:') && url.length > 'sqlite:'.length) {
    const path = resolve(url.slice('sqlite:'.length));
    return { store: 'sqlite', path, said: `sqlite:${path}` };
  }
  if (/^postgres(ql)?:/.test(url)) return { store: 'postgres', url, said: maskUrl(url) };
  throw new Error(`"${maskUrl(url)}" names no store that is kept; write sqlite:PATH or postgres://...`);
}
