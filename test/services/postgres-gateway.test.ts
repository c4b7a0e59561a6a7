import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresServer } from '../../scripts/services/postgres-server.ts';
import { createDestination, createSource, subscribe } from '../e2e/arrange.ts';
import { type GatewayProcess, startGatewayProcess } from '../e2e/gateway-process.ts';
import { type Receiver, startReceiver } from '../e2e/receiving.ts';
import { until } from './load.ts';
import { makeOwnPostgres, newSchema } from './postgres-harness.ts';
import { StallingProxy } from './stalling-proxy.ts';

let server: PostgresServer;
let gateway: GatewayProcess | null = null;
let receiver: Receiver | null = null;
beforeAll(async () => {
  server = await makeOwnPostgres();
});
afterAll(() => server.remove());
afterEach(async () => {
  await gateway?.stop();
  await receiver?.close();
});

interface Sent {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly code: unknown;
  readonly id: unknown;
}

/** A gateway on the database at this port, with everything that comes in going to the receiver. */
async function arrange(port: number): Promise<(number: number) => Promise<Sent>> {
  const url = new URL(server.url());
  url.port = String(port);
  receiver = await startReceiver();
  const running = await startGatewayProcess({
    env: { RINGBACK_STORE_URL: `${url.href}?schema=${newSchema()}` },
  });
  gateway = running;
  const { url: ingestUrl } = await createSource(running, { provider: 'none' });
  const { id } = await createDestination(running, { url: receiver.url });
  await subscribe(running, { destination_id: id });
  return async (number) => {
    const response = await fetch(ingestUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ number }),
    });
    const answer = (await response.json()) as { code?: unknown; id?: unknown };
    const { status, headers } = response;
    return { status, retryAfter: headers.get('retry-after'), code: answer.code, id: answer.id };
  };
}

/** Sends until an answer has this status; gives the ids that were acknowledged on the way. */
async function sendUntil(
  send: (number: number) => Promise<Sent>,
  status: number,
  limitMs: number,
): Promise<{ last: Sent; ids: unknown[] }> {
  const ids: unknown[] = [];
  let number = 0;
  let last = await send(number);
  await until(
    async () => {
      number += 1;
      last = await send(number);
      if (last.status === 202) ids.push(last.id);
      return last.status;
    },
    status,
    limitMs,
  );
  return { last, ids };
}

const NOT_NOW = { status: 503, code: 'store_unavailable', retryAfter: expect.stringMatching(/^[1-9]\d*$/) };

describe('a gateway whose PostgreSQL goes away', () => {
  it('answers 503 with Retry-After, is not ready, and goes on by itself when the server is back', async () => {
    const send = await arrange(Number(new URL(server.url()).port));
    const acknowledged = await Promise.all([1, 2, 3].map((number) => send(number)));
    expect(acknowledged.map(({ status }) => status)).toEqual([202, 202, 202]);
    await server.stop('immediate');
    expect(await send(4)).toMatchObject(NOT_NOW);
    const ready = await fetch(`${gateway?.url}/readyz`);
    expect(ready.status).toBe(503);
    await server.start();

    const { ids } = await sendUntil(send, 202, 20_000);
    await until(async () => (await fetch(`${gateway?.url}/readyz`)).status, 200);
    const kept = [...acknowledged.map(({ id }) => id), ...ids];
    await until(() => kept.filter((id) => receiver?.ids().includes(String(id)) !== true), [], 90_000);
  }, 120_000);

  it('answers 503 with Retry-After when the network falls silent, and goes on when it is back', async () => {
    const proxy = await StallingProxy.to(Number(new URL(server.url()).port));
    const send = await arrange(proxy.port);
    expect((await send(1)).status).toBe(202);
    proxy.stall();
    const silent = await sendUntil(send, 503, 30_000);
    expect(silent.last).toMatchObject(NOT_NOW);
    proxy.heal();
    const { ids } = await sendUntil(send, 202, 30_000);
    await until(() => ids.filter((id) => receiver?.ids().includes(String(id)) !== true), [], 90_000);
    await gateway?.stop();
    await proxy.close();
  }, 180_000);
});
