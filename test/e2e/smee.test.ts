import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verify } from '@octokit/webhooks-methods';
import { SmeeClient } from 'smee-client';
import { afterEach, expect, it, vi } from 'vitest';
import { createSource, ok, problem, publish, send, type SourceView } from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Receiver, startReceiver } from './receiving.ts';

const EXAMPLES = JSON.parse(
  readFileSync('node_modules/@octokit/webhooks-examples/api.github.com/index.json', 'utf8'),
) as readonly { readonly name: string; readonly examples: readonly unknown[] }[];
const SECRET = 'It is a secret to everybody';
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function started(dataDir?: string, port = '0'): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({
    args: ['--port', port],
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  cleanUps.push(() => gateway.stop());
  return gateway;
}

async function receiver(): Promise<Receiver> {
  const made = await startReceiver();
  cleanUps.push(() => made.close());
  return made;
}

interface SmeeSource extends SourceView {
  readonly smee: boolean;
  readonly smee_url: string | null;
}

async function githubSource(
  gateway: GatewayProcess,
  smee = true,
): Promise<SmeeSource & { smee_url: string }> {
  const source = await createSource(gateway, { provider: 'github', secrets: [SECRET], smee });
  return source as SmeeSource & { smee_url: string };
}

let deliveries = 0;

/** A webhook as GitHub sends it. */
function githubSends(url: string, body: string, event = 'issues'): Promise<unknown> {
  deliveries += 1;
  return send(url, body, {
    'content-type': 'application/json',
    'user-agent': 'GitHub-Hookshot/044aadd',
    'X-GitHub-Event': event,
    'X-GitHub-Delivery': `d-${deliveries}`,
    'X-Hub-Signature-256': `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
  });
}

async function smeeTo(source: string, target: string): Promise<{ client: SmeeClient; said: string[] }> {
  const said: string[] = [];
  const note = (...parts: unknown[]): void => void said.push(parts.map(String).join(' '));
  const client = new SmeeClient({ source, target, logger: { info: note, error: note } });
  await client.start();
  cleanUps.push(() => client.stop());
  return { client, said };
}

it('serves the real smee-client, and the signature still verifies behind it', async () => {
  const gateway = await started();
  const local = await receiver();
  const source = await githubSource(gateway);
  await smeeTo(source.smee_url, local.url);

  const payloads = EXAMPLES.flatMap(({ name, examples: some }) =>
    some.slice(0, 1).map((payload) => ({ name, body: JSON.stringify(payload) })),
  );
  expect(payloads.length).toBeGreaterThan(40);
  for (const { name, body } of payloads) await githubSends(`${source.url}?from=hook`, body, name);
  const received = await local.count(payloads.length);
  for (const [index, { name, body }] of payloads.entries()) {
    const request = received.find((one) => one.headers['x-github-event'] === name);
    expect(request?.body.toString(), `${name} ${index}`).toBe(body);
    expect(await verify(SECRET, body, String(request?.headers['x-hub-signature-256'])), name).toBe(true);
    expect(request?.headers).toMatchObject({
      'x-github-event': name,
      'user-agent': 'GitHub-Hookshot/044aadd',
      'ringback-body': 'exact',
      'ringback-source': expect.stringContaining('source'),
    });
    expect(request?.headers['webhook-id']).toMatch(/^evt_/);
    expect(request?.path).toContain('from=hook');
  }
});

it('catches up after a restart of the gateway, and after a cut, without the client doing anything', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'ringback-smee-'));
  cleanUps.push(() => rmSync(dataDir, { recursive: true, force: true }));
  let gateway = await started(dataDir);
  const { port } = new URL(gateway.url);
  const local = await receiver();
  const source = await githubSource(gateway);
  const { said } = await smeeTo(source.smee_url, local.url);
  await githubSends(source.url, '{"action":"opened","n":1}');
  await local.count(1);

  await gateway.stop();
  gateway = await started(dataDir, port);
  await githubSends(source.url, '{"action":"opened","n":2}');
  await githubSends(source.url, '{"action":"opened","n":3}');
  await local.count(3);
  expect(local.received.map((one) => one.body.toString().at(-2))).toEqual(['1', '2', '3']);
  expect(said.join('\n')).not.toContain('Connection closed');
});

it('says when a body cannot be carried as it was signed', async () => {
  const gateway = await started();
  const local = await receiver();
  const source = await githubSource(gateway);
  await smeeTo(source.smee_url, local.url);
  await githubSends(source.url, '{ "spaces": 1.0 }');
  const [request] = await local.count(1);
  expect(request?.headers['ringback-body']).toBe('changed');
  expect(request?.body.toString()).toBe('{"spaces":1}');
});

it('speaks on the wire as smee.io does', async () => {
  const gateway = await started();
  const source = await githubSource(gateway);
  const end = new AbortController();
  cleanUps.push(() => end.abort());
  const response = await fetch(source.smee_url, { signal: end.signal });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  let text = '';
  const reading = (async () => {
    for await (const piece of response.body ?? []) text += Buffer.from(piece).toString();
  })().catch(() => undefined);
  await githubSends(source.url, '{"action":"opened"}');
  await vi.waitFor(() => expect(text).toMatch(/"timestamp":\d+\}\n\n$/), { timeout: 10_000, interval: 20 });
  end.abort();
  await reading;
  expect(text).toMatch(/^retry: 1000\nid: \w+\nevent: ready\ndata: \{\}\n\nid: \w+\ndata: \{/);
  const data = JSON.parse(/\ndata: (\{.+\})\n\n$/.exec(text)?.[1] ?? '') as Record<string, unknown>;
  expect(data).toMatchObject({
    'x-github-event': 'issues',
    'content-type': 'application/json',
    body: { action: 'opened' },
    query: {},
  });
  expect(data).not.toHaveProperty('host');
});

it('is off unless a source has it on, shows nothing of others, and ends when it is switched off', async () => {
  const gateway = await started();
  const local = await receiver();
  const off = await githubSource(gateway, false);
  expect(off).toMatchObject({ smee: false, smee_url: null });
  const source = await githubSource(gateway);
  const ingestKey = source.url.split('/in/')[1] ?? '';
  for (const guess of [ingestKey, off.url.split('/in/')[1] ?? '', source.id, '__proto__', 'x']) {
    await problem(gateway.api('GET', `/smee/${guess}`), 404, 'not_found');
  }
  // The channel reads and does not write, as the ingest URL writes and does not read.
  const channel = new URL(source.smee_url).pathname;
  await problem(gateway.api('POST', channel, {}), 405, 'method_not_allowed');
  await problem(gateway.api('POST', `/in/${channel.split('/')[2]}`, {}), 404, 'source_unknown');

  const { said } = await smeeTo(source.smee_url, local.url);
  const other = await createSource(gateway, { provider: 'none', tenant: 'other' });
  await send(other.url, '{"of":"another"}');
  await publish(gateway, { type: 'posing', source: source.id, data: { posing: true } });
  await githubSends(source.url, '{"action":"opened"}');
  await local.count(1);
  expect(local.received.map((one) => one.body.toString())).toEqual(['{"action":"opened"}']);

  const same = await ok<SmeeSource>(gateway.api('PATCH', `/v1/sources/${source.id}`, { smee: true }));
  expect(same.smee_url).toBe(source.smee_url);
  await ok(gateway.api('PATCH', `/v1/sources/${source.id}`, { smee: false }));
  await githubSends(source.url, '{"action":"closed"}');
  await vi.waitFor(() => expect(said.join('\n')).toContain('Connection closed'), { timeout: 15_000 });
  expect(local.received).toHaveLength(1);
  const again = await ok<SmeeSource>(gateway.api('PATCH', `/v1/sources/${source.id}`, { smee: true }));
  expect(again.smee_url).not.toBe(source.smee_url);
});
