import { type BenchGateway, residentMiB, startPart } from './parts/processes.ts';
import { bounded, figure, quantile, type Scenario, settled, startFresh } from './scenarios.ts';

const BATCH = 1_000;
/** Batches on their way at once. */
const AT_ONCE = 3;
/** One batch in ten is delivered: all of a million would take minutes, and leave the same behind. */
const DELIVERED_EVERY = 10;

/** (f): start-up, memory at rest and after many events. */
export const footprint: Scenario = async ({ many, store }) => {
  const receiver = await startPart('bare-server.ts', { STATUS: '200' });
  const starts: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const gateway = await startFresh(store);
    starts.push(gateway.startMs);
    await gateway.stop();
  }
  const gateway = await startFresh(store);
  try {
    await new Promise((resolve) => {
      setTimeout(resolve, 3_000);
    });
    const atRest = residentMiB(gateway.pid);
    await subscribe(gateway, receiver.url);
    await publish(gateway, many);
    await settled(gateway);
    const after = residentMiB(gateway.pid);
    return [
      bounded('f', 'start to ready', quantile(starts, 0.5), 'ms', 1_000),
      bounded('f', 'memory at rest', atRest, 'MiB', 150),
      figure('f', `memory after ${many} events`, after, 'MiB', atRest, ''),
    ];
  } finally {
    await gateway.stop();
    await receiver.stop();
  }
};

async function subscribe(gateway: BenchGateway, receiverUrl: string): Promise<void> {
  const { id } = await gateway.api('POST', '/v1/destinations', { name: 'to', url: `${receiverUrl}/hook` });
  await gateway.api('POST', '/v1/subscriptions', {
    name: 'delivered',
    destination_id: id,
    types: ['bulk.delivered'],
  });
}

async function publish(gateway: BenchGateway, many: number): Promise<void> {
  let batch = 0;
  const publisher = async (): Promise<void> => {
    while (batch * BATCH < many) {
      const number = batch;
      batch += 1;
      const type = number % DELIVERED_EVERY === 0 ? 'bulk.delivered' : 'bulk.kept';
      const events = Array.from({ length: BATCH }, (_, index) => ({
        type,
        data: { number: number * BATCH + index, padding: 'x'.repeat(900) },
      }));
      await gateway.api('POST', '/v1/events/batch', { events });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, () => publisher()));
}
