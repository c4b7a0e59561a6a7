import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildAppend, buildDuplicate, buildEvent, START_MS } from '../../testing/builders.ts';
import { appendEach } from '../../testing/store-assertions.ts';
import { openSqliteStore } from './open.ts';

it('leaves no row of an event that retention has removed, nor of one that there never was', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ringback-duplicates-'));
  const path = join(folder, 'ringback.db');
  const store = await openSqliteStore({ path });
  const old = [buildAppend(), buildAppend()];
  const kept = buildAppend({ event: buildEvent({ receivedAt: START_MS + 1_000 }) });
  await appendEach(store, ...old, kept);
  const ids = [...old, kept].map(({ event }) => event.id);
  const record = () =>
    store.upkeep.recordDuplicates(
      [...ids, 'evt_none'].map((eventId) => ({ eventId, count: 1, requests: [buildDuplicate()] })),
    );
  await record();
  expect(await store.upkeep.pruneEvents(START_MS + 1, 100)).toBe(2);
  await record();
  await store.close();
  const db = new DatabaseSync(path, { readOnly: true });
  expect(db.prepare('SELECT count(*) AS rows FROM duplicates').get()).toEqual({ rows: 2 });
  db.close();
  rmSync(folder, { recursive: true });
});
