import type { AppendRequest } from '../../src/ports/event-log.ts';
import type { Store } from '../../src/ports/store.ts';
import { buildAppend, buildEvent, buildNewDelivery } from '../../src/testing/builders.ts';
import type { BenchStore } from './bench-store.ts';
import { figure, quantile, type Scenario } from './scenarios.ts';

const CLAIMS = 200;
const LIMIT = 32;
const BATCH = 500;

/** (e): what claiming 32 due deliveries costs with a thousand and with many pending. */
export const claim: Scenario = async ({ many, store }) => {
  const few = await claimCost(store, 1_000 + CLAIMS * LIMIT);
  const lots = await claimCost(store, many);
  return [
    figure('e', `claim of ${LIMIT} with 1 thousand more pending`, few, 'ms', null, ''),
    figure('e', `claim of ${LIMIT} with ${many} pending`, lots, 'ms', few, '<= 1.5', (ratio) => ratio <= 1.5),
  ];
};

async function claimCost(benchStore: BenchStore, pending: number): Promise<number> {
  const data = benchStore.fresh();
  const store = await data.open();
  try {
    await fill(store, pending);
    const times: number[] = [];
    for (let round = 0; round < CLAIMS; round += 1) {
      const startedAt = performance.now();
      const nowMs = Date.now();
      const lanes = [{ destinationId: 'dst_bench', limit: LIMIT, leaseMs: 600_000 }];
      const { leased } = await store.log.claimDue({ nowMs, token: 'bench', lanes, maxBytes: 1e9 });
      times.push(performance.now() - startedAt);
      if (leased.length !== LIMIT) throw new Error(`claimed ${leased.length} instead of ${LIMIT}`);
    }
    return quantile(times, 0.5);
  } finally {
    await store.close();
    data.remove();
  }
}

async function fill(store: Store, pending: number): Promise<void> {
  const nowMs = Date.now() - 60_000;
  for (let written = 0; written < pending; written += BATCH) {
    const requests: AppendRequest[] = Array.from({ length: Math.min(BATCH, pending - written) }, () =>
      buildAppend({
        event: buildEvent({ receivedAt: nowMs }),
        deliveries: [
          buildNewDelivery({ destinationId: 'dst_bench', initial: { state: 'pending', dueAt: nowMs } }),
        ],
      }),
    );
    await store.log.appendAll(requests);
  }
}
