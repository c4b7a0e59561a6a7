import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT, readText, run } from './repository.ts';

/** The pinned Node.js first, as npm scripts have it: the machine's own may be too old. */
const ENV = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}` };

describe('the published package', () => {
  let folder = '';
  let installed = '';
  let server: ChildProcess | null = null;

  beforeAll(() => {
    process.env['PATH'] = ENV.PATH;
    folder = mkdtempSync(join(tmpdir(), 'ringback-pack-'));
    const build = run(process.execPath, ['scripts/build.ts'], { cwd: ROOT, timeoutMs: 120_000 });
    if (build.status !== 0) throw new Error(`the build failed: ${build.stdout}${build.stderr}`);
    // Just built; npm would build again and leave its output between the lines of ours.
    const pack = run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
    if (pack.status !== 0) throw new Error(`npm pack failed: ${pack.stderr}`);
    const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? 'none';
    installed = mkdtempSync(join(folder, 'empty-'));
    writeFileSync(join(installed, 'package.json'), '{ "private": true }\n');
    const install = run(
      'npm',
      ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, tarball)],
      {
        cwd: installed,
        timeoutMs: 120_000,
      },
    );
    if (install.status !== 0) throw new Error(`npm install failed: ${install.stderr}`);
  }, 300_000);

  afterAll(() => {
    server?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('holds what it needs to run, and neither sources nor tests', () => {
    const list = run('npm', ['pack', '--ignore-scripts', '--dry-run', '--json'], { cwd: ROOT });
    const [packed] = JSON.parse(list.stdout) as { files: { path: string }[] }[];
    const files = packed?.files.map(({ path }) => path) ?? [];
    expect(files).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'NOTICE',
        'README.md',
        'CHANGELOG.md',
        'dist/src/cli/main.js',
        'dist/src/stores/sqlite/writer-thread.js',
        'dist/src/stores/sqlite/migrations/0001-initial.sql',
        'dist/packages/client/src/simulate/payloads/developer.json',
      ]),
    );
    expect(
      files.filter((file) => /\.test\.|\.jsonl$|(^|[^d])\.ts$/.test(file.replace(/\.d\.ts$/, ''))),
    ).toEqual([]);
  });

  it('says its version', () => {
    const { stdout } = run('npx', ['ringback', '--version'], { cwd: installed });
    const { version } = JSON.parse(readText('package.json')) as { version: string };
    expect(stdout.trim()).toBe(version);
  });

  it('offers the contract suites as ringback/testing', () => {
    const url = JSON.stringify('ringback/testing/fake-clock');
    const script = `const m = await import(${url}); process.stdout.write(Object.keys(m).join());`;
    const { stdout, stderr } = run(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: installed,
    });
    expect(stderr).toBe('');
    expect(stdout).toContain('FakeClock');
  });

  it('starts a gateway that keeps its data and stops in good order', async () => {
    const command = join(installed, 'node_modules/.bin/ringback');
    server = spawn(command, ['dev', '--port', '0', '--data-dir', join(folder, 'data')], {
      cwd: installed,
      env: { ...ENV, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(server, 'exit');
    const url = await startedUrl(server);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(existsSync(join(folder, 'data/ringback.db'))).toBe(true);
    server.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  }, 30_000);
});

/** The `url` of the line that says that the gateway is ready. */
async function startedUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the gateway has no standard output');
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('"gateway.started"')) continue;
    child.stdout.resume();
    return (JSON.parse(line) as { url: string }).url;
  }
  throw new Error('the gateway ended before it was ready');
}
