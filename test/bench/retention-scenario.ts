import { buildAppend, buildEvent } from '../../src/testing/builders.ts';
import type { BenchData } from './bench-store.ts';
import { load } from './parts/load.ts';
import { startGateway, startPart } from './parts/processes.ts';
import { BENCH_SECRET, type BenchOptions, figure, type Scenario, wire } from './scenarios.ts';

const DAY_MS = 24 * 3_600_000;
const BATCH = 500;

/** Ingest while a million old events are pruned, beside ingest while nothing is. */
export const retention: Scenario = async (options) => {
  const quiet = await ingestRate(options, '30d');
  const pruning = await ingestRate(options, '1d');
  const what = `ingest while ${options.many} old events are pruned`;
  return [figure('r', what, pruning, 'events/s', quiet, '>= 0.80', (ratio) => ratio >= 0.8)];
};

async function ingestRate(options: BenchOptions, keep: string): Promise<number> {
  const data = options.store.fresh();
  await fillWithOldEvents(data, options.many);
  const bare = await startPart('bare-server.ts');
  const gateway = await startGateway({ ...data.env, RINGBACK_RETENTION: keep }, data.dataDir);
  try {
    const url = await wire(gateway, bare.url, true);
    // The first sweep begins five seconds after the start; by the end of this it is under way.
    await load(url, BENCH_SECRET, 6);
    return (await load(url, BENCH_SECRET, options.seconds * 2)).perSecond;
  } finally {
    await gateway.stop();
    await bare.stop();
  }
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
