import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makePostgres, type PostgresServer } from '../../../scripts/services/postgres-server.ts';
import { buildOwed, pendingAt, START_MS } from '../../testing/builders.ts';
import { CLAIM } from './claim-due.ts';
import { connectionConfig } from './database.ts';
import { readDatabaseUrl } from './database-url.ts';
import { openPostgresStore } from './open.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off' });
});
afterAll(() => server.remove());

/** Multiplies the one delivery that there is, over ten destinations. */
const MULTIPLY = `
  INSERT INTO open_deliveries (
    seq, id, tenant, event_seq, subscription_id, destination_id, state, attempts, due_at, created_at,
    updated_at, body_bytes)
  SELECT seq + n, id || '_' || n, tenant, event_seq, subscription_id, 'dst_' || n % 10, 'pending', 0, due_at,
    created_at, updated_at, body_bytes
  FROM open_deliveries CROSS JOIN generate_series($1::int, $2::int) AS n WHERE destination_id = 'dst_one'`;

it('reads as many pages for a claim among a hundred thousand pending deliveries as among a thousand', async () => {
  const url = `${server.url()}?trust_server=true`;
  const store = await openPostgresStore({ url });
  await store.log.append(buildOwed({}, { initial: pendingAt(START_MS) }));
  const client = new Client(connectionConfig(readDatabaseUrl(url), 'work'));
  await client.connect();
  const lanes = Array.from({ length: 10 }, (_, lane) => ({
    lane,
    destination_id: `dst_${lane}`,
    at_most: 5,
    lease_ms: 60_000,
  }));
  const pagesRead = async (): Promise<number> => {
    await client.query('BEGIN');
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${CLAIM}`,
      [JSON.stringify(lanes), START_MS, 'token', 1e9],
    );
    await client.query('ROLLBACK');
    const plan = rows[0]?.['QUERY PLAN'][0].Plan ?? {};
    return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
  };

  await client.query(MULTIPLY, [1, 1_000]);
  const amongFew = await pagesRead();
  await client.query(MULTIPLY, [1_001, 100_000]);
  const amongMany = await pagesRead();
  // Indexes are a level or two deeper; a walk over the rows would be hundreds of times as much.
  expect(amongMany).toBeLessThan(amongFew * 2);
  await client.end();
  await store.close();
}, 60_000);
