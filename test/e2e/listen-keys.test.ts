import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, expect, it, vi } from 'vitest';
import { ApiClient } from '../../src/cli/api-client.ts';
import { listen } from '../../src/cli/listen/listen-command.ts';
import { publish } from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Receiver, startReceiver } from './receiving.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

interface Terminal {
  readonly gateway: GatewayProcess;
  readonly local: Receiver;
  readonly press: (keys: string) => void;
  readonly says: (expected: RegExp) => Promise<void>;
  readonly text: () => string;
  /** Whether keys come one by one, as after `setRawMode(true)`. */
  readonly isRaw: () => boolean;
  readonly ended: Promise<void>;
}

/** `listen` in this process, with a terminal that a test types on. */
async function terminal(): Promise<Terminal> {
  const dataDir = mkdtempSync(join(tmpdir(), 'ringback-keys-'));
  cleanUps.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const gateway = await startGatewayProcess({ dataDir });
  cleanUps.push(() => gateway.stop());
  const local = await startReceiver();
  cleanUps.push(() => local.close());
  let raw = false;
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (on: boolean) => {
      raw = on;
    },
  });
  let text = '';
  const say = (line: string): void => void (text += `${line}\n`);
  const { url, adminKey: key } = gateway;
  const api = new ApiClient({ url, urlOrigin: '--url', key, keyOrigin: 'a test' });
  const flags = {
    forward: local.url,
    source: [],
    replayLast: 0,
    timeout: 5_000,
    readTimeout: 45_000,
    dataDir,
  };
  const ended = listen(api, flags, { input, screen: { line: say, note: say } });
  ended.catch(() => undefined);
  cleanUps.push(() => {
    input.write('q');
    return ended.catch(() => undefined);
  });
  const says = (expected: RegExp): Promise<void> =>
    vi.waitFor(() => expect(text).toMatch(expected), { timeout: 10_000, interval: 10 });
  await says(/listening at/);
  return {
    gateway,
    local,
    press: (keys) => void input.write(keys),
    says,
    text: () => text,
    isRaw: () => raw,
    ended,
  };
}

function idsOf(local: Receiver): string[] {
  return local.received.map((one) => String(one.headers['ringback-event-id']));
}

it('says where to look, replays the last, and quits leaving the terminal as it was', async () => {
  const { gateway, local, press, says, text, isRaw, ended } = await terminal();
  expect(text()).toContain('keys: o where to look');
  expect(isRaw()).toBe(true);
  press('r');
  await says(/nothing has come yet/);
  const event = await publish(gateway, { type: 'a' });
  await local.count(1);
  await says(new RegExp(`${event.id} .* 200 `));
  press('o');
  await says(new RegExp(`why ${event.id}`));
  press('r');
  await local.count(2);
  expect(idsOf(local)).toEqual([event.id, event.id]);
  press('\u001b[A');
  press('?');
  press('q');
  await ended;
  expect(isRaw()).toBe(false);
  expect(text()).toContain('ended: 2 forwarded');
});

it('pauses without losing anything, and ends on Ctrl-C', async () => {
  const { gateway, local, press, says, ended } = await terminal();
  press('p');
  await says(/paused/);
  const ids = [];
  for (const type of ['a', 'b', 'c']) ids.push((await publish(gateway, { type })).id);
  expect(local.received).toHaveLength(0);
  press('p');
  await local.count(3);
  expect(idsOf(local)).toEqual(ids);
  press('\u0003');
  await ended;
});

it('filters from then on, tells what is wrong with a filter, and takes it off again', async () => {
  const { gateway, local, press, says } = await terminal();
  press('f');
  press('data.n >\r');
  await says(/unchanged/);
  press('f');
  // With a slip of the finger, taken back.
  press('data.n > 2x\u007f.0\r');
  await says(/only what fits: data\.n > 2\.0/);
  await says(/listening at[\s\S]*listening at/);
  await publish(gateway, { type: 'a', data: { n: 1 } });
  const fits = await publish(gateway, { type: 'a', data: { n: 3 } });
  await local.count(1);
  press('f');
  press('\u001b');
  press('f');
  press('\r');
  await says(/no filter: everything comes again/);
  const all = await publish(gateway, { type: 'a', data: { n: 1 } });
  await local.count(2);
  expect(idsOf(local)).toEqual([fits.id, all.id]);
});

it('skips an event that keeps failing, and goes on', async () => {
  const { gateway, local, press, says } = await terminal();
  local.answer = ({ headers }, response) =>
    response.writeHead(headers['ringback-event-type'] === 'bad' ? 500 : 200).end('no');
  const bad = await publish(gateway, { type: 'bad' });
  const good = await publish(gateway, { type: 'good' });
  await says(new RegExp(`answered ${bad.id} with 500: no; trying again in order; s skips it`));
  press('s');
  await says(new RegExp(`skipped; it is kept: .* events get ${bad.id}`));
  await says(new RegExp(`${good.id} .* 200 `));
});
