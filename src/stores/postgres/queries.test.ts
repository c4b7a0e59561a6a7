import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makePostgres, type PostgresServer } from '../../../scripts/services/postgres-server.ts';
import type { Store } from '../../ports/store.ts';
import { buildAppend, buildClaim, buildOwed } from '../../testing/builders.ts';
import { openPostgresStore } from './open.ts';

let server: PostgresServer;
let operator: Client;
beforeAll(async () => {
  server = await makePostgres('packaged', { fsync: 'off' });
  operator = new Client(server.url());
  await operator.connect();
});
afterAll(async () => {
  await operator.end();
  await server.remove();
});

/** Questions about rejections wait while `work` runs, and wait for each other. */
async function withSlowQuestions(
  options: { readonly schema: string; readonly timeoutMs: number; readonly questions: number },
  work: (store: Store, questions: Promise<unknown>[]) => Promise<void>,
): Promise<void> {
  const { schema, timeoutMs } = options;
  const session = encodeURIComponent(`-c statement_timeout=${timeoutMs}`);
  const store = await openPostgresStore({
    url: `${server.url()}?trust_server=true&schema=${schema}&options=${session}`,
  });
  await operator.query('BEGIN');
  await operator.query(`LOCK TABLE ${schema}.rejections IN ACCESS EXCLUSIVE MODE`);
  const page = { limit: 1, before: null };
  const questions = Array.from({ length: options.questions }, () => store.queries.rejections({}, page));
  try {
    await work(store, questions);
  } finally {
    await operator.query('ROLLBACK');
    await Promise.allSettled(questions);
    await store.close();
  }
}

it('takes in, claims and looks things up while long questions hold all their connections', async () => {
  const options = { schema: 'busy', timeoutMs: 10_000, questions: 6 };
  await withSlowQuestions(options, async (store, questions) => {
    const owed = buildOwed();
    await store.log.append(owed);
    expect((await store.log.claimDue(buildClaim())).leased).toHaveLength(1);
    expect((await store.queries.event(owed.event.id))?.id).toBe(owed.event.id);
    expect((await store.queries.eventsAfter(0, {}, 10)).items).toHaveLength(1);
    await store.log.append(buildAppend());
    const waiting = Symbol('waiting');
    expect(await Promise.race([...questions, Promise.resolve(waiting)])).toBe(waiting);
  });
});

it('gives a question up that takes too long, and says what to do', async () => {
  await withSlowQuestions({ schema: 'late', timeoutMs: 200, questions: 1 }, async (_, [question]) => {
    await expect(question).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringMatching(/took too long.*ask for less/),
    });
  });
});
