import type { Config } from '../config/schema.ts';
import type { Store } from '../ports/store.ts';

/** Opens the store that `storeUrl` names. Rejects with a message that says the fix. */
export async function openStore(config: Pick<Config, 'storeUrl' | 'storeMaxBytes'>): Promise<Store> {
  const { storeUrl } = config;
  if (storeUrl === 'memory:') {
    const { createMemoryStore } = await import('../stores/memory/memory-store.ts');
    return createMemoryStore();
  }
  if (storeUrl.startsWith('sqlite:')) {
    const { openSqliteStore } = await import('../stores/sqlite/open.ts');
    return openSqliteStore({ path: storeUrl.slice('sqlite:'.length), maxBytes: config.storeMaxBytes });
  }
  throw new Error(
    'this version keeps events in SQLite only: set RINGBACK_STORE_URL to sqlite:PATH, or leave it unset',
  );
}
