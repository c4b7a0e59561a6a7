import { explainMissingDriver } from './open-store.ts';
import { readStoreUrl } from './store-url.ts';

/** What a migration did, or would do. */
export interface MigrationReport {
  readonly store: string;
  /** The schema's version before; 0 = there was none. */
  readonly before: number;
  readonly newest: number;
  /** The steps between the two, by name, in their order. */
  readonly steps: readonly string[];
}

/** Brings a store's schema up to date, or only looks. Rejects with the fix when it cannot. */
export async function migrateStore(storeUrl: string, dryRun: boolean): Promise<MigrationReport> {
  const address = readStoreUrl(storeUrl);
  if (address.store === 'postgres') {
    const { migratePostgres } = await import('../stores/postgres/migrate-store.ts').catch(
      explainMissingDriver,
    );
    return { store: address.said, ...(await migratePostgres(address.url, dryRun)) };
  }
  const { migrateSqlite } = await import('../stores/sqlite/migrate-store.ts');
  return { store: address.said, ...migrateSqlite(address.path, dryRun) };
}
