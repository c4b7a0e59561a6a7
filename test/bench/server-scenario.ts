import { Client } from 'pg';
import type { Store } from '../../src/ports/store.ts';
import { buildAppend, buildEvent } from '../../src/testing/builders.ts';
import { load } from './parts/load.ts';
import { startGateway, startPart } from './parts/processes.ts';
import { placesStatement, serverAlone } from './pgbench.ts';
import { accepted, BENCH_SECRET, figure, type Scenario, wire } from './scenarios.ts';
import { inTurns } from './turns.ts';

/**
 * Durable ingest on PostgreSQL beside what the server alone takes in: pgbench with the same rows in groups
 * of fifty, on the same server, in turns with the gateway.
 */
export const server: Scenario = async ({ seconds, store }) => {
  if (store.server === null) return [];
  const url = store.server.url();
  const alone = store.fresh();
  const schema = await prepareAlone(url, await alone.open(), alone.env['RINGBACK_STORE_URL'] ?? '');
  const bare = await startPart('bare-server.ts');
  const data = store.fresh();
  const gateway = await startGateway(data.env, data.dataDir);
  try {
    const ingestUrl = await wire(gateway, bare.url, true);
    await load(ingestUrl, BENCH_SECRET, 2);
    const { ours, floor } = await inTurns(
      () => serverAlone(url, schema, BENCH_SECRET, seconds / 2),
      () => accepted(ingestUrl, seconds / 2),
    );
    const what = 'durable ingest, beside pgbench with the same rows in groups of 50';
    return [figure('p', what, ours.perSecond, 'events/s', floor, '>= 0.50', (ratio) => ratio >= 0.5)];
  } finally {
    await gateway.stop();
    await bare.stop();
    alone.remove();
  }
};

/** A schema of its own with the store's tables, the partitions of today, and places for pgbench. */
async function prepareAlone(url: string, opened: Store, storeUrl: string): Promise<string> {
  // An append makes the partitions of its day.
  await opened.log.append(buildAppend({ event: buildEvent({ receivedAt: Date.now() }) }));
  await opened.close();
  const schema = new URL(storeUrl).searchParams.get('schema') ?? '';
  const client = new Client(url);
  await client.connect();
  await client.query(placesStatement(schema, Date.now()));
  await client.end();
  return schema;
}
