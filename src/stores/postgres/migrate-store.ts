import { readDatabaseUrl } from './database-url.ts';
import { listMigrations, migrate, schemaVersion } from './migrate.ts';
import { refuseHalfMoved } from './presence.ts';
import { checkSchema } from './schema-drift.ts';
import { checkOwner } from './start-checks.ts';
import { onStartConnection } from './start-connection.ts';

/**
 * Brings the schema up to date, or only looks when `dryRun` is set. Gateways may be at work meanwhile.
 * Answers the version before and the newest one, with the steps between them.
 */
export function migratePostgres(
  url: string,
  dryRun: boolean,
): Promise<{ before: number; newest: number; steps: string[] }> {
  const address = readDatabaseUrl(url);
  return onStartConnection(address, async ({ run }) => {
    await checkOwner(run, address);
    await refuseHalfMoved(run, address.schema);
    const before = await schemaVersion(run, address.schema);
    const migrations = listMigrations();
    const newest = migrations.at(-1)?.number ?? 0;
    if (!dryRun || before > newest) await migrate(run, address.schema);
    if (!dryRun || before === newest) await checkSchema(run, address.schema);
    return { before, newest, steps: migrations.filter((one) => one.number > before).map(({ name }) => name) };
  });
}
