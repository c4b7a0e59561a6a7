import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../ports/store.ts';

/** How a suite gets the stores that it tests. */
export interface StoreHarness {
  /** A new, empty store. */
  open(): Promise<Store>;
  /**
   * The same data as a fresh process sees it. The store given may still be open: letting go of it, or
   * leaving it behind as a crash would, is the harness's choice. Left out by stores that keep nothing.
   */
  readonly reopen?: (store: Store) => Promise<Store>;
  /** Closes every store handed out since the last call and removes its data. Called after each test. */
  dispose(): Promise<void>;
}

/** A harness for stores that need no place: `open` makes an empty one. */
export function placelessHarness(open: () => Promise<Store>): StoreHarness {
  const opened: Store[] = [];
  return {
    async open() {
      const store = await open();
      opened.push(store);
      return store;
    },
    async dispose() {
      for (const store of opened.splice(0)) await closeOnce(store);
    },
  };
}

/**
 * A harness for stores in files: `open` is given a directory of its own and opens what is there.
 * Reopening closes the store first; a crash is what the chaos tests are for.
 */
export function directoryHarness(open: (directory: string) => Promise<Store>): Required<StoreHarness> {
  const directories = new Map<Store, string>();
  const openIn = async (directory: string): Promise<Store> => {
    const store = await open(directory);
    directories.set(store, directory);
    return store;
  };
  return {
    async open() {
      return openIn(await mkdtemp(join(tmpdir(), 'ringback-store-')));
    },
    async reopen(store) {
      const directory = directories.get(store);
      if (directory === undefined) throw new Error('this harness did not open that store');
      await closeOnce(store);
      return openIn(directory);
    },
    async dispose() {
      for (const store of directories.keys()) await closeOnce(store);
      const made = new Set(directories.values());
      directories.clear();
      for (const directory of made) await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Closing twice may reject, as every call after `close` does; tests close stores themselves, too. */
async function closeOnce(store: Store): Promise<void> {
  const isOpen = await store.check().then(
    () => true,
    () => false,
  );
  if (isOpen) await store.close();
}
