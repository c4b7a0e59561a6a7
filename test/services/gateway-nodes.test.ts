import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresServer } from '../../scripts/services/postgres-server.ts';
import type { GatewayProcess } from '../e2e/gateway-process.ts';
import { until } from './load.ts';
import { knowsSubscriptions, startNode } from './nodes.ts';
import { makeOwnPostgres, newSchema } from './postgres-harness.ts';

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
  dataDir?: string,
) => Promise<GatewayProcess> {
  const url = `${server.url()}?schema=${newSchema()}`;
  return async (args = [], env = {}, dataDir) => {
    const node = await startNode(url, { args, env, ...(dataDir === undefined ? {} : { dataDir }) });
    nodes.push(node);
    return node;
  };
}

interface TestReceiver {
  readonly url: string;
  /** `webhook-id` of each request, and when it came. */
  readonly got: string[];
  readonly times: number[];
  /** Ids that were answered with a 2xx. */
  readonly accepted: Set<string>;
  mostAtOnce(): number;
  status: number;
  answerAfterMs: number;
}

async function startReceiver(options: { answerAfterMs?: number } = {}): Promise<TestReceiver> {
  let [atOnce, mostAtOnce] = [0, 0];
  const listener = createServer((request, response) => {
    const id = String(request.headers['webhook-id']);
    receiver.got.push(id);
    receiver.times.push(performance.now());
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    response.on('close', () => (atOnce -= 1));
    request.resume().on('end', () => {
      const answer = (): void => {
        if (receiver.status < 300) receiver.accepted.add(id);
        response.writeHead(receiver.status).end();
      };
      if (receiver.answerAfterMs === 0) answer();
      else setTimeout(answer, receiver.answerAfterMs).unref();
    });
  });
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve);
  });
  receivers.push(listener);
  const receiver: TestReceiver = {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`,
    got: [],
    times: [],
    accepted: new Set(),
    mostAtOnce: () => mostAtOnce,
    status: 204,
    answerAfterMs: options.answerAfterMs ?? 0,
  };
  return receiver;
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

async function seesBreaker(node: GatewayProcess): Promise<boolean> {
  const { body } = await node.api('GET', '/v1/status');
  return JSON.stringify(body).includes('breaker_open');
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
    // The subscription may come a moment after the source: what is taken in between owes nothing.
    await until(async () => {
      await fetch(`${two.url}${ingest}`, { method: 'POST', body: 'x' });
      return receiver.got.length > 0;
    });

    await two.api('POST', `/v1/destinations/${destination['id']}/pause`);
    await until(async () => {
      const seen = await one.api('GET', `/v1/destinations/${destination['id']}`);
      return (seen.body as { state: string }).state === 'paused';
    });
    const held = await publish(one, 'held.back');
    const deliveries = await one.api('GET', `/v1/events/${held}/deliveries`);
    expect(deliveries.body).toMatchObject({ data: [{ state: 'pending' }] });
    expect(receiver.got).not.toContain(held);

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

describe('limits of a destination', () => {
  it('hold over three nodes: rate and attempts in flight', async () => {
    const start = cluster();
    const three = await Promise.all([start(), start(), start()]);
    const receiver = await startReceiver({ answerAfterMs: 60 });
    const [one] = three;
    const destination = await made(one, 'destinations', {
      name: 'out',
      url: receiver.url,
      max_in_flight: 4,
      rate_limit: { limit: 20, period: '1s' },
    });
    await made(one, 'subscriptions', { name: 'all', destination_id: destination['id'] });
    await until(async () => {
      const seen = await Promise.all(three.map((node) => node.api('GET', '/v1/subscriptions')));
      return seen.every(({ body }) => (body as { data: unknown[] }).data.length === 1);
    });
    const sent = await Promise.all(
      Array.from({ length: 90 }, (_, index) => publish(three[index % 3] ?? one, 'limited')),
    );
    await until(() => new Set(receiver.got).size === sent.length, true, 30_000);
    expect(receiver.got).toHaveLength(sent.length);
    expect(receiver.mostAtOnce()).toBeLessThanOrEqual(4);
    // What is counted here is when requests arrive; on a busy machine they bunch up on their way.
    expect(mostWithin(receiver.times, 900)).toBeLessThanOrEqual(20);
  });

  it('go over to the nodes that are left', async () => {
    const start = cluster();
    const [one, two] = await Promise.all([start(), start()]);
    const receiver = await startReceiver();
    const destination = await made(one, 'destinations', { name: 'out', url: receiver.url, max_in_flight: 1 });
    await made(one, 'subscriptions', { name: 'all', destination_id: destination['id'] });
    await publish(one, 'first');
    await until(() => receiver.got.length === 1);
    nodes.splice(nodes.indexOf(two), 1);
    await two.stop();
    const ids = await Promise.all([publish(one, 'second'), publish(one, 'third')]);
    await until(() => ids.every((id) => receiver.got.includes(id)));
  });
});

describe('a breaker that one node has opened', () => {
  it('keeps the other node away, and closes for both', async () => {
    const start = cluster();
    const [one, two] = await Promise.all([start(), start()]);
    const receiver = await startReceiver();
    receiver.status = 503;
    const destination = await made(one, 'destinations', { name: 'out', url: receiver.url, max_in_flight: 2 });
    const retry = { schedule: Array.from({ length: 60 }, () => '200ms'), jitter: 0 };
    await made(one, 'subscriptions', { name: 'all', destination_id: destination['id'], retry });
    const ids = await Promise.all(Array.from({ length: 12 }, () => publish(one, 'unlucky')));
    await until(async () => (await seesBreaker(one)) && (await seesBreaker(two)));
    const openAt = performance.now();
    receiver.status = 204;
    // Whatever is published now waits for the probe, on both nodes.
    const late = await publish(two, 'late');
    await until(() => [...ids, late].every((id) => receiver.accepted.has(id)), true, 40_000);
    // The first probe goes 15 seconds after it opened; what comes before that was on its way already.
    const early = receiver.times.filter((at) => at > openAt && at < openAt + 5_000);
    expect(early.length).toBeLessThanOrEqual(2);
  }, 60_000);
});

describe('roles', () => {
  it('split the work: one takes in, one delivers, one answers', async () => {
    const start = cluster();
    const [ingest, deliver, api] = await Promise.all([
      start(['--role', 'ingest']),
      start(['--role', 'deliver']),
      start(['--role', 'api']),
    ]);
    const receiver = await startReceiver();
    const source = await made(api, 'sources', { name: 'in', provider: 'none' });
    const destination = await made(api, 'destinations', { name: 'out', url: receiver.url });
    await made(api, 'subscriptions', { name: 'all', destination_id: destination['id'] });
    const path = new URL(source['url'] ?? '').pathname;
    const send = (node: GatewayProcess): Promise<Response> =>
      fetch(`${node.url}${path}`, { method: 'POST', body: 'x' });
    await until(async () => (await send(ingest)).status === 202 && receiver.got.length > 0);
    for (const [node, url] of [
      [deliver, path],
      [api, path],
      [ingest, '/v1/events'],
      [deliver, '/v1/events'],
    ] as const) {
      const refused = await fetch(`${node.url}${url}`);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await refused.json()).toMatchObject({ code: 'role_absent', retryable: true });
      expect((await fetch(`${node.url}/readyz`)).status).toBe(200);
    }
  });
});

describe('nodes that are replaced one by one under load', () => {
  it('lose nothing that was acknowledged, and send nothing twice', async () => {
    const start = cluster();
    const alive = await Promise.all([start(), start()]);
    const receiver = await startReceiver();
    const [first] = alive;
    if (first === undefined) throw new Error('no node');
    const destination = await made(first, 'destinations', { name: 'out', url: receiver.url });
    await made(first, 'subscriptions', { name: 'all', destination_id: destination['id'] });
    for (const node of alive) await until(() => knowsSubscriptions(node, 1));

    const acknowledged: string[] = [];
    const over = new AbortController();
    const send = async (turn: number): Promise<void> => {
      while (!over.signal.aborted) {
        const node = alive[turn++ % alive.length] ?? first;
        // What a node that is stopping refuses, or breaks off, was never acknowledged.
        await publish(node, 'steady').then(
          (id) => acknowledged.push(id),
          () => undefined,
        );
      }
    };
    const senders = [0, 1, 2, 3].map(send);
    for (const old of alive.slice()) {
      const before = acknowledged.length;
      await until(() => acknowledged.length > before + 50);
      nodes.splice(nodes.indexOf(old), 1);
      expect(await old.stop()).toBe(0);
      alive.splice(alive.indexOf(old), 1);
      const next = await start();
      await until(() => knowsSubscriptions(next, 1));
      alive.push(next);
    }
    over.abort();
    await Promise.all(senders);
    await until(() => acknowledged.every((id) => receiver.accepted.has(id)), true, 30_000);
    const twice = receiver.got.filter((id, index) => receiver.got.indexOf(id) !== index);
    expect(twice).toEqual([]);
  }, 90_000);
});

describe('a node that dies', () => {
  it('is replaced at once by the next process on its data directory, which has its lock', async () => {
    const start = cluster();
    const one = await start();
    const receiver = await startReceiver({ answerAfterMs: 3_600_000 });
    const destination = await made(one, 'destinations', { name: 'out', url: receiver.url, timeout: '30s' });
    await made(one, 'subscriptions', { name: 'all', destination_id: destination['id'] });
    const id = await publish(one, 'hangs');
    await until(() => receiver.got.includes(id));
    nodes.splice(nodes.indexOf(one), 1);
    await one.kill();
    receiver.answerAfterMs = 0;
    const startedAt = performance.now();
    const next = await start([], {}, one.dataDir);
    await until(() => receiver.accepted.has(id));
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    await until(async () => {
      const { body } = await next.api('GET', `/v1/events/${id}/deliveries`);
      return (body as { data: { state: string }[] }).data[0]?.state === 'succeeded';
    });
    const { body } = await next.api('GET', `/v1/events/${id}/deliveries`);
    const [delivery] = (body as { data: { id: string }[] }).data;
    const shown = await next.api('GET', `/v1/deliveries/${delivery?.id}`);
    expect(shown.body).toMatchObject({ attempts: [{ outcome: 'abandoned' }, { outcome: 'succeeded' }] });
  });

  it.each(['kill', 'stop for longer than its leases last'] as const)(
    'leaves nothing undone: %s',
    async (harm) => {
      const start = cluster();
      const [one, two] = await Promise.all([start(), start()]);
      const receiver = await startReceiver({ answerAfterMs: 3_600_000 });
      const destination = await made(one, 'destinations', {
        name: 'out',
        url: receiver.url,
        timeout: '2s',
        max_in_flight: 20,
      });
      await made(one, 'subscriptions', { name: 'all', destination_id: destination['id'] });
      await until(async () => {
        const { body } = await two.api('GET', '/v1/subscriptions');
        return (body as { data: unknown[] }).data.length === 1;
      });
      const ids = await Promise.all(Array.from({ length: 10 }, () => publish(one, 'taken')));
      await until(() => receiver.got.length >= 5);
      if (harm === 'kill') await one.kill();
      else process.kill(one.pid, 'SIGSTOP');
      receiver.answerAfterMs = 0;
      try {
        await until(() => ids.every((id) => receiver.accepted.has(id)), true, 40_000);
      } finally {
        if (harm === 'kill') nodes.splice(nodes.indexOf(one), 1);
        else process.kill(one.pid, 'SIGCONT');
      }
      // Also the one that comes back counts on nothing that it had: it goes on with what is new.
      const fresh = await publish(two, 'fresh');
      await until(() => receiver.accepted.has(fresh));
    },
    70_000,
  );
});

function mostWithin(times: readonly number[], windowMs: number): number {
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + windowMs).length));
}
