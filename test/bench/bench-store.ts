import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makePostgres, type PostgresServer } from '../../scripts/services/postgres-server.ts';
import type { Store } from '../../src/ports/store.ts';
import { openPostgresStore } from '../../src/stores/postgres/open.ts';
import { openSqliteStore } from '../../src/stores/sqlite/open.ts';

export type StoreName = 'sqlite' | 'postgres';

/** Data of its own for one gateway, or for several of them. */
export interface BenchData {
  /** Settings of a gateway that keeps its events here. */
  readonly env: Readonly<Record<string, string>>;
  readonly dataDir: string;
  /** The store itself, without a gateway. */
  open(): Promise<Store>;
  remove(): void;
}

/** Where the scenarios keep their events. */
export interface BenchStore {
  readonly name: StoreName;
  /** Empty, with nothing in common with what was given out before. */
  fresh(): BenchData;
  /** The server, where there is one; its folder has the commit logs that a baseline must share. */
  readonly server: PostgresServer | null;
  close(): Promise<void>;
}

export async function makeBenchStore(name: StoreName): Promise<BenchStore> {
  return name === 'sqlite' ? sqliteBench() : postgresBench();
}

function sqliteBench(): BenchStore {
  return {
    name: 'sqlite',
    server: null,
    fresh: () => {
      const dataDir = makeDataDir();
      return {
        env: {},
        dataDir,
        open: () => openSqliteStore({ path: join(dataDir, 'ringback.db') }),
        remove: () => rmSync(dataDir, { recursive: true, force: true }),
      };
    },
    close: async () => {},
  };
}

/** One server on this machine, with its settings as installed: it waits for the disk, as SQLite does. */
async function postgresBench(): Promise<BenchStore> {
  const server = await makePostgres('system').catch(() => makePostgres('packaged'));
  let schemas = 0;
  return {
    name: 'postgres',
    server,
    fresh: () => {
      schemas += 1;
      const url = `${server.url()}?schema=bench_${schemas}`;
      const dataDir = makeDataDir();
      return {
        env: { RINGBACK_STORE_URL: url },
        dataDir,
        open: () => openPostgresStore({ url }),
        remove: () => rmSync(dataDir, { recursive: true, force: true }),
      };
    },
    close: () => server.remove(),
  };
}

function makeDataDir(): string {
  return mkdtempSync(join(tmpdir(), 'ringback-bench-'));
}
