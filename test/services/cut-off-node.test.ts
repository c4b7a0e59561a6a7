import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresServer } from '../../scripts/services/postgres-server.ts';
import { createDestination, createSource, publish, subscribe } from '../e2e/arrange.ts';
import type { GatewayProcess } from '../e2e/gateway-process.ts';
import { type Received, type Receiver, startReceiver } from '../e2e/receiving.ts';
import { type Door, KeyedSenders, type Sending } from './keyed-senders.ts';
import { until } from './load.ts';
import { attemptsOf, knowsSubscriptions, linesOf, startNode } from './nodes.ts';
import { makeOwnPostgres, newSchema, withClient } from './postgres-harness.ts';
import { StallingProxy } from './stalling-proxy.ts';

/** A node begins nothing after so long without having been heard of: ADR 0010. */
const SILENT_MS = 5_000;
/** From an attempt's beginning to when the log's line says it was, and from clock to clock. */
const LOG_MARGIN_MS = 500;
/** A silent connection is given up after 12 seconds, and one that cannot be made after 5. */
const SILENCE_BOUND_MS = 17_000;
const BUSY_MACHINE_MS = 5_000;
/** Answers of the slow receiver: the fourth row of its attempts would begin after SILENT_MS. */
const SLOW_ANSWER_MS = 2_000;

let server: PostgresServer;
const opened: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  server = await makeOwnPostgres();
});
afterAll(() => server.remove());
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

interface Scene {
  readonly proxy: StallingProxy;
  readonly schema: string;
  /** The first one reaches the database through the proxy. */
  readonly nodes: readonly [GatewayProcess, GatewayProcess, GatewayProcess];
  readonly doors: readonly [Door, Door, Door];
  readonly receivers: Readonly<Record<'ordered' | 'plain' | 'slow', Receiver>>;
  /** The first node, as the database knows it. */
  readonly nodeId: string;
}

function query(schema: string, text: string): Promise<Record<string, unknown>[]> {
  return withClient(server.url(), async (client) => {
    await client.query(`SET search_path = ${schema}`);
    return (await client.query(text)).rows as Record<string, unknown>[];
  });
}

async function openReceiver(answerAfterMs: number): Promise<Receiver> {
  const started = await startReceiver((_request, response) => {
    if (answerAfterMs === 0) response.end();
    else setTimeout(() => response.end(), answerAfterMs).unref();
  });
  opened.push(() => started.close());
  return started;
}

async function arrange(): Promise<Scene> {
  const schema = newSchema();
  const proxy = await StallingProxy.to(Number(new URL(server.url()).port));
  opened.push(() => proxy.close());
  const start = async (port: string): Promise<GatewayProcess> => {
    const url = new URL(server.url());
    if (port !== '') url.port = port;
    const node = await startNode(`${url.href}?schema=${schema}`);
    opened.push(() => node.stop());
    return node;
  };
  const first = await start(String(proxy.port));
  const [row] = await query(schema, 'SELECT id FROM nodes');
  const nodes = [first, await start(''), await start('')] as const;
  const receivers = {
    ordered: await openReceiver(20),
    plain: await openReceiver(20),
    slow: await openReceiver(SLOW_ANSWER_MS),
  };
  const source = await createSource(first, { name: 'in', provider: 'none', dedupe: { key: 'data.ref' } });
  for (const [name, { url }] of Object.entries(receivers)) {
    // Each node has three of the slow one's nine at once, and nine more ready.
    const limits = name === 'slow' ? { max_in_flight: 9 } : {};
    const destination = await createDestination(first, { name, url, timeout: '3s', ...limits });
    await subscribe(first, {
      destination_id: destination.id,
      ...(name === 'slow' ? { types: ['slow.*'] } : { sources: ['in'] }),
      ...(name === 'ordered' ? { ordering: 'key', session_key: 'data.key' } : {}),
    });
  }
  for (const node of nodes) await until(() => knowsSubscriptions(node, 3));
  const path = new URL(source.url).pathname;
  const [one, two, three] = nodes.map((node, index) => ({
    name: `node ${index + 1}`,
    ingestUrl: `${node.url}${path}`,
  }));
  if (one === undefined || two === undefined || three === undefined)
    throw new Error('three nodes have three doors');
  return { proxy, schema, nodes, doors: [one, two, three], receivers, nodeId: String(row?.['id']) };
}

function startSenders({ doors: [one, two, three] }: Scene): KeyedSenders {
  const senders = new KeyedSenders(SILENCE_BOUND_MS + BUSY_MACHINE_MS);
  for (const key of ['a', 'b', 'c', 'd']) senders.start(key, [one, two, three]);
  for (const key of ['e', 'f', 'g', 'h']) senders.start(key, key < 'g' ? [two, three] : [three, two]);
  opened.push(() => senders.stop());
  return senders;
}

function leasedBy({ schema, nodeId }: Scene): Promise<Record<string, unknown>[]> {
  return query(
    schema,
    `SELECT id FROM open_deliveries WHERE state = 'leased' AND starts_with(lease_token, '${nodeId}.')`,
  );
}

/** Ids that came more than once, once less often than they came. */
function repeated(ids: readonly string[]): string[] {
  const seen = new Set<string>();
  return ids.filter((id) => seen.size === seen.add(id).size);
}

/** Those of `ids` that have not come yet. */
function missing(receiver: Receiver, ids: Iterable<string>): string[] {
  const came = new Set(receiver.ids());
  return [...ids].filter((id) => !came.has(id));
}

function sendingOf({ body }: Received): Sending {
  return JSON.parse(body.toString()) as Sending;
}

/** Each key's places in the order they came: 1, 2, 2, 3 is in order, 1, 3, 2 is not. */
function outOfOrder(received: readonly Received[]): string[] {
  const reached = new Map<string, number>();
  return received.map(sendingOf).flatMap(({ ref, key, place }) => {
    const before = reached.get(key) ?? 0;
    reached.set(key, place);
    return place === before || place === before + 1 ? [] : [`${ref} after ${before}`];
  });
}

async function isReady(node: GatewayProcess): Promise<boolean> {
  return (await fetch(`${node.url}/readyz`)).status === 200;
}

describe.each([
  { how: 'falls silent', cut: (proxy: StallingProxy) => proxy.stall(), boundMs: SILENCE_BOUND_MS },
  { how: 'is refused', cut: (proxy: StallingProxy) => proxy.refuse(), boundMs: 0 },
])('a node of three whose way to the database $how', ({ cut, boundMs }) => {
  it('stops by itself, loses nothing to the others, and joins them again', async () => {
    const scene = await arrange();
    const { nodes, doors, receivers, schema, nodeId, proxy } = scene;
    const [one, two, three] = nodes;
    const senders = startSenders(scene);
    await until(() =>
      doors.every(({ name }) => senders.answers.filter(({ door }) => door === name).length > 40),
    );
    await until(() => nodes.every((node) => attemptsOf(node).length > 20), true, 30_000);
    const published = Array.from({ length: 12 }, () => publish(one, { type: 'slow.event' }));
    const slow = (await Promise.all(published)).map(({ id }) => id);
    await receivers.slow.count(3);
    expect(repeated(receivers.plain.ids())).toEqual([]);
    expect(repeated(receivers.ordered.ids())).toEqual([]);

    cut(proxy);
    const cutAt = Date.now();
    const before = [...senders.acknowledged.values()];
    const [seen] = await query(
      schema,
      `SELECT extract(epoch FROM seen_at) * 1000 AS at FROM nodes WHERE id = '${nodeId}'`,
    );
    const lastHeardAt = Number(seen?.['at']);
    const held = (await leasedBy(scene)).map(({ id }) => String(id));
    expect(held.length).toBeGreaterThanOrEqual(9);
    expect(await isReady(one)).toBe(false);

    // The others go on meanwhile, and take over what it held as soon as its leases have passed.
    await until(async () => (await leasedBy(scene)).length, 0, 40_000);
    await until(() => missing(receivers.plain, before), [], 40_000);
    await until(() => missing(receivers.slow, slow), [], 40_000);
    const attempts = [two, three].flatMap((node) => attemptsOf(node));
    const tookOver = attempts.filter(({ deliveryId }) => held.includes(deliveryId));
    expect(linesOf(two, 'node.lost')).toMatchObject([{ node_id: nodeId }]);
    expect(tookOver.length).toBeGreaterThan(0);
    const meanwhile = senders.answers.filter(({ askedAt }) => askedAt > cutAt);
    expect(
      meanwhile.filter(({ door, status }) => door !== 'node 1' && status === 202).length,
    ).toBeGreaterThan(20);
    await until(() => senders.answers.some(({ door, status }) => door === 'node 1' && status === 503));
    expect(await isReady(one)).toBe(false);

    const healedAt = Date.now();
    proxy.heal();
    await until(() => isReady(one), true, 40_000);
    await until(
      () => senders.answers.some((a) => a.door === 'node 1' && a.status === 202 && a.askedAt > healedAt),
      true,
      40_000,
    );
    await until(() => attemptsOf(one).some(({ begunAt }) => begunAt > healedAt), true, 40_000);
    await senders.stop();

    for (const name of ['ordered', 'plain'] as const) {
      await until(() => missing(receivers[name], senders.acknowledged.values()), [], 60_000);
    }
    await until(() => query(schema, 'SELECT id FROM open_deliveries'), [], 60_000);
    expect(outOfOrder(receivers.ordered.received)).toEqual([]);

    // It began nothing once others could count on its leases to end.
    const begun = attemptsOf(one).filter(({ begunAt }) => begunAt > lastHeardAt + SILENT_MS + LOG_MARGIN_MS);
    expect(begun.filter(({ begunAt }) => begunAt < healedAt)).toEqual([]);
    expect(
      attemptsOf(one).filter(({ begunAt }) => begunAt > cutAt && begunAt < healedAt).length,
    ).toBeGreaterThan(0);

    // Only what it had begun and could not record was made again, and once.
    const unrecorded = new Set(
      attemptsOf(one).flatMap(({ eventId, begunAt }) =>
        begunAt > cutAt - SILENT_MS && begunAt < healedAt ? [eventId] : [],
      ),
    );
    for (const receiver of Object.values(receivers)) {
      const twice = repeated(receiver.ids());
      expect(twice.filter((id) => !unrecorded.has(id))).toEqual([]);
      expect(repeated(twice)).toEqual([]);
    }

    // What it was asked meanwhile it answered, with "not now" and when to come again.
    const refused = senders.answers.filter(({ status }) => status !== 202);
    for (const answer of refused) {
      expect(answer).toMatchObject({
        door: 'node 1',
        status: 503,
        code: 'store_unavailable',
        retryAfter: expect.stringMatching(/^[1-9]\d*$/),
      });
      expect(answer.tookMs).toBeLessThan(boundMs + BUSY_MACHINE_MS);
    }
    expect(senders.unanswered).toEqual([]);
  }, 180_000);
});
