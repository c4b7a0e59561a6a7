import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { everyPage, ok, send } from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type LongCommand, startCommand } from './listening.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

interface Bin {
  readonly gateway: GatewayProcess;
  readonly command: LongCommand;
  readonly url: string;
}

async function startBin(...args: string[]): Promise<Bin> {
  const dataDir = mkdtempSync(join(tmpdir(), 'ringback-bin-'));
  cleanUps.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const gateway = await startGatewayProcess({ dataDir });
  cleanUps.push(() => gateway.stop());
  const env = { RINGBACK_DATA_DIR: dataDir, RINGBACK_URL: gateway.url };
  const command = startCommand(['bin', ...args], { cwd: dataDir, env });
  cleanUps.push(() => command.kill());
  await command.says(/send anything to \S+\/in\/\S+/);
  const url = /send anything to (\S+)/.exec(command.text())?.[1] ?? '';
  return { gateway, command, url };
}

function sources(
  gateway: GatewayProcess,
): Promise<{ id: string; name: string; expires_at: string | null }[]> {
  return everyPage(gateway, '/v1/sources');
}

it('shows each request, says who it looks like, hides credentials, and cleans up', async () => {
  const { gateway, command, url } = await startBin();
  const body = JSON.stringify({ action: 'opened', issue: { number: 7 } });
  const github = {
    'content-type': 'application/json',
    'user-agent': 'GitHub-Hookshot/1',
    'x-github-event': 'issues',
    'x-hub-signature-256': `sha256=${createHmac('sha256', 'unknown here').update(body).digest('hex')}`,
    authorization: 'Bearer a-very-secret-token-that-nobody-should-see',
  };
  await send(`${url}/sub?x=1`, body, github);
  await command.says(/looks like {2}github/);
  expect(command.text()).toContain('POST /sub?x=1');
  expect(command.text()).toContain('"number": 7');
  expect(command.text()).toContain('authorization: Bearer a-ve... (');
  expect(command.text()).not.toContain('nobody-should-see');

  await send(url, body, github);
  await vi.waitFor(() => expect(command.text().match(/looks like {2}github/g)).toHaveLength(2), {
    timeout: 10_000,
  });
  await send(url, Buffer.from([0, 1, 2, 255, 65]), { 'content-type': 'application/octet-stream' });
  await command.says(/000000 {2}00 01 02 ff 41 +\.\.\.\.A/);
  await send(url, Buffer.alloc(2_000_000, 'x'));
  await command.says(/refused: event_too_large \(max_body_bytes\)/);
  await fetch(url, { method: 'PUT', body: 'plain words' });
  await command.says(/PUT \/[\s\S]*plain words/);

  const [made] = await sources(gateway);
  expect(made?.name).toMatch(/^bin-/);
  expect(Date.parse(made?.expires_at ?? '') - Date.now()).toBeGreaterThan(86_000_000);
  expect(await command.interrupt()).toBe(0);
  expect(await sources(gateway)).toEqual([]);
  expect((await send(url, 'late')).status).toBe(404);
});

it('says whether a request verifies, without telling the gateway the secret', async () => {
  const { gateway, command, url } = await startBin(
    '--provider',
    'github',
    '--secret',
    'right',
    '--json',
    '--keep',
  );
  const body = '{"action":"opened"}';
  const signed = (secret: string) => ({
    'x-github-event': 'issues',
    'x-github-delivery': 'd-1',
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  });
  await send(url, body, signed('right'));
  await send(url, body, signed('wrong'));
  await send(url, body);
  await vi.waitFor(() => expect(command.stdout().trim().split('\n')).toHaveLength(3), { timeout: 10_000 });
  const lines = command
    .stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([
    {
      outcome: 'kept',
      verdict: { ok: true, covers: 'body', event: { type: 'com.github.issues.opened', id: 'd-1' } },
    },
    { outcome: 'kept', verdict: { ok: false, code: 'signature_mismatch', reason: 'bad_signature' } },
    { outcome: 'kept', looks_like: [], verdict: { ok: false, code: 'signature_missing' } },
  ]);
  await command.interrupt();
  const [kept] = await ok<{ data: { provider: string; secrets: unknown[] }[] }>(
    gateway.api('GET', '/v1/sources'),
  ).then(({ data }) => data);
  expect(kept).toMatchObject({ provider: 'none', secrets: [] });
});

it('says what is wrong with its options', async () => {
  const cases: [string[], RegExp][] = [
    [['--secret', 'x'], /say which: --provider ID/],
    [['--provider', 'nobody'], /--provider nobody cannot be checked/],
    [['--ttl', 'soon'], /duration from 1m to 30d/],
  ];
  for (const [args, said] of cases) {
    const command = startCommand(['bin', '--url', 'http://127.0.0.1:1', ...args], { cwd: tmpdir() });
    expect(await command.ended(), args.join(' ')).toBe(2);
    expect(command.text()).toMatch(said);
  }
});
