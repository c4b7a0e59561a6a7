import { buildAppend, buildEvent } from '../../src/testing/builders.ts';
import type { BenchData } from './bench-store.ts';
import { load } from './parts/load.ts';
import { type BenchGateway, startGateway, startPart } from './parts/processes.ts';
import { BENCH_SECRET, type BenchOptions, figure, type Scenario, wire } from './scenarios.ts';

const DAY_MS = 24 * 3_600_000;
const BATCH = 500;
/** What the old events are past. */
const PRUNES = '1d';

const ROUNDS = 3;

/**
 * Ingest while a million old events are pruned, beside ingest of a gateway with as many that keeps them; in
 * turns, while the other one stands still.
 */
export const retention: Scenario = async (options) => {
  const bare = await startPart('bare-server.ts');
  const keeping = await start(options, '30d', bare.url);
  const pruning = await start(options, PRUNES, bare.url);
  try {
    // The first sweep begins five seconds after the start; by the end of this it is under way.
    await rate(keeping, pruning, 1);
    await rate(pruning, keeping, 6);
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const beside = await rate(keeping, pruning, options.seconds);
      const perSecond = await rate(pruning, keeping, options.seconds);
      rounds.push({ beside, perSecond, ratio: perSecond / beside });
    }
    if (!(await hasOldEvents(pruning.gateway))) {
      throw new Error('pruning was over before the load was, so it says nothing: more events are needed');
    }
    const middle = rounds.toSorted((left, right) => left.ratio - right.ratio)[1];
    if (middle === undefined) throw new Error('no rounds');
    const what = `ingest while ${options.many} old events are pruned`;
    const { perSecond, beside } = middle;
    return [figure('r', what, perSecond, 'events/s', beside, '>= 0.80', (ratio) => ratio >= 0.8)];
  } finally {
    for (const { gateway } of [keeping, pruning]) process.kill(gateway.pid, 'SIGCONT');
    await keeping.gateway.stop();
    await pruning.gateway.stop();
    await bare.stop();
  }
};

interface Filled {
  readonly gateway: BenchGateway;
  readonly ingestUrl: string;
}

async function start(options: BenchOptions, keep: string, receiverUrl: string): Promise<Filled> {
  const data = options.store.fresh();
  await fillWithOldEvents(data, options.many);
  const gateway = await startGateway({ ...data.env, RINGBACK_RETENTION: keep }, data.dataDir);
  const ingestUrl = await wire(gateway, receiverUrl, true);
  process.kill(gateway.pid, 'SIGSTOP');
  return { gateway, ingestUrl };
}

/** Events a second that one takes while the other stands still. */
async function rate(one: Filled, other: Filled, seconds: number): Promise<number> {
  process.kill(other.gateway.pid, 'SIGSTOP');
  process.kill(one.gateway.pid, 'SIGCONT');
  return (await load(one.ingestUrl, BENCH_SECRET, seconds)).perSecond;
}

async function hasOldEvents(gateway: BenchGateway): Promise<boolean> {
  const to = new Date(Date.now() - DAY_MS).toISOString();
  const { data } = await gateway.api('GET', `/v1/events?to=${to}&limit=1`);
  return Array.isArray(data) && data.length > 0;
}

async function fillWithOldEvents(data: BenchData, many: number): Promise<void> {
  const store = await data.open();
  const receivedAt = Date.now() - 2 * DAY_MS;
  for (let written = 0; written < many; written += BATCH) {
    const requests = Array.from({ length: Math.min(BATCH, many - written) }, () =>
      buildAppend({ event: buildEvent({ receivedAt }), deliveries: [] }),
    );
    await store.log.appendAll(requests);
  }
  await store.close();
}
