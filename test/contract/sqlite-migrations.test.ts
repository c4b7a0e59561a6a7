import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { openSqliteStore } from '../../src/stores/sqlite/open.ts';
import { listMigrations, migrate, schemaVersion } from '../../src/stores/sqlite/migrate.ts';
import { buildAppend, buildNewDelivery } from '../../src/testing/builders.ts';

const folders: string[] = [];

function databasePath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ringback-migrations-'));
  folders.push(folder);
  return join(folder, 'ringback.db');
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** What the first version could hold, written with its own columns only. */
function fillAsVersion1(db: DatabaseSync): void {
  db.exec(`
    INSERT INTO events (seq, id, tenant, source_id, source, type, occurred_at, received_at, headers,
      settings_version, origin, body)
    VALUES (1750000000000000, 'evt_old', 'default', 'src_1', 'github', 'com.github.push', 1750000000000,
      1750000000000, '["a","b"]', 1,
      '{"requestId":"req_1","method":"POST","path":"","remoteAddress":null,"traceparent":null,"verification":{"provider":"github","covers":"body","secretIndex":0},"dedupeKey":"k"}',
      x'00ff7b7d');
    INSERT INTO deliveries (seq, id, tenant, event_seq, subscription_id, destination_id, state, attempts,
      due_at, created_at, updated_at)
    VALUES (1750000000000001, 'dlv_old', 'default', 1750000000000000, 'sub_1', 'dst_1', 'pending', 1,
      1750000005000, 1750000000000, 1750000000000);
    INSERT INTO attempts VALUES (1750000000000001, 1, 1750000000000, 12.5, 'retryable', 503, 'http_503',
      '[]', 'busy', 1750000005000);
    INSERT INTO dedupe VALUES ('src_1', 'k', 'evt_old', '', 9999999999999);
  `);
}

describe('migrations of the embedded store', () => {
  const newest = listMigrations().at(-1)?.number ?? 0;

  it.each(listMigrations().map(({ number }) => number))(
    'from version %i lose nothing and end at the newest',
    async (version) => {
      const path = databasePath();
      const old = new DatabaseSync(path);
      migrate(old, version);
      expect(schemaVersion(old)).toBe(version);
      fillAsVersion1(old);
      old.close();

      const store = await openSqliteStore({ path });
      try {
        const event = await store.queries.event('evt_old');
        expect([...(event?.body ?? [])]).toEqual([0, 255, 123, 125]);
        expect(await store.queries.delivery('dlv_old')).toMatchObject({ state: 'pending', attempts: 1 });
        expect(await store.queries.attempts('dlv_old')).toMatchObject([{ number: 1, status: 503 }]);
        expect(await store.queries.dedupeHolder('src_1', 'k')).toBe('evt_old');
        const lanes = [{ destinationId: 'dst_1', limit: 5, leaseMs: 1_000 }];
        const claimed = await store.log.claimDue({
          nowMs: 1_760_000_000_000,
          token: 't',
          lanes,
          maxBytes: 1e6,
        });
        expect(claimed.leased.map(({ id, attempt }) => [id, attempt])).toEqual([['dlv_old', 2]]);
        const fresh = buildAppend({ deliveries: [buildNewDelivery({ orderKey: 'k' })] });
        expect((await store.log.append(fresh)).duplicate).toBe(false);
      } finally {
        await store.close();
      }
      const after = new DatabaseSync(path);
      expect(schemaVersion(after)).toBe(newest);
      after.close();
    },
  );

  it('leave a database of a newer version alone and say what to do', async () => {
    const path = databasePath();
    const db = new DatabaseSync(path);
    migrate(db);
    db.exec(`PRAGMA user_version = ${newest + 1}`);
    db.close();
    await expect(openSqliteStore({ path })).rejects.toThrow(/newer Ringback.*Install the newer version/s);
  });

  it('leave a whole version behind when one fails', () => {
    const db = new DatabaseSync(databasePath());
    migrate(db, 1);
    // What the second version would make is there already, so that it fails halfway.
    db.exec('CREATE INDEX deliveries_order ON deliveries (reason)');
    expect(() => migrate(db)).toThrow(/0002.*the database is as it was/s);
    expect(schemaVersion(db)).toBe(1);
    expect(db.prepare("SELECT name FROM pragma_table_info('deliveries')").all()).not.toContainEqual({
      name: 'order_key',
    });
    db.close();
  });
});
