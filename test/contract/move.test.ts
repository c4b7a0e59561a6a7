import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makePostgres, type PostgresServer } from '../../scripts/services/postgres-server.ts';
import { planMove, runMove } from '../../src/app/move-store.ts';
import { moveStore } from '../../src/core/move.ts';
import { COPIED, COPIED_KINDS, type CopiedKind, type CopyWriter } from '../../src/ports/store-copy.ts';
import type { Store } from '../../src/ports/store.ts';
import { rowDigest } from '../../src/security/row-digest.ts';
import { openPostgresCopyWriter } from '../../src/stores/postgres/copy-writer.ts';
import { openPostgresStore } from '../../src/stores/postgres/open.ts';
import { openSqliteCopyReader } from '../../src/stores/sqlite/copy-reader.ts';
import { openSqliteCopyWriter } from '../../src/stores/sqlite/copy-writer.ts';
import { openSqliteStore } from '../../src/stores/sqlite/open.ts';
import { buildAppend, buildDedupe, buildEvent, START_MS } from '../../src/testing/builders.ts';
import { allOf } from '../../src/testing/store-assertions.ts';
import { newSchema } from '../services/postgres-harness.ts';
import { fillStore } from './filled-store.ts';

let server: PostgresServer;
let folder: string;
const stores: Store[] = [];
beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off', full_page_writes: 'off' });
});
afterAll(() => server.remove());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-move-'));
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const file = (name: string): string => join(folder, name);
const newDatabase = (): string => `${server.url()}?trust_server=true&schema=${newSchema()}`;
const quiet = (): void => {};

async function filledFile(name: string, events?: number): Promise<string> {
  const store = await openSqliteStore({ path: file(name) });
  await fillStore(store, events);
  await store.close();
  return `sqlite:${file(name)}`;
}

async function open(url: string): Promise<Store> {
  const store = url.startsWith('sqlite:')
    ? await openSqliteStore({ path: url.slice('sqlite:'.length) })
    : await openPostgresStore({ url });
  stores.push(store);
  return store;
}

/** All that a store answers about what it has. */
async function contentOf(store: Store): Promise<unknown> {
  const events = await allOf((page) => store.queries.events({}, page));
  const deliveries = await allOf((page) => store.queries.deliveries({}, page));
  return {
    settings: await store.settings.load(),
    changes: await allOf((page) => store.settings.changes({}, page)),
    past: await store.settings.asOf('source', 1),
    keyUses: await store.settings.keyUses(),
    failing: await store.upkeep.failingDestinations(),
    activity: (await store.upkeep.sourceActivity()).toSorted((one, other) =>
      one.sourceId < other.sourceId ? -1 : 1,
    ),
    events,
    deliveries,
    duplicates: await Promise.all(events.map(({ id }) => store.queries.duplicates(id))),
    attempts: await Promise.all(deliveries.map(({ id }) => store.queries.attempts(id))),
    replays: await allOf((page) => store.queries.replays(null, page)),
    rejections: await allOf((page) => store.queries.rejections({}, page)),
    lanes: (await store.log.pendingLanes()).toSorted((a, b) => (a.destinationId < b.destinationId ? -1 : 1)),
  };
}

/** Rows of a file as they are, but for what a store leaves behind in deliveries that have ended. */
function rowsOf(path: string): Record<string, unknown> {
  const db = new DatabaseSync(path, { readOnly: true });
  const rows = COPIED_KINDS.map((kind) => [
    kind,
    db
      .prepare(`SELECT * FROM ${kind}`)
      .all()
      .map((row) =>
        kind === 'deliveries' && !['pending', 'leased'].includes(String(row['state']))
          ? { ...row, due_at: null, lease_until: null, lease_token: null, order_key: null }
          : row,
      ),
  ]);
  db.close();
  return Object.fromEntries(rows) as Record<string, unknown>;
}

describe('a move', () => {
  it('brings everything from an embedded store to PostgreSQL, and back', async () => {
    const from = await filledFile('from.db');
    const database = newDatabase();
    const { rows, resumedFrom } = await runMove(from, database, quiet);
    expect(resumedFrom).toBe(0);
    expect([...rows].filter(([, count]) => count === 0)).toEqual([]);
    const back = `sqlite:${file('back.db')}`;
    expect((await runMove(database, back, quiet)).rows).toEqual(rows);
    expect(rowsOf(file('back.db'))).toEqual(rowsOf(file('from.db')));

    const [before, there, here] = [await open(from), await open(database), await open(back)];
    const expected = await contentOf(before);
    expect(await contentOf(there)).toEqual(expected);
    expect(await contentOf(here)).toEqual(expected);
  });

  it('bug: a reader from before what retention removed was not told of the gap after a move', async () => {
    const from = await filledFile('from.db');
    const old = await openSqliteStore({ path: file('from.db') });
    await old.log.append(buildAppend());
    expect(await old.upkeep.pruneEvents(START_MS * 2, 1)).toBe(1);
    const { prunedSeq } = await old.queries.eventsAfter(0, {}, 1);
    expect(prunedSeq).toBeGreaterThan(0);
    await old.close();
    const database = newDatabase();
    await runMove(from, database, quiet);
    const back = `sqlite:${file('back.db')}`;
    await runMove(database, back, quiet);
    for (const store of [await open(database), await open(back)]) {
      expect((await store.queries.eventsAfter(0, {}, 1)).prunedSeq).toBe(prunedSeq);
    }
  });

  it('leaves a store that goes on where the old one was', async () => {
    const from = await filledFile('from.db');
    const database = newDatabase();
    await runMove(from, database, quiet);
    const store = await open(database);
    const last = await store.queries.lastSeq();
    const [repeated, next] = await Promise.all([
      store.log.append(buildAppend({ dedupe: buildDedupe({ key: 'taken\0' }) })),
      store.log.append(buildAppend({ event: buildEvent({ receivedAt: START_MS }) })),
    ]);
    expect(repeated.duplicate).toBe(true);
    // Also when the clock is behind: a reader of the log has missed nothing.
    expect(next.seq).toBeGreaterThan(last);
    const lanes = [
      { destinationId: 'dst_one', limit: 3, leaseMs: 1_000 },
      { destinationId: 'dst_order', limit: 3, leaseMs: 1_000 },
    ];
    const nowMs = START_MS + 10 * 86_400_000;
    const claimed = await store.log.claimDue({ nowMs, token: 'new', lanes, maxBytes: 1e9 });
    expect(claimed.abandoned).toBe(1);
    expect(claimed.leased.map(({ destinationId }) => destinationId)).toEqual([
      'dst_one',
      'dst_one',
      'dst_one',
      'dst_order',
    ]);
  });

  it('goes on after an interruption, wherever that was', async () => {
    const from = await filledFile('from.db', 1_500);
    // After the first kind, in the midst of events and of deliveries, and before the end.
    for (const writes of [1, 5, 6, 8, 12]) {
      const database = newDatabase();
      await expect(moveUntil(from, database, writes)).rejects.toThrow('interrupted');
      await expect(openPostgresStore({ url: database })).rejects.toThrow(/unfinished.*ringback move/);
      expect((await planMove(from, database)).target).toBe('unfinished');
      const { resumedFrom } = await runMove(from, database, quiet);
      if (writes > 2) expect(resumedFrom).toBeGreaterThan(0);
    }
  }, 60_000);

  it('finds a row that was lost, and one that was changed', async () => {
    const from = await filledFile('from.db');
    const path = from.slice('sqlite:'.length);
    const cases: [CopiedKind, RegExp, (rows: readonly unknown[]) => unknown[]][] = [
      ['events', /events: \d+ rows became/, (rows) => rows.slice(1)],
      [
        'attempts',
        /attempts: the content/,
        ([row, ...rest]) => [{ ...(row as object), duration_ms: 1 }, ...rest],
      ],
    ];
    for (const [kind, message, harm] of cases) {
      const target = openSqliteCopyWriter(file(`${kind}.db`), from);
      const source = openSqliteCopyReader(path);
      const harmful: CopyWriter = {
        ...target,
        write: (written, rows, progress) =>
          target.write(written, written === kind ? (harm(rows) as typeof rows) : rows, progress),
      };
      await expect(moveStore({ source, target: harmful, digest: rowDigest })).rejects.toThrow(message);
      await Promise.all([source.close(), target.close()]);
    }
  });
});

async function moveUntil(from: string, database: string, writes: number): Promise<void> {
  const source = openSqliteCopyReader(from.slice('sqlite:'.length));
  const target = await openPostgresCopyWriter(database, from);
  let left = writes;
  const stopping: CopyWriter = {
    ...target,
    write: async (...written) => {
      await target.write(...written);
      left -= 1;
      if (left === 0) throw new Error('interrupted');
    },
  };
  try {
    await moveStore({ source, target: stopping, digest: rowDigest });
  } finally {
    await Promise.all([source.close(), target.close()]);
  }
}

describe('a move is refused', () => {
  it('while a gateway uses either store', async () => {
    const from = await filledFile('from.db');
    const gateway = await open(from);
    await expect(runMove(from, newDatabase(), quiet)).rejects.toThrow(/another gateway.*Stop it first/);
    await gateway.close();
    stores.pop();
    const database = newDatabase();
    const node = await open(database);
    await node.settings.load();
    await expect(runMove(from, database, quiet)).rejects.toThrow(/a gateway.*stop every node/);
    await expect(runMove(database, `sqlite:${file('to.db')}`, quiet)).rejects.toThrow(/stop every node/);
  });

  it('when the target has something, or half of another move', async () => {
    const from = await filledFile('from.db', 0);
    const other = await filledFile('other.db', 0);
    const database = newDatabase();
    await runMove(from, database, quiet);
    await expect(planMove(other, database)).rejects.toThrow(/has data already.*schema=/);
    await expect(runMove(other, database, quiet)).rejects.toThrow(/has data already/);
    await expect(runMove(database, other, quiet)).rejects.toThrow(/exists already; name a new file/);

    const half = newDatabase();
    await expect(moveUntil(from, half, 2)).rejects.toThrow('interrupted');
    await expect(runMove(other, half, quiet)).rejects.toThrow(/unfinished move from .*from\.db/);
  });

  it('when there is nothing to move, or it has another version', async () => {
    await expect(runMove(`sqlite:${file('none.db')}`, newDatabase(), quiet)).rejects.toThrow(/no store at/);
    await expect(runMove(newDatabase(), `sqlite:${file('to.db')}`, quiet)).rejects.toThrow(/no Ringback in/);
    const from = await filledFile('from.db', 0);
    const db = new DatabaseSync(file('from.db'));
    db.exec('PRAGMA user_version = 9999');
    db.close();
    await expect(runMove(from, newDatabase(), quiet)).rejects.toThrow(/made by a newer Ringback/);
    await expect(runMove(from, from, quiet)).rejects.toThrow(/the same store/);
    await expect(runMove('memory:', from, quiet)).rejects.toThrow(/write sqlite:PATH or postgres/);
  });
});

describe('what a move takes along', () => {
  /** Not content: how a store manages itself. */
  const OWN: Readonly<Record<string, readonly string[]>> = {
    tables: ['store_state', 'migrations', 'retired_days', 'nodes'],
    columns: ['dedupe.taken_at', 'deliveries.body_bytes'],
  };
  const copied = COPIED_KINDS.flatMap((kind) => Object.keys(COPIED[kind]).map((name) => `${kind}.${name}`));

  it('is every column of the embedded store', async () => {
    await filledFile('from.db', 0);
    const db = new DatabaseSync(file('from.db'));
    const columns = db
      .prepare(
        `SELECT t.name AS kind, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'`,
      )
      .all();
    db.close();
    const names = columns
      .filter(({ kind }) => OWN['tables']?.includes(String(kind)) !== true)
      .map(({ kind, name }) => `${String(kind)}.${String(name)}`);
    expect(names.filter((name) => !copied.includes(name))).toEqual([]);
    expect(copied.filter((name) => !names.includes(name))).toEqual(['attempts.event_seq']);
  });

  it('is every column of the PostgreSQL store', async () => {
    const url = newDatabase();
    await open(url);
    const client = new Client(url);
    await client.connect();
    const { rows } = await client.query<{ kind: string; name: string }>(
      `SELECT DISTINCT regexp_replace(c.table_name, '^(open|ended)_', '') AS kind, column_name AS name
       FROM information_schema.columns AS c JOIN pg_class ON relname = c.table_name
         AND relnamespace = c.table_schema::regnamespace
       WHERE c.table_schema = $1 AND relkind IN ('r', 'p') AND NOT relispartition`,
      [new URL(url).searchParams.get('schema')],
    );
    await client.end();
    const names = rows
      .filter(({ kind }) => OWN['tables']?.includes(kind) !== true)
      .map(({ kind, name }) => `${kind}.${name}`)
      .filter((name) => OWN['columns']?.includes(name) !== true);
    expect(names.toSorted()).toEqual(copied.toSorted());
  });
});
