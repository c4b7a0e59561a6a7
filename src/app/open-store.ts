import type { Config } from '../config/schema.ts';
import type { Store } from '../ports/store.ts';

/**
 * Opens the store that `storeUrl` names, for a process that has these keys for secrets, the one that seals
 * first. Rejects with a message that says the fix.
 */
export async function openStore(
  config: Pick<Config, 'storeUrl' | 'storeMaxBytes'>,
  keyIds: readonly string[],
): Promise<Store> {
  const { storeUrl } = config;
  if (storeUrl === 'memory:') {
    const { createMemoryStore } = await import('../stores/memory/memory-store.ts');
    return createMemoryStore();
  }
  if (storeUrl.startsWith('sqlite:')) {
    const { openSqliteStore } = await import('../stores/sqlite/open.ts');
    return openSqliteStore({ path: storeUrl.slice('sqlite:'.length), maxBytes: config.storeMaxBytes });
  }
  if (/^postgres(ql)?:/.test(storeUrl)) {
    const { openPostgresStore } = await import('../stores/postgres/open.ts').catch(explainMissingDriver);
    return openPostgresStore({
      url: storeUrl,
      maxBytes: config.storeMaxBytes,
      keyIds,
      warn: (message) => process.emitWarning(message, 'RingbackStoreWarning'),
    });
  }
  throw new Error(
    `store_url: no store is known for "${storeUrl.split(':')[0]}:"; use sqlite:PATH, postgres://... or memory:`,
  );
}

/** For imports of the PostgreSQL store: a missing driver is told with how to install it. */
export function explainMissingDriver(error: unknown): never {
  const isMissing =
    error instanceof Error &&
    'code' in error &&
    error.code === 'ERR_MODULE_NOT_FOUND' &&
    /'pg'/.test(error.message);
  if (!isMissing) throw error;
  throw new Error('store_url: PostgreSQL needs the package pg, which is not installed: npm install pg', {
    cause: error,
  });
}
