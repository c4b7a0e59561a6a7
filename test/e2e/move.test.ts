import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePostgres, type PostgresServer } from '../../scripts/services/postgres-server.ts';
import { openSqliteStore } from '../../src/stores/sqlite/open.ts';
import { fillStore } from '../contract/filled-store.ts';
import { until } from '../services/load.ts';
import { newSchema, withClient } from '../services/postgres-harness.ts';
import { cleanEnv } from './gateway-process.ts';
import { runCli } from './run-cli.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const EVENTS = 12_000;

let server: PostgresServer;
let folder: string;
let from: string;
beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off', full_page_writes: 'off' });
  folder = mkdtempSync(join(tmpdir(), 'ringback-move-'));
  from = `sqlite:${join(folder, 'from.db')}`;
  const store = await openSqliteStore({ path: join(folder, 'from.db') });
  await fillStore(store, EVENTS);
  await store.close();
}, 60_000);
afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Begins a move in a process of its own and kills it as soon as `isMidway` says so. */
async function killMidway(source: string, target: string, isMidway: () => Promise<boolean>): Promise<void> {
  const child = spawn(process.execPath, [MAIN, 'move', '--from', source, '--to', target], {
    env: cleanEnv(),
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  await until(isMidway);
  child.kill('SIGKILL');
  expect((await ended)[1]).toBe('SIGKILL');
}

const rowsOfEvents = (rows: unknown): boolean => Number(rows) > 0 && Number(rows) < EVENTS;

describe('ringback move', () => {
  it('goes on after kill -9, to PostgreSQL and back, and loses nothing', async () => {
    const schema = newSchema();
    const to = `${server.url()}?trust_server=true&schema=${schema}`;
    await withClient(server.url(), (client) =>
      killMidway(from, to, async () => {
        const query = `SELECT rows FROM ${schema}.move_progress WHERE kind = 'events'`;
        const { rows } = await client.query<{ rows: string }>(query).catch(() => ({ rows: [] }));
        return rowsOfEvents(rows[0]?.rows);
      }),
    );
    const there = await runCli(['move', '--from', from, '--to', to, '--json']);
    expect(there.stderr).toBe('');
    const moved = there.json() as { rows: { events: number }; resumed_from: number };
    expect(moved.rows.events).toBe(EVENTS + 1);
    expect(moved.resumed_from).toBeGreaterThan(0);

    const back = join(folder, 'back.db');
    await killMidway(to, `sqlite:${back}`, async () => rowsOfEvents(eventsIn(`${back}.moving`)));
    expect(existsSync(back)).toBe(false);
    const here = await runCli(['move', '--from', to, '--to', `sqlite:${back}`]);
    expect(here.code).toBe(0);
    expect(here.stdout).toMatch(/rows were there from an interrupted move[^]*the same in number and content/);
    expect(eventsIn(back)).toBe(EVENTS + 1);
  }, 120_000);

  it('shows what it would do, and what keeps it from it', async () => {
    const to = `${server.url()}?trust_server=true&schema=${newSchema()}`;
    const dry = await runCli(['move', '--from', from, '--to', to, '--dry-run']);
    expect(dry.stdout).toMatch(/\(will be made\)[^]*events +12,001/);
    expect(dry.stdout).not.toContain('test-only');
    const wrong = await runCli(['move', '--from', `sqlite:${join(folder, 'no.db')}`, '--to', to]);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toMatch(/error: there is no store at .*no\.db; check the path/);
  });
});

describe('ringback migrate', () => {
  it('shows what is pending, applies it, and has nothing to do then, on either store', async () => {
    const urls = [
      `sqlite:${join(folder, 'new.db')}`,
      `${server.url()}?trust_server=true&schema=${newSchema()}`,
    ];
    for (const url of urls) {
      const steps = async (...flags: string[]): Promise<string> =>
        (await runCli(['migrate', '--store-url', url, ...flags])).stdout;
      expect(await steps('--dry-run')).toMatch(/version 0 of \d+\n {2}pending {2}0001-initial\.sql/);
      expect(await steps()).toMatch(/version 0 of \d+\n {2}applied {2}0001-initial\.sql/);
      expect(await steps('--dry-run')).toMatch(/nothing is pending/);
      expect(await steps('--json')).toMatch(/"steps": \[\]/);
    }
  });
});

function eventsIn(path: string): number {
  if (!existsSync(path)) return 0;
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    return Number(db.prepare('SELECT count(*) AS rows FROM events').get()?.['rows']);
  } catch {
    // Not yet made.
    return 0;
  } finally {
    db.close();
  }
}
