import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { cleanEnv, startGatewayProcess } from './gateway-process.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** Waits until the output shows what is expected. */
function shows(child: ChildProcess, text: () => string, expected: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${String(expected)} in: ${text()}`)), 15_000);
    const look = (): void => {
      if (!expected.test(text())) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    look();
  });
}

it('follows events over a restart of the gateway, missing none, and ends on Ctrl-C', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'ringback-tail-'));
  let gateway = await startGatewayProcess({ dataDir });
  const { url } = gateway;
  const publish = (type: string): Promise<unknown> =>
    gateway.api('POST', '/v1/events', { type, data: null, key: 'k' });
  const child = spawn(process.execPath, [MAIN, 'events', 'tail', '--type', 'tail.*', '--url', url], {
    cwd: dataDir,
    env: { ...cleanEnv(), NO_COLOR: '1', RINGBACK_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  try {
    await shows(child, () => text, /following events of/);
    await publish('tail.first');
    await publish('other');
    await shows(child, () => text, /evt_\w+ {2}tail\.first {2}from api {2}key k/);

    await gateway.stop();
    await shows(child, () => text, /lost the connection \(.*\); trying again/);
    gateway = await startGatewayProcess({ dataDir, args: ['--port', new URL(url).port] });
    await publish('tail.second');
    await shows(child, () => text, /connected again/);
    await shows(child, () => text, /tail\.second/);
    expect(text).not.toContain('other');
    expect(text.match(/tail\.first/g)).toHaveLength(1);

    const ended = once(child, 'exit');
    child.kill('SIGINT');
    expect((await ended)[0]).toBe(0);
  } finally {
    child.kill('SIGKILL');
    await gateway.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
