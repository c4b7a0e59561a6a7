import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startGatewayProcess } from './gateway-process.ts';
import { runCli } from './run-cli.ts';

interface Check {
  readonly check: string;
  readonly status: string;
  readonly detail: string;
  readonly fix: string | null;
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-doctor-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function doctor(...args: string[]): Promise<{ code: number | null; checks: readonly Check[] }> {
  const run = await runCli(['doctor', '--json', ...args], { cwd: folder });
  return { code: run.code, checks: (run.json() as { checks: Check[] }).checks };
}

it('finds nothing wrong before the first start', async () => {
  const run = await runCli(['doctor', '--port', '0'], { cwd: folder });
  expect(run.code).toBe(0);
  expect(run.stdout).toMatch(/^ok +data directory .* is made at the first start$/m);
  expect(run.stdout).toMatch(/\d+ ok, \d+ to look at, 0 to mend\n$/);
});

it('asks the server that runs, with the key that commands would send', async () => {
  const gateway = await startGatewayProcess();
  const port = new URL(gateway.url).port;
  const { code, checks } = await doctor('--port', port, '--data-dir', gateway.dataDir);
  const lost = await doctor('--port', '1', '--data-dir', gateway.dataDir);
  await gateway.stop();
  expect(checks.filter(({ status }) => status === 'fail')).toEqual([]);
  expect(code).toBe(0);
  const texts = checks.map(({ check, detail }) => `${check}: ${detail}`);
  expect(texts).toContainEqual(expect.stringMatching(/^server: .* is ready, version/));
  expect(texts).toContainEqual(expect.stringMatching(/^API key: the server accepts/));
  expect(texts).toContainEqual(expect.stringMatching(/^port: .* is taken by the gateway that runs/));
  expect(texts).toContain('clock: agrees with that of the server');
  const store = lost.checks.find(({ check }) => check === 'store');
  expect(store?.status).toBe('warn');
  expect(store?.detail).toContain(`process ${gateway.pid} uses it`);
});

it('says every fix when the server cannot start', async () => {
  const other = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const port = String((other.address() as AddressInfo).port);
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir, { mode: 0o755 });
  writeFileSync(join(dataDir, 'admin.key'), 'rb_key\n');
  chmodSync(join(dataDir, 'admin.key'), 0o644);
  writeFileSync(join(dataDir, 'ringback.db'), 'this is no database');
  const { code, checks } = await doctor('--port', port, '--data-dir', dataDir, '--max-body-size', 'huge');
  other.close();
  expect(code).toBe(1);
  const wrong = checks.filter(({ status }) => status !== 'ok');
  for (const { fix } of wrong) expect(fix).toBeTruthy();
  expect(wrong.map(({ check, status }) => `${check} ${status}`)).toEqual(
    expect.arrayContaining([
      'configuration fail',
      'data directory warn',
      'key files fail',
      'server fail',
      'store fail',
      'port fail',
    ]),
  );
  expect(wrong.find(({ detail }) => detail.includes('secret.key is missing'))?.fix).toMatch(/restore it/);
});

it('names the settings with which production refuses to start', async () => {
  const { code, checks } = await doctor('--profile', 'production', '--port', '0', '--data-dir', folder);
  expect(code).toBe(1);
  expect(checks).toContainEqual(
    expect.objectContaining({
      check: 'configuration',
      status: 'fail',
      detail: 'api_key: there is no admin key',
    }),
  );
});
