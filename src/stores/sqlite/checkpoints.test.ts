import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { Checkpoints } from './checkpoints.ts';
import { openWriter } from './connection.ts';

const FROM_PAGES = 100;
const PAGE_BYTES = 4_096;

function commitRow(db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE; INSERT INTO kept VALUES (zeroblob(2000)); COMMIT');
}

/** Commits rows as a busy writer does, with a breath now and then, in which others may run. */
async function commitMany(db: DatabaseSync, checkpoints: Checkpoints, rows: number): Promise<void> {
  for (let row = 0; row < rows; row += 1) {
    commitRow(db);
    checkpoints.committed();
    // oxlint-disable-next-line no-await-in-loop
    if (row % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('checkpoints', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ringback-checkpoints-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function open(name: string): { db: DatabaseSync; path: string } {
    const path = join(folder, name);
    const db = openWriter({ path, maxBytes: 0 });
    db.exec('CREATE TABLE kept (bytes BLOB)');
    return { db, path };
  }

  it('keep the log from growing, lose nothing, and end their thread', async () => {
    const { db, path } = open('busy.db');
    const checkpoints = new Checkpoints(db, { path }, FROM_PAGES);
    const rows = 6_000;
    await commitMany(db, checkpoints, rows);
    // Each commit writes the page that it fills: the log would have come to 24 MB.
    expect(statSync(`${path}-wal`).size).toBeLessThan((rows * PAGE_BYTES) / 2);
    await checkpoints.close();
    expect(db.prepare('SELECT count(*) AS rows FROM kept').get()?.['rows']).toBe(rows);
    expect(db.prepare('PRAGMA integrity_check').get()?.['integrity_check']).toBe('ok');
    db.close();
  });

  it('leave a short log alone', async () => {
    const { db, path } = open('quiet.db');
    const checkpoints = new Checkpoints(db, { path }, FROM_PAGES);
    await commitMany(db, checkpoints, FROM_PAGES / 2);
    expect(db.prepare('PRAGMA wal_checkpoint(NOOP)').get()).toMatchObject({ checkpointed: 0 });
    await checkpoints.close();
    db.close();
  });

  it('fall to the writer when the thread beside cannot open the database', async () => {
    const { db } = open('alone.db');
    const checkpoints = new Checkpoints(db, { path: join(folder, 'no', 'such', 'folder.db') }, FROM_PAGES);
    await commitMany(db, checkpoints, FROM_PAGES + 1);
    await expect
      .poll(() => {
        commitRow(db);
        checkpoints.committed();
        return db.prepare('PRAGMA wal_checkpoint(NOOP)').get()?.['checkpointed'];
      })
      .not.toBe(0);
    await checkpoints.close();
    db.close();
  });

  it('lose nothing when the process is killed in any moment of them', async () => {
    const path = join(folder, 'killed.db');
    let last = 0;
    for (let life = 0; life < 12; life += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one life after the other
      last = Math.max(last, await lastOfLife(path, 20 + life * 37));
      const db = openWriter({ path, maxBytes: 0 });
      const { rows, highest } =
        db.prepare('SELECT count(*) AS rows, max(number) AS highest FROM kept').get() ?? {};
      expect(Number(highest)).toBeGreaterThanOrEqual(last);
      expect(rows).toBe(highest);
      expect(db.prepare('PRAGMA integrity_check').get()?.['integrity_check']).toBe('ok');
      db.close();
    }
    expect(last).toBeGreaterThan(500);
  }, 60_000);
});

/** Lets a process commit for a while after its first row, kills it, and answers what it last said was committed. */
function lastOfLife(path: string, forMs: number): Promise<number> {
  const script = new URL('../../../test/support/committing-writer.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    if (said === '') setTimeout(() => child.kill('SIGKILL'), forMs);
    said += chunk.toString('latin1');
  });
  return new Promise((resolve) => {
    child.on('close', () => resolve(Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1))));
  });
}
