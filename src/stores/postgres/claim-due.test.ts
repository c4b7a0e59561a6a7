import { Client, type QueryConfig } from 'pg';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { makePostgres, type PostgresServer } from '../../../scripts/services/postgres-server.ts';
import type { Store } from '../../ports/store.ts';
import { buildAttempt, buildOwed, leasedBy, pendingAt, START_MS } from '../../testing/builders.ts';
import { CLAIM, RECLAIM } from './claim-due.ts';
import { connectionConfig, type Lane, type Statement } from './database.ts';
import { readDatabaseUrl } from './database-url.ts';
import { openPostgresStore } from './open.ts';
import { settleStatement } from './settle-deliveries.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off' });
});
afterAll(() => server.remove());

/** Multiplies the one delivery to `dst_one`, over ten destinations. */
const MULTIPLY = `
  INSERT INTO open_deliveries (
    seq, id, tenant, event_seq, subscription_id, destination_id, state, attempts, due_at, created_at,
    updated_at, body_bytes)
  SELECT seq + n, id || '_' || n, tenant, event_seq, subscription_id, 'dst_' || n % 10, 'pending', 0, due_at,
    created_at, updated_at, body_bytes
  FROM open_deliveries CROSS JOIN generate_series($1::int, $2::int) AS n WHERE destination_id = 'dst_one'`;

const CLAIM_VALUES = [
  JSON.stringify(
    Array.from({ length: 10 }, (_, lane) => ({
      lane,
      destination_id: `dst_${lane}`,
      at_most: 5,
      lease_ms: 60_000,
    })),
  ),
  START_MS,
  'token',
  1e9,
];

/** What a statement does that touches a handful of the open deliveries. */
const CASES: readonly { name: string; lane: Lane; statement: Statement }[] = [
  { name: 'a claim', lane: 'work', statement: { name: 'claim', text: CLAIM, values: CLAIM_VALUES } },
  {
    name: 'taking back lost leases',
    lane: 'work',
    statement: { name: 'reclaim', text: RECLAIM, values: [START_MS + 120_000] },
  },
  {
    name: 'a settlement',
    lane: 'settle',
    statement: settleStatement([
      {
        deliveryId: 'dlv_leased',
        token: 'worker',
        atMs: START_MS,
        attempt: buildAttempt(),
        next: { state: 'succeeded' },
      },
    ]),
  },
];

interface PlanNode {
  readonly 'Shared Hit Blocks'?: number;
  readonly 'Shared Read Blocks'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

function rowsComparedInVain(node: PlanNode): number {
  const own = node['Rows Removed by Join Filter'] ?? 0;
  return (node.Plans ?? []).reduce((sum, child) => sum + rowsComparedInVain(child), own);
}

describe.each(CASES)('$name reads no more pages', ({ lane, statement }) => {
  let store: Store;
  let client: Client;
  let schemas = 0;
  beforeEach(async () => {
    schemas += 1;
    const url = `${server.url()}?trust_server=true&schema=${lane}_${statement.name}_${schemas}`;
    store = await openPostgresStore({ url });
    await store.log.append(
      buildOwed({}, { id: 'dlv_leased', destinationId: 'dst_other', initial: leasedBy('worker') }),
    );
    await store.log.append(buildOwed({}, { initial: pendingAt(START_MS) }));
    client = new Client(connectionConfig(readDatabaseUrl(url), lane));
    await client.connect();
  });
  afterEach(async () => {
    await client.end();
    await store.close();
  });

  /** Pages that a run of the statement reads, undone afterwards. */
  const pagesRead = async (text: string, values?: readonly unknown[]): Promise<number> => {
    await client.query('BEGIN');
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
      values && [...values],
    );
    await client.query('ROLLBACK');
    const plan = rows[0]?.['QUERY PLAN'][0].Plan ?? {};
    expect(rowsComparedInVain(plan)).toBe(0);
    return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
  };
  const { text, values = [], name = '' } = statement;

  // Indexes are a level or two deeper; a walk over the rows would be hundreds of times as much.
  it.each([
    ['without statistics', false],
    ['with statistics of the many', true],
  ])('among a hundred thousand pending deliveries than among a thousand, %s', async (_, analyzed) => {
    await client.query(MULTIPLY, [1, 1_000]);
    const amongFew = await pagesRead(text, values);
    await client.query(MULTIPLY, [1_001, 100_000]);
    if (analyzed) await client.query('VACUUM (ANALYZE) open_deliveries');
    expect(await pagesRead(text, values)).toBeLessThan(amongFew * 2 + 20);
  });

  it('with a plan that was made while there were few', async () => {
    await client.query('ANALYZE open_deliveries');
    const query: QueryConfig = { name, text, values: [...values] };
    // From the sixth run on the server may keep one plan for all of them.
    for (let run = 0; run < 8; run += 1) {
      await client.query('BEGIN');
      await client.query(query);
      await client.query('ROLLBACK');
    }
    const execute = `EXECUTE ${name} (${values.map((value) => client.escapeLiteral(String(value))).join(', ')})`;
    // New rows alone are no reason for a new plan.
    await client.query(MULTIPLY, [1, 1_000]);
    const amongFew = await pagesRead(execute);
    await client.query(MULTIPLY, [1_001, 100_000]);
    expect(await pagesRead(execute)).toBeLessThan(amongFew * 2 + 20);
  });
});

it('a settlement of many looks each of them up, and compares none with what else is leased', async () => {
  const url = `${server.url()}?trust_server=true&schema=settle_many`;
  const store = await openPostgresStore({ url });
  const client = new Client(connectionConfig(readDatabaseUrl(url), 'settle'));
  await client.connect();
  const owed = Array.from({ length: 200 }, () => buildOwed({}, { initial: leasedBy('worker') }));
  await store.log.appendAll(owed.slice(0, 1));
  // What the planner knows is always older than what there is.
  await client.query('VACUUM (ANALYZE) open_deliveries');
  await store.log.appendAll(owed.slice(1));
  const statement = settleStatement(
    owed.slice(0, 100).map(({ deliveryId }) => ({
      deliveryId,
      token: 'worker',
      atMs: START_MS,
      attempt: buildAttempt(),
      next: { state: 'succeeded' },
    })),
  );
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) ${statement.text}`,
    [...(statement.values ?? [])],
  );
  expect(rowsComparedInVain(rows[0]?.['QUERY PLAN'][0].Plan ?? {})).toBe(0);
  expect(
    (await store.queries.deliveries({ state: 'succeeded' }, { limit: 500, before: null })).items,
  ).toHaveLength(100);
  await client.end();
  await store.close();
});
