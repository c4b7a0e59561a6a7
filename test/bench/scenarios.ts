import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { BenchStore } from './bench-store.ts';
import { load, type LoadResult } from './parts/load.ts';
import { type BenchGateway, startGateway, startPart } from './parts/processes.ts';
import { inTurns } from './turns.ts';

const run = promisify(execFile);
/** Signs the events of every scenario. */
export const BENCH_SECRET = 'bench-secret';

/** One figure, beside what it is compared with in the same run. */
export interface Figure {
  readonly scenario: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number | null;
  readonly ratio: number | null;
  readonly target: string;
  readonly met: boolean | null;
}

export interface BenchOptions {
  /** Seconds of load in each measurement. */
  readonly seconds: number;
  /** Events of the memory, claim and retention scenarios. */
  readonly many: number;
  /** Where the gateways keep their events. */
  readonly store: BenchStore;
}

export type Scenario = (options: BenchOptions) => Promise<Figure[]>;

/** A gateway on data of its own. */
export function startFresh(store: BenchStore): Promise<BenchGateway> {
  const { env, dataDir } = store.fresh();
  return startGateway(env, dataDir);
}

/** A source, a destination and a subscription between them; answers the ingest URL. */
export async function wire(gateway: BenchGateway, receiverUrl: string, paused: boolean): Promise<string> {
  const source = await gateway.api('POST', '/v1/sources', {
    name: 'gh',
    provider: 'github',
    secrets: [BENCH_SECRET],
  });
  const destination = await gateway.api('POST', '/v1/destinations', {
    name: 'to',
    url: `${receiverUrl}/hook`,
  });
  if (paused) await gateway.api('POST', `/v1/destinations/${String(destination['id'])}/pause`, {});
  await gateway.api('POST', '/v1/subscriptions', {
    name: 'all',
    destination_id: destination['id'],
    types: ['com.github.*'],
  });
  return String(source['url']);
}

/** (a) and (b): verified durable ingest, with event, delivery and de-duplication key in each commit. */
export const ingest: Scenario = async ({ seconds, store }) => {
  const bare = await startPart('bare-server.ts');
  const gateway = await startFresh(store);
  try {
    const url = await wire(gateway, bare.url, true);
    await load(url, BENCH_SECRET, 2);
    await load(bare.url, BENCH_SECRET, 1);
    const { ours, before, floor } = await inTurns(
      () => load(bare.url, BENCH_SECRET, seconds / 2),
      () => accepted(url, seconds / 2),
    );
    return [
      figure('a', 'bare node:http, 64 connections', floor, 'requests/s', null, ''),
      figure(
        'b',
        'verified durable ingest, 1 KiB, 64 connections',
        ours.perSecond,
        'events/s',
        floor,
        '>= 0.25',
        (ratio) => ratio >= 0.25,
      ),
      figure('b', 'answer time, median', ours.p50Ms, 'ms', before.p50Ms, ''),
      figure('b', 'answer time, 99th percentile', ours.p99Ms, 'ms', before.p99Ms, ''),
    ];
  } finally {
    await gateway.stop();
    await bare.stop();
  }
};

/** (c): from the first request to the last delivery recorded as succeeded. */
export const deliver: Scenario = async ({ seconds, store }) => {
  const receiver = await startPart('bare-server.ts', { STATUS: '200' });
  const gateway = await startFresh(store);
  try {
    const url = await wire(gateway, receiver.url, false);
    await load(url, BENCH_SECRET, 2);
    await settled(gateway);
    const { ours, floor } = await inTurns(
      () => undiciAlone(receiver.url, seconds / 2),
      async () => {
        const startedAt = performance.now();
        const { requests } = await accepted(url, seconds / 2);
        await settled(gateway);
        return { perSecond: requests / ((performance.now() - startedAt) / 1000) };
      },
    );
    const { perSecond } = ours;
    if (store.name === 'postgres') return [onServer(perSecond, floor)];
    return [
      figure(
        'c',
        'ingest to recorded delivery, sustained',
        perSecond,
        'events/s',
        floor,
        '>= 0.20',
        (ratio) => ratio >= 0.2,
      ),
    ];
  } finally {
    await gateway.stop();
    await receiver.stop();
  }
};

/** With the database server on the same two cores, the target is a number and not a share. */
function onServer(perSecond: number, floor: number): Figure {
  const what = 'ingest to recorded delivery, sustained';
  const target = '>= 3,000/s';
  return { ...figure('c', what, perSecond, 'events/s', floor, target), met: perSecond >= 3_000 };
}

/** (d): a steady 1,000 events a second, from sending to arrival at the receiver. */
export const latency: Scenario = async ({ seconds, store }) => {
  const receiver = await startPart('latency-receiver.ts');
  const gateway = await startFresh(store);
  try {
    const url = await wire(gateway, receiver.url, false);
    await steady(url, 200, 2);
    const { results, failed } = await steady(url, 1000, seconds * 2);
    if (failed > 0) throw new Error(`${failed} events were not accepted`);
    await settled(gateway);
    const fromSent = await arrivalDelays(receiver.url, results);
    const fromAccepted = await arrivalDelays(receiver.url, results, 'accepted');
    return [
      bounded('d', 'accepted to received at 1,000/s, median', quantile(fromAccepted, 0.5), 'ms', 5),
      bounded(
        'd',
        'accepted to received at 1,000/s, 99th percentile',
        quantile(fromAccepted, 0.99),
        'ms',
        25,
      ),
      figure('d', 'sent to received at 1,000/s, median', quantile(fromSent, 0.5), 'ms', null, ''),
      figure('d', 'sent to received at 1,000/s, 99th percentile', quantile(fromSent, 0.99), 'ms', null, ''),
    ];
  } finally {
    await gateway.stop();
    await receiver.stop();
  }
};

/** It is a part of what (c) measures: short beside a load of seconds. */
const SETTLED_POLL_MS = 10;

/** Resolves when every delivery has ended. */
export async function settled(gateway: BenchGateway): Promise<void> {
  const endAt = Date.now() + 120_000;
  for (const state of ['pending', 'leased']) {
    for (;;) {
      const { data } = await gateway.api('GET', `/v1/deliveries?state=${state}&limit=1`);
      if (Array.isArray(data) && data.length === 0) break;
      if (Date.now() > endAt) throw new Error(`deliveries are still ${state} after two minutes`);
      await new Promise((resolve) => {
        setTimeout(resolve, SETTLED_POLL_MS);
      });
    }
  }
}

/** A load of which every request must be answered with 2xx. */
export async function accepted(url: string, seconds: number): Promise<LoadResult> {
  const result = await load(url, BENCH_SECRET, seconds);
  if (result.non2xx > 0) throw new Error(`${result.non2xx} requests were not answered with 2xx`);
  return result;
}

async function undiciAlone(url: string, seconds: number): Promise<{ readonly perSecond: number }> {
  const part = new URL('./parts/undici-client.ts', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [part, url, String(seconds * 1000)]);
  return JSON.parse(stdout) as { perSecond: number };
}

/** Milliseconds from sending (or from the 202) to arrival, for each event; throws when one is missing. */
export async function arrivalDelays(
  receiverUrl: string,
  results: readonly [id: string, sentAt: number, acceptedAt: number][],
  from: 'sent' | 'accepted' = 'sent',
): Promise<number[]> {
  const arrivals = await allArrivals(receiverUrl, results.length);
  return results.map(([id, sentAt, acceptedAt]) => {
    const arrivedAt = arrivals.get(id);
    if (arrivedAt === undefined) throw new Error(`event ${id} did not arrive`);
    return Math.max(0, arrivedAt - (from === 'sent' ? sentAt : acceptedAt));
  });
}

async function allArrivals(receiverUrl: string, atLeast: number): Promise<Map<string, number>> {
  for (let tries = 0; ; tries += 1) {
    const arrivals = new Map((await (await fetch(receiverUrl)).json()) as [string, number][]);
    if (arrivals.size >= atLeast || tries > 100) return arrivals;
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}

/** Sends at a steady rate from a process of its own. */
export async function steady(url: string, perSecond: number, seconds: number) {
  const part = new URL('./parts/steady-sender.ts', import.meta.url).pathname;
  const args = [part, url, BENCH_SECRET, String(perSecond), String(seconds)];
  const { stdout } = await run(process.execPath, args, { maxBuffer: 256 * 1024 * 1024 });
  return JSON.parse(stdout) as { results: [string, number, number][]; failed: number };
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function figure(
  scenario: string,
  what: string,
  value: number,
  unit: string,
  baseline: number | null,
  target: string,
  isMet?: (ratio: number) => boolean,
): Figure {
  const ratio = baseline === null ? null : value / baseline;
  const met = isMet === undefined || ratio === null ? null : isMet(ratio);
  return { scenario, what, value, unit, baseline, ratio, target, met };
}

export function bounded(scenario: string, what: string, value: number, unit: string, most: number): Figure {
  return {
    scenario,
    what,
    value,
    unit,
    baseline: null,
    ratio: null,
    target: `< ${most} ${unit}`,
    met: value < most,
  };
}
