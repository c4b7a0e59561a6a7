import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresServer } from '../../scripts/services/postgres-server.ts';
import { type GatewayProcess, startGatewayProcess } from '../e2e/gateway-process.ts';
import { until } from './load.ts';
import { makeOwnPostgres, newSchema } from './postgres-harness.ts';

const SHARED = {
  RINGBACK_API_KEY: 'one-key-for-all-nodes-of-the-test',
  RINGBACK_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
};

let server: PostgresServer;
const nodes: GatewayProcess[] = [];
const receivers: Server[] = [];

beforeAll(async () => {
  server = await makeOwnPostgres();
});
afterAll(() => server.remove());
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
  for (const receiver of receivers.splice(0)) {
    receiver.closeAllConnections();
    receiver.close();
  }
});

/** A new database schema, and a way to start nodes on it. */
function cluster(): (
  args?: readonly string[],
  env?: Readonly<Record<string, string>>,
) => Promise<GatewayProcess> {
  const url = `${server.url()}?schema=${newSchema()}`;
  return async (args = [], env = {}) => {
    const node = await startGatewayProcess({ args, env: { ...SHARED, RINGBACK_STORE_URL: url, ...env } });
    nodes.push(node);
    return node;
  };
}

async function startReceiver(): Promise<{ url: string; got: string[] }> {
  const got: string[] = [];
  const receiver = createServer((request, response) => {
    got.push(String(request.headers['webhook-id']));
    request.resume().on('end', () => response.writeHead(204).end());
  });
  await new Promise<void>((resolve) => {
    receiver.listen(0, '127.0.0.1', resolve);
  });
  receivers.push(receiver);
  return { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`, got };
}

async function made(node: GatewayProcess, kind: string, body: unknown): Promise<Record<string, string>> {
  const answer = await node.api('POST', `/v1/${kind}`, body);
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return answer.body as Record<string, string>;
}

async function publish(node: GatewayProcess, type: string): Promise<string> {
  const answer = await node.api('POST', '/v1/events', { type, data: {} });
  if (answer.status !== 202) throw new Error(JSON.stringify(answer.body));
  return (answer.body as { id: string }).id;
}

describe('settings that one node changes', () => {
  it('are followed by the other within a second', async () => {
    const start = cluster();
    const [one, two] = await Promise.all([start(), start()]);
    const receiver = await startReceiver();
    const source = await made(one, 'sources', { name: 'in', provider: 'none' });
    const destination = await made(one, 'destinations', { name: 'out', url: receiver.url });
    await made(one, 'subscriptions', { name: 'all', destination_id: destination['id'] });
    const changedAt = performance.now();
    const ingest = new URL(source['url'] ?? '').pathname;
    let status = 0;
    await until(async () => {
      ({ status } = await fetch(`${two.url}${ingest}`, { method: 'POST', body: 'x' }));
      return status === 202;
    });
    expect(performance.now() - changedAt).toBeLessThan(2_000);
    await until(() => receiver.got.length > 0);

    await two.api('POST', `/v1/destinations/${destination['id']}/pause`);
    await until(async () => {
      const seen = await one.api('GET', `/v1/destinations/${destination['id']}`);
      return (seen.body as { state: string }).state === 'paused';
    });
    const before = receiver.got.length;
    const held = await publish(one, 'held.back');
    const deliveries = await one.api('GET', `/v1/events/${held}/deliveries`);
    expect(deliveries.body).toMatchObject({ data: [{ state: 'pending' }] });
    expect(receiver.got.length).toBe(before);

    await one.api('POST', `/v1/destinations/${destination['id']}/resume`);
    await until(() => receiver.got.includes(held));
    await two.api('DELETE', `/v1/sources/${source['id']}`);
    await until(async () => (await fetch(`${one.url}${ingest}`, { method: 'POST' })).status === 404);
  });

  it('are refused to a node that cannot open their secrets', async () => {
    const start = cluster();
    await start();
    const foreign = start([], { RINGBACK_SECRET_KEY: Buffer.alloc(32, 8).toString('base64') });
    await expect(foreign).rejects.toThrow(/RINGBACK_SECRET_KEY/);
  });
});
