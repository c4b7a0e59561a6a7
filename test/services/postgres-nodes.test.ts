import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresServer } from '../../scripts/services/postgres-server.ts';
import type { NodeBeat } from '../../src/ports/nodes.ts';
import type { Store, StoreNews } from '../../src/ports/store.ts';
import { openPostgresStore } from '../../src/stores/postgres/open.ts';
import {
  buildAppend,
  buildAttempt,
  buildAuthor,
  buildClaim,
  buildDedupe,
  buildLane,
  buildNewDelivery,
  buildOwed,
  leasedBy,
  START_MS,
} from '../../src/testing/builders.ts';
import { appendEach, deliveryOf, idsOf } from '../../src/testing/store-assertions.ts';
import { buildSource } from '../../src/testing/setting-builders.ts';
import { Load, until } from './load.ts';
import { makeOwnPostgres, newSchema, withClient } from './postgres-harness.ts';

let server: PostgresServer;
const stores: Store[] = [];

beforeAll(async () => {
  server = await makeOwnPostgres();
});
afterAll(() => server.remove());
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

/** Two nodes on one schema. */
async function openTwo(): Promise<[Store, Store]> {
  const url = `${server.url()}?schema=${newSchema()}`;
  const two = await Promise.all([openPostgresStore({ url }), openPostgresStore({ url })]);
  stores.push(...two);
  return two;
}

describe('two nodes on one database', () => {
  it('never lease one attempt of a delivery to both', async () => {
    const [one, two] = await openTwo();
    const load = new Load();
    for (const [index, store] of [one, two].entries()) {
      load.append(store, 8);
      load.work(store, `worker ${index} a`);
      load.work(store, `worker ${index} b`);
    }
    await until(() => load.settled.length > 500);
    await load.stop();

    expect(load.failures).toEqual([]);
    expect([...load.leases].filter(([, tokens]) => tokens.length > 1)).toEqual([]);
    expect(new Set(load.settled).size).toBe(load.settled.length);
    expect(new Set([...load.leases.values()].flat()).size).toBe(4);
  });

  it('fence a lease that one lost and the other took over', async () => {
    const [one, two] = await openTwo();
    const owed = buildOwed({}, { initial: leasedBy('one', START_MS + 1_000) });
    await appendEach(one, owed);
    const taken = await two.log.claimDue(buildClaim({ nowMs: START_MS + 1_000, token: 'two' }));
    expect(idsOf(taken.leased)).toEqual([owed.deliveryId]);

    const settle = {
      deliveryId: owed.deliveryId,
      atMs: START_MS + 2_000,
      next: { state: 'succeeded' },
    } as const;
    const late = await one.log.settle({ ...settle, token: 'one', attempt: buildAttempt() });
    const current = await two.log.settle({ ...settle, token: 'two', attempt: buildAttempt({ number: 2 }) });
    expect([late, current]).toEqual(['lease_lost', 'settled']);
    expect((await deliveryOf(one, owed.deliveryId)).attempts).toBe(2);
  });

  it('write one of two events with the same key', async () => {
    const [one, two] = await openTwo();
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        (index % 2 === 0 ? one : two).log.append({
          ...buildOwed(),
          dedupe: buildDedupe({ key: `k${index >> 2}` }),
        }),
      ),
    );
    expect(answers.filter((answer) => !answer.duplicate)).toHaveLength(10);
  });

  it('let nobody who follows the log miss an event, whoever appended it', async () => {
    const [one, two] = await openTwo();
    const load = new Load();
    load.append(one, 8);
    load.append(two, 8);
    const seen: string[] = [];
    let reachedSeq = 0;
    const follow = async (): Promise<void> => {
      const step = await one.queries.eventsAfter(reachedSeq, {}, 50);
      expect(step.items.every((event) => event.seq > reachedSeq)).toBe(true);
      seen.push(...idsOf(step.items));
      ({ reachedSeq } = step);
    };
    while (load.acknowledged.size < 1_500) await follow();
    await load.stop();
    while (reachedSeq < (await one.queries.lastSeq())) await follow();

    expect(load.failures).toEqual([]);
    expect(new Set(seen).size).toBe(seen.length);
    expect(new Set(seen)).toEqual(load.acknowledged);
  });

  it('keep the order of a key, whoever appends and settles', async () => {
    const [one, two] = await openTwo();
    const given: string[] = [];
    const appends: Promise<unknown>[] = [];
    for (let index = 0; index < 60; index += 1) {
      const delivery = buildNewDelivery({ orderKey: 'k', initial: { state: 'pending', dueAt: START_MS } });
      appends.push((index % 2 === 0 ? one : two).log.append(buildAppend({ deliveries: [delivery] })));
    }
    const work = async (store: Store, token: string): Promise<void> => {
      while (given.length < 60) {
        const { leased } = await store.log.claimDue(buildClaim({ token, lanes: [buildLane()] }));
        expect(leased.length).toBeLessThanOrEqual(1);
        for (const { id } of leased) {
          given.push(id);
          const settlement = { deliveryId: id, token, atMs: START_MS, attempt: buildAttempt() };
          await store.log.settle({ ...settlement, next: { state: 'succeeded' } });
        }
      }
    };
    await Promise.all([...appends, work(one, 'one'), work(two, 'two')]);

    const written = await one.queries.deliveries({}, { limit: 100, before: null });
    expect(given).toEqual(idsOf(written.items).toReversed());
  });
});

describe('nodes with keys for secrets', () => {
  it('are refused when they lack the key that another one seals with, and may rotate', async () => {
    const schema = newSchema();
    const open = async (...keyIds: string[]): Promise<void> => {
      stores.push(await openPostgresStore({ url: `${server.url()}?schema=${schema}`, keyIds }));
    };
    await open('old');
    await open('old');
    await expect(open('other')).rejects.toThrow(/sealed with the key old.*RINGBACK_SECRET_KEY/);
    await open('new', 'old');
    await expect(open('old')).rejects.toThrow(/sealed with the key new/);
    await open('old', 'new');
  });

  it('are refused before the schema is brought up to date, or anything else is written', async () => {
    const schema = newSchema();
    const url = `${server.url()}?schema=${schema}`;
    await (await openPostgresStore({ url, keyIds: ['ours'] })).close();
    const seen = `
      SELECT (SELECT max(number) FROM ${schema}.migrations) AS schema_version,
        to_regclass('${schema}.nodes')::text AS nodes, (SELECT xmin::text FROM ${schema}.store_state) AS written_by`;
    const before = await withClient(server.url(), async (client) => {
      await client.query(`DROP TABLE ${schema}.nodes; DELETE FROM ${schema}.migrations WHERE number >= 3`);
      return (await client.query(seen)).rows;
    });
    expect(before).toMatchObject([{ schema_version: 2, nodes: null }]);
    await expect(openPostgresStore({ url, keyIds: ['theirs'] })).rejects.toThrow(/sealed with the key ours/);
    const after = await withClient(server.url(), async (client) => (await client.query(seen)).rows);
    expect(after).toEqual(before);
  });
});

describe('a node that watches', () => {
  it('hears of settings that another node changed, within a second', async () => {
    const [one, two] = await openTwo();
    const heard: StoreNews[] = [];
    two.watch?.((news) => heard.push(news));
    const changedAt = performance.now();
    await one.settings.put('source', buildSource(), buildAuthor());
    await until(() => heard.includes('settings_changed'));
    expect(performance.now() - changedAt).toBeLessThan(1_500);
  });

  it('hears of it also when its connection for notes was cut', async () => {
    const [one, two] = await openTwo();
    const heard: StoreNews[] = [];
    two.watch?.((news) => heard.push(news));
    await one.settings.put('source', buildSource(), buildAuthor());
    await until(() => heard.length > 0);
    await withClient(server.url(), (client) =>
      client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringback listen'`,
      ),
    );
    heard.length = 0;
    await one.settings.put('source', buildSource(), buildAuthor());
    await until(() => heard.includes('settings_changed'));
  });

  it('hears of what another node appended, and no longer once it has ended that', async () => {
    const [one, two] = await openTwo();
    const heard: StoreNews[] = [];
    const end = two.watch?.((news) => heard.push(news));
    await until(async () => {
      await one.log.append(buildAppend());
      return heard.includes('appended');
    });
    end?.();
    heard.length = 0;
    await one.settings.put('source', buildSource(), buildAuthor());
    await two.settings.load();
    expect(heard).toEqual([]);
  });
});

describe('the list of nodes', () => {
  const beat: NodeBeat = { id: 'nod_one', roles: ['deliver'], view: '', over: [], openBreakers: [] };

  it('says of each what it told last, and for how long it has been silent', async () => {
    const [one, two] = await openTwo();
    await one.nodes?.beat(beat);
    await one.nodes?.beat({ ...beat, view: 'nod_one', over: ['dst_1'], openBreakers: ['dst_2'] });
    await until(async () => {
      const seen = await two.nodes?.beat({ ...beat, id: 'nod_two' });
      return seen?.some(({ id, silentMs }) => id === 'nod_one' && silentMs > 50) === true;
    });
    const seen = (await two.nodes?.beat({ ...beat, id: 'nod_two' })) ?? [];
    expect(seen.find(({ id }) => id === 'nod_one')).toMatchObject({
      view: 'nod_one',
      over: ['dst_1'],
      openBreakers: ['dst_2'],
    });
    expect(seen.find(({ id }) => id === 'nod_two')?.silentMs).toBe(0);
    await one.nodes?.leave('nod_one');
    expect(idsOf((await two.nodes?.beat({ ...beat, id: 'nod_two' })) ?? [])).toEqual(['nod_two']);
  });

  it('frees at once what an ended node had leased, and nothing of another one', async () => {
    const [one, two] = await openTwo();
    const far = Date.now() + 3_600_000;
    const [mine, other] = [
      buildOwed({}, { initial: leasedBy('nod_one.1', far) }),
      buildOwed({}, { initial: leasedBy('nod_two.7', far) }),
    ];
    await appendEach(one, mine);
    await appendEach(one, other);
    await two.nodes?.leave('nod_one');
    const taken = await two.log.claimDue(buildClaim({ nowMs: Date.now() + 1_000, token: 'nod_three' }));
    expect(taken.abandoned).toBe(1);
    expect((await deliveryOf(two, other.deliveryId)).state).toBe('leased');
  });

  it('cuts leases of a silent node short, and never makes one longer', async () => {
    const [one, two] = await openTwo();
    const owed = buildOwed({}, { initial: leasedBy('nod_one.1', START_MS + 60_000) });
    await appendEach(one, owed);
    const { destinationId } = await deliveryOf(one, owed.deliveryId);
    const bound = { nodeId: 'nod_one', leaseUntil: START_MS + 90_000 };
    await two.nodes?.boundLeases({ ...bound, byDestination: [] });
    await two.nodes?.boundLeases({
      ...bound,
      byDestination: [{ destinationId, leaseUntil: START_MS + 20_000 }],
    });
    const early = await two.log.claimDue(buildClaim({ nowMs: START_MS + 19_999, token: 'two' }));
    expect(early.abandoned).toBe(0);
    const late = await two.log.claimDue(buildClaim({ nowMs: START_MS + 20_000, token: 'two' }));
    expect(late.abandoned).toBe(1);
  });
});
