import { type BenchGateway, startPart } from './parts/processes.ts';
import {
  arrivalDelays,
  BENCH_SECRET,
  type BenchOptions,
  figure,
  quantile,
  type Scenario,
  startFresh,
  steady,
} from './scenarios.ts';

const BATCH = 1_000;
const PER_SECOND = 300;

/**
 * A destination with a long backlog that hangs for 30 s on each request must not slow down its healthy
 * neighbour: the neighbour's delay, alone and beside it, in the same process.
 */
export const neighbours: Scenario = async (options) => {
  const healthy = await startPart('latency-receiver.ts');
  const hanging = await startPart('hanging-receiver.ts');
  const gateway = await startFresh(options.store);
  try {
    const url = await wireHealthy(gateway, healthy.url);
    await steady(url, PER_SECOND, 2);
    const alone = await measure(url, healthy.url, options);
    const backlog = await pileUp(gateway, hanging.url, options);
    const beside = await measure(url, healthy.url, options);
    return [
      figure('n', 'healthy destination alone, 99th percentile', alone, 'ms', null, ''),
      figure(
        'n',
        `beside one that hangs with ${backlog} pending`,
        beside,
        'ms',
        alone,
        '<= 2',
        (ratio) => ratio <= 2,
      ),
    ];
  } finally {
    await gateway.stop();
    await hanging.stop();
    await healthy.stop();
  }
};

async function wireHealthy(gateway: BenchGateway, receiverUrl: string): Promise<string> {
  const source = await gateway.api('POST', '/v1/sources', {
    name: 'gh',
    provider: 'github',
    secrets: [BENCH_SECRET],
  });
  const destination = await gateway.api('POST', '/v1/destinations', { name: 'healthy', url: receiverUrl });
  await gateway.api('POST', '/v1/subscriptions', {
    name: 'healthy',
    destination_id: destination['id'],
    types: ['com.github.*'],
  });
  return String(source['url']);
}

async function pileUp(gateway: BenchGateway, receiverUrl: string, { many }: BenchOptions): Promise<number> {
  const destination = await gateway.api('POST', '/v1/destinations', {
    name: 'hanging',
    url: receiverUrl,
    timeout: '30s',
  });
  await gateway.api('POST', '/v1/subscriptions', {
    name: 'hanging',
    destination_id: destination['id'],
    types: ['bulk.*'],
  });
  const backlog = Math.min(100_000, many);
  for (let sent = 0; sent < backlog; sent += BATCH) {
    const events = Array.from({ length: BATCH }, (_, index) => ({
      type: 'bulk.item',
      data: { number: sent + index, padding: 'x'.repeat(900) },
    }));
    await gateway.api('POST', '/v1/events/batch', { events });
  }
  return backlog;
}

async function measure(url: string, receiverUrl: string, { seconds }: BenchOptions): Promise<number> {
  const { results, failed } = await steady(url, PER_SECOND, seconds * 2);
  if (failed > 0) throw new Error(`${failed} events were not accepted`);
  return quantile(await arrivalDelays(receiverUrl, results), 0.99);
}
