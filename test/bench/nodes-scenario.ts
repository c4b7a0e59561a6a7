import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchData } from './bench-store.ts';
import { load } from './parts/load.ts';
import { type BenchGateway, startGateway, startPart } from './parts/processes.ts';
import {
  BENCH_SECRET,
  type BenchOptions,
  bounded,
  figure,
  type Scenario,
  settled,
  wire,
} from './scenarios.ts';

const WAIT_MS = 10_000;

/** Ingest to recorded delivery with one node and with two on one database, and attempts made twice. */
export const nodes: Scenario = async (options) => {
  if (options.store.name !== 'postgres') return [];
  const one = await measure(options, 1);
  const two = await measure(options, 2);
  return [
    figure('m', 'ingest to recorded delivery, one node', one.perSecond, 'events/s', null, ''),
    figure('m', 'the same, two nodes on one database', two.perSecond, 'events/s', one.perSecond, ''),
    bounded('m', 'attempts made twice while both nodes live', two.repeated, 'attempts', 1),
  ];
};

async function measure(
  options: BenchOptions,
  count: number,
): Promise<{ perSecond: number; repeated: number }> {
  const receiver = await startPart('counting-receiver.ts');
  const data = options.store.fresh();
  const secretKey = randomBytes(32).toString('base64');
  const gateways: BenchGateway[] = [];
  try {
    for (let node = 0; node < count; node += 1) gateways.push(await startNode(data, secretKey));
    const [first] = gateways;
    if (first === undefined) throw new Error('there is no node');
    const sourceUrl = await wire(first, receiver.url, false);
    for (const gateway of gateways) await knowsSource(gateway);
    const urls = gateways.map(({ url }) => new URL(new URL(sourceUrl).pathname, url).href);
    await loadAll(urls, 2);
    await settled(first);
    const startedAt = performance.now();
    const accepted = await loadAll(urls, options.seconds * 2);
    await settled(first);
    const perSecond = accepted / ((performance.now() - startedAt) / 1_000);
    const counts = (await (await fetch(receiver.url)).json()) as { different: number; repeated: number };
    return { perSecond, repeated: counts.repeated };
  } finally {
    for (const gateway of gateways) await gateway.stop();
    await receiver.stop();
    data.remove();
  }
}

/** Each node has a data directory of its own, and the key for secrets of the others. */
function startNode(data: BenchData, secretKey: string): Promise<BenchGateway> {
  const dataDir = mkdtempSync(join(tmpdir(), 'ringback-bench-'));
  return startGateway({ ...data.env, RINGBACK_SECRET_KEY: secretKey }, dataDir);
}

/** A node takes up what another one was told within a second. */
async function knowsSource(gateway: BenchGateway): Promise<void> {
  const endAt = Date.now() + WAIT_MS;
  for (;;) {
    const { data } = await gateway.api('GET', '/v1/subscriptions');
    if (Array.isArray(data) && data.length > 0) return;
    if (Date.now() > endAt) throw new Error('a node does not know what the other one was told');
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

/** The connections are shared out, so that one node and two are asked the same. */
async function loadAll(urls: readonly string[], seconds: number): Promise<number> {
  const results = await Promise.all(
    urls.map((url) => load(url, BENCH_SECRET, seconds, Math.ceil(64 / urls.length))),
  );
  return results.reduce((sum, { requests, non2xx }) => sum + requests - non2xx, 0);
}
