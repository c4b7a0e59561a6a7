import { describe, expect, it } from 'vitest';
import { Problem } from '../domain/problem.ts';
import type { SettingKind } from '../domain/settings.ts';
import type { Store } from '../ports/store.ts';
import { buildAuthor, START_MS } from './builders.ts';
import {
  buildApiKey,
  buildDestination,
  buildEventType,
  buildSource,
  buildSubscription,
} from './setting-builders.ts';
import { allOf, FIRST_PAGE, pagesOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';

/** What the settings promise: versions, unique names, their past, the audit log. */
export function describeSettingsContract(harness: StoreHarness): void {
  describe('settings', () => {
    describePuttingAndRemoving(harness);
    describeReplacing(harness);
    describeNames(harness);
    describePast(harness);
    describeChanges(harness);
    describeKeyUses(harness);
  });
}

const author = buildAuthor();

function describePuttingAndRemoving(harness: StoreHarness): void {
  it('begins without any', async () => {
    const store = await harness.open();
    expect((await store.settings.load()).records).toEqual([]);
  });

  it('loads what was put, of every kind, field by field', async () => {
    const store = await harness.open();
    const settings = {
      source: buildSource({ schema: { type: 'object' }, rateLimit: { limit: 5, periodMs: 1_000 } }),
      destination: buildDestination({ headers: { 'X-Zoë': '"' }, signing: 'none' }),
      subscription: buildSubscription({ types: ['invoice.*'], filter: 'data.n > 1', expiresAt: START_MS }),
      key: buildApiKey({ boundTenant: 'acme', scopes: ['read', 'publish'] }),
      event_type: buildEventType(),
    };
    await store.settings.put('source', settings.source, author);
    await store.settings.put('destination', settings.destination, author);
    await store.settings.put('subscription', settings.subscription, author);
    await store.settings.put('key', settings.key, author);
    await store.settings.put('event_type', settings.event_type, author);

    const { records } = await store.settings.load();
    expect(Object.fromEntries(records.map(({ kind, setting }) => [kind, setting]))).toEqual(settings);
    expect(records).toHaveLength(5);
  });

  it('replaces a setting only while it is as the change saw it, and never brings back one that is gone', async () => {
    const store = await harness.open();
    const source = buildSource();
    await store.settings.put('source', source, author);
    const [seen] = await store.settings.asOf('source', (await store.settings.load()).version);
    if (seen === undefined) throw new Error('the source was not kept');
    const answers = await Promise.all(
      ['first', 'second', 'third'].map((name) =>
        store.settings.replace('source', { ...source, name }, author, seen),
      ),
    );
    expect(answers.filter((version) => version !== null)).toHaveLength(1);
    const { records, version } = await store.settings.load();
    expect(answers).toContain(version);
    expect(records).toHaveLength(1);
    await store.settings.remove('source', source.id, author);
    expect(await store.settings.replace('source', source, author, seen)).toBeNull();
    expect((await store.settings.load()).records).toEqual([]);
  });

  it('answers a version that grows with each change and is that of the next load', async () => {
    const store = await harness.open();
    const source = buildSource();
    const start = (await store.settings.load()).version;

    const created = await store.settings.put('source', source, author);
    expect(created).toBeGreaterThan(start);
    expect((await store.settings.load()).version).toBe(created);
    const updated = await store.settings.put('source', { ...source, enabled: false }, author);
    expect(updated).toBeGreaterThan(created);
    const removed = await store.settings.remove('source', source.id, author);
    expect(removed).toBeGreaterThan(updated);
    expect(await store.settings.load()).toEqual({ version: removed, records: [] });
  });
}

function describeReplacing(harness: StoreHarness): void {
  it('replaces a setting as a whole', async () => {
    const store = await harness.open();
    const source = buildSource({ schema: { type: 'object' }, allowedIps: ['192.0.2.0/24'] });
    await store.settings.put('source', source, author);
    const changed = { ...source, schema: null, allowedIps: [], name: 'renamed', enabled: false };
    await store.settings.put('source', changed, author);

    expect((await store.settings.load()).records).toEqual([{ kind: 'source', setting: changed }]);
  });

  it('removes the one meant and answers null when there is none', async () => {
    const store = await harness.open();
    const [one, two] = [buildSource(), buildSource()];
    await store.settings.put('source', one, author);
    const version = await store.settings.put('source', two, author);

    expect(await store.settings.remove('source', 'src_none', author)).toBeNull();
    expect(await store.settings.remove('destination', one.id, author)).toBeNull();
    expect((await store.settings.load()).version).toBe(version);
    await store.settings.remove('source', one.id, author);
    expect((await store.settings.load()).records).toEqual([{ kind: 'source', setting: two }]);
    expect(await store.settings.remove('source', one.id, author)).toBeNull();
  });

  it('gives each of many concurrent changes a version of its own', async () => {
    const store = await harness.open();
    const sources = Array.from({ length: 12 }, () => buildSource());
    const versions = await Promise.all(sources.map((source) => store.settings.put('source', source, author)));
    expect(new Set(versions).size).toBe(12);
    expect((await store.settings.load()).records).toHaveLength(12);
    expect((await store.settings.load()).version).toBe(Math.max(...versions));
  });
}

function describeNames(harness: StoreHarness): void {
  it('refuses the name of another setting of the kind and tenant, and changes nothing', async () => {
    const store = await harness.open();
    const [first, second] = [buildSource({ name: 'stripe' }), buildSource({ name: 'other' })];
    await store.settings.put('source', first, author);
    await store.settings.put('source', second, author);
    const before = await store.settings.load();

    await expectConflict(store.settings.put('source', buildSource({ name: 'stripe' }), author));
    await expectConflict(store.settings.put('source', { ...second, name: 'stripe' }, author));
    expect(await store.settings.load()).toEqual(before);
    expect((await store.settings.changes({}, FIRST_PAGE)).items).toHaveLength(2);
  });

  it('allows the same name in another kind, in another tenant, and again to its holder', async () => {
    const store = await harness.open();
    const source = buildSource({ name: 'stripe' });
    await store.settings.put('source', source, author);
    await store.settings.put('destination', buildDestination({ name: 'stripe' }), author);
    await store.settings.put('source', buildSource({ name: 'stripe', tenant: 'acme' }), author);
    await store.settings.put('source', { ...source, enabled: false }, author);

    expect((await store.settings.load()).records).toHaveLength(3);
  });

  it('frees a name when its holder is removed or renamed', async () => {
    const store = await harness.open();
    const [removed, renamed] = [buildSource({ name: 'one' }), buildSource({ name: 'two' })];
    await store.settings.put('source', removed, author);
    await store.settings.put('source', renamed, author);
    await store.settings.remove('source', removed.id, author);
    await store.settings.put('source', { ...renamed, name: 'three' }, author);

    await store.settings.put('source', buildSource({ name: 'one' }), author);
    await store.settings.put('source', buildSource({ name: 'two' }), author);
    expect((await store.settings.load()).records).toHaveLength(3);
  });

  it('lets exactly one of two concurrent changes have a name', async () => {
    const store = await harness.open();
    const answers = await Promise.allSettled(
      [1, 2].map(() => store.settings.put('source', buildSource({ name: 'wanted' }), author)),
    );
    expect(answers.map((answer) => answer.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect((await store.settings.load()).records).toHaveLength(1);
  });
}

function describePast(harness: StoreHarness): void {
  it('tells the settings of a kind as they were at any version', async () => {
    const store = await harness.open();
    const start = (await store.settings.load()).version;
    const one = buildSubscription({ name: 'one' });
    const two = buildSubscription({ name: 'two' });
    const changed = { ...one, enabled: false };
    const first = await store.settings.put('subscription', one, author);
    const second = await store.settings.put('subscription', two, author);
    const third = await store.settings.put('subscription', changed, author);
    const fourth = await store.settings.remove('subscription', two.id, author);
    const other = await store.settings.put('source', buildSource(), author);

    expect(await pastOf(store, start)).toEqual([]);
    expect(await pastOf(store, first)).toEqual([one]);
    expect(await pastOf(store, second)).toEqual([one, two]);
    expect(await pastOf(store, third)).toEqual([changed, two]);
    expect(await pastOf(store, fourth ?? 0)).toEqual([changed]);
    expect(await pastOf(store, other)).toEqual([changed]);
    expect(await store.settings.asOf('source', third)).toEqual([]);
  });

  it('tells every version of one setting, newest first, also once it is gone', async () => {
    const store = await harness.open();
    const one = buildDestination();
    const paused = { ...one, state: 'paused' as const, stateReason: 'by_hand' };
    await store.settings.put('destination', one, author);
    await store.settings.put('destination', buildDestination(), author);
    await store.settings.put('source', buildSource({ id: one.id }), author);
    const second = await store.settings.put('destination', paused, { ...author, principal: 'key_other' });
    await store.settings.remove('destination', one.id, author);

    const history = await store.settings.history('destination', one.id, 10);
    expect(history.map(({ change, setting }) => [change.action, setting])).toEqual([
      ['deleted', null],
      ['updated', paused],
      ['created', one],
    ]);
    expect(history[1]?.change).toMatchObject({ version: second, principal: 'key_other', at: author.at });
    expect(await store.settings.history('destination', one.id, 2)).toEqual(history.slice(0, 2));
    expect(await store.settings.history('subscription', one.id, 10)).toEqual([]);
  });

  it('remembers a setting that was removed and made again', async () => {
    const store = await harness.open();
    const subscription = buildSubscription();
    await store.settings.put('subscription', subscription, author);
    const without = await store.settings.remove('subscription', subscription.id, author);
    const again = await store.settings.put('subscription', { ...subscription, enabled: false }, author);

    expect(await pastOf(store, without ?? 0)).toEqual([]);
    expect(await pastOf(store, again)).toEqual([{ ...subscription, enabled: false }]);
  });
}

function describeChanges(harness: StoreHarness): void {
  it('keeps who changed what, when and from where, newest first', async () => {
    const store = await harness.open();
    const source = buildSource({ tenant: 'acme' });
    const created = await store.settings.put('source', source, author);
    const updated = await store.settings.put('source', { ...source, enabled: false }, SECOND_AUTHOR);
    const deleted = await store.settings.remove('source', source.id, buildAuthor({ at: START_MS + 9 }));

    const same = { kind: 'source' satisfies SettingKind, settingId: source.id, tenant: 'acme' };
    expect((await store.settings.changes({}, FIRST_PAGE)).items).toEqual([
      { ...same, ...author, version: deleted, action: 'deleted', at: START_MS + 9 },
      { ...same, ...SECOND_AUTHOR, version: updated, action: 'updated' },
      { ...same, ...author, version: created, action: 'created' },
    ]);
  });

  it('filters by tenant and by setting, and pages', async () => {
    const store = await harness.open();
    const [mine, other] = [buildSource({ tenant: 'acme' }), buildSource({ tenant: 'other' })];
    for (const enabled of [true, false, true]) {
      await store.settings.put('source', { ...mine, enabled }, author);
      await store.settings.put('source', { ...other, enabled }, author);
    }
    await store.settings.put('destination', buildDestination({ tenant: 'acme' }), author);

    const read = async (filter: { tenant?: string; settingId?: string }): Promise<readonly string[]> =>
      (await allOf((page) => store.settings.changes(filter, page), 2)).map((change) => change.settingId);
    expect(await read({ settingId: mine.id })).toEqual([mine.id, mine.id, mine.id]);
    expect(await read({ tenant: 'other' })).toEqual([other.id, other.id, other.id]);
    expect(await read({ tenant: 'acme' })).toHaveLength(4);
    expect(await read({ tenant: 'other', settingId: mine.id })).toEqual([]);
    const pages = await pagesOf(3, (page) => store.settings.changes({}, page));
    expect(pages.map((items) => items.length)).toEqual([3, 3, 1]);
  });
}

const SECOND_AUTHOR = { at: START_MS + 5, principal: 'key_two', remoteAddress: null };

async function pastOf(store: Store, version: number): Promise<unknown> {
  const past = await store.settings.asOf('subscription', version);
  return past.toSorted((one, other) => one.name.localeCompare(other.name));
}

async function expectConflict(change: Promise<number>): Promise<void> {
  const error: unknown = await change.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Problem);
  expect(error).toMatchObject({ code: 'conflict' });
}

function describeKeyUses(harness: StoreHarness): void {
  it('keeps the last use of each key, over a restart, without a version', async () => {
    let store = await harness.open();
    const [one, other] = [buildApiKey(), buildApiKey()];
    await store.settings.put('key', one, author);
    const version = await store.settings.put('key', other, author);
    expect(await store.settings.keyUses()).toEqual([]);

    await store.settings.recordKeyUses([
      { keyId: one.id, usedAt: START_MS + 5 },
      { keyId: other.id, usedAt: START_MS },
    ]);
    await store.settings.recordKeyUses([{ keyId: one.id, usedAt: START_MS + 4 }]);
    await store.settings.recordKeyUses([]);
    if (harness.reopen !== undefined) store = await harness.reopen(store);
    expect(new Map((await store.settings.keyUses()).map(({ keyId, usedAt }) => [keyId, usedAt]))).toEqual(
      new Map([
        [one.id, START_MS + 5],
        [other.id, START_MS],
      ]),
    );
    expect((await store.settings.load()).version).toBe(version);
    expect(await store.settings.changes({}, FIRST_PAGE)).toMatchObject({ items: { length: 2 } });
  });

  it('forgets the use of a key that is removed, and notes none of a key that is not there', async () => {
    const store = await harness.open();
    const key = buildApiKey();
    await store.settings.put('key', key, author);
    await store.settings.recordKeyUses([{ keyId: key.id, usedAt: START_MS }]);
    await store.settings.remove('key', key.id, author);
    await store.settings.recordKeyUses([{ keyId: key.id, usedAt: START_MS }]);
    expect(await store.settings.keyUses()).toEqual([]);
  });
}
