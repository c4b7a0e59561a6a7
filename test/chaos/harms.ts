import type { Harm } from './harm.ts';
import { database } from './harms/database.ts';
import { databaseDiskFull } from './harms/database-disk.ts';
import { deaths } from './harms/deaths.ts';
import { diskFull } from './harms/disk.ts';
import { killInFirstMigration, killInMigration } from './harms/migration.ts';

/** Every harm by name, in the order of the documentation. */
export const HARMS: Readonly<Record<string, Harm>> = {
  ...deaths,
  kill_in_migration: killInMigration,
  kill_in_first_migration: killInFirstMigration,
  disk_full: diskFull,
  ...database,
  database_disk_full: databaseDiskFull,
};
