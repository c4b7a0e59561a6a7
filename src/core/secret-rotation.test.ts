import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bench, OPERATOR } from '../../test/support/gateway-bench.ts';
import type { Destination } from '../domain/settings.ts';
import type { Store } from '../ports/store.ts';
import { KeyRing } from '../security/key-ring.ts';
import { systemRandomness } from '../security/randomness.ts';
import { buildDestination, buildSource } from '../testing/setting-builders.ts';

const COUNT = 6;
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ringback-rotation-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function ringInFile(): KeyRing {
  return KeyRing.inFile({ path: join(directory, 'secret.key'), randomness: systemRandomness });
}

/** A gateway as a process that starts on this store with these keys sees it. */
async function start(ring: KeyRing, store?: Store): Promise<Bench> {
  const bench = new Bench({
    services: { secrets: ring, secretKeys: ring },
    ...(store === undefined ? {} : { store }),
  });
  await bench.gateway.start();
  return bench;
}

async function withDestinations(ring: KeyRing): Promise<Bench> {
  const bench = await start(ring);
  for (let index = 0; index < COUNT; index += 1) {
    const id = `dst_${index}`;
    const sealed = (text: string) => ({ sealed: ring.seal(text, id), createdAt: 1, expiresAt: null });
    const destination = buildDestination({
      id,
      secrets: [sealed(`secret-${index}`)],
      auth: { kind: 'bearer', token: sealed(`token-${index}`) },
    });
    // oxlint-disable-next-line no-await-in-loop
    await bench.gateway.settings.save('destination', destination, OPERATOR);
  }
  return bench;
}

function openAll(bench: Bench, ring: KeyRing): string[] {
  return bench.gateway.directory.list('destination').map((destination) => {
    const { auth, secrets, id } = destination;
    const token = auth?.kind === 'bearer' ? ring.open(auth.token.sealed, id) : '';
    return `${ring.open(secrets[0]?.sealed ?? '', id)} ${token}`;
  });
}

const ALL_OPEN = Array.from({ length: COUNT }, (_, index) => `secret-${index} token-${index}`);
const REST = { unreadable: [], removedKeys: 0 };

describe('rotating the keys of a file', () => {
  it('seals everything under a new key; then the old one can go', async () => {
    const ring = ringInFile();
    const bench = await withDestinations(ring);
    expect(await bench.gateway.secretRotation.run(OPERATOR, { removeOldKeys: false })).toEqual({
      ...REST,
      newKey: true,
      resealedSecrets: COUNT * 2,
      changedSettings: COUNT,
      keys: 2,
    });
    expect(openAll(bench, ring)).toEqual(ALL_OPEN);
    expect(await bench.gateway.secretRotation.run(OPERATOR, { removeOldKeys: true })).toEqual({
      ...REST,
      newKey: false,
      resealedSecrets: 0,
      changedSettings: 0,
      removedKeys: 1,
      keys: 1,
    });
    const later = await start(ringInFile(), bench.store);
    expect(openAll(later, ringInFile())).toEqual(ALL_OPEN);
  });

  it.each([0, 1, 3, COUNT - 1])(
    'a crash after %i settings leaves all readable, and the next run goes on',
    async (done) => {
      const bench = await withDestinations(ringInFile());
      const { settings } = bench.store;
      const put = settings.put.bind(settings);
      let puts = 0;
      const crashing = vi.spyOn(settings, 'put').mockImplementation((...change) => {
        puts += 1;
        return puts > done ? Promise.reject(new Error('crash')) : put(...change);
      });
      const run = bench.gateway.secretRotation.run(OPERATOR, { removeOldKeys: false });
      await expect(run).rejects.toThrow('crash');
      crashing.mockRestore();

      const ring = ringInFile();
      const restarted = await start(ring, bench.store);
      expect(ring.count).toBe(2);
      expect(openAll(restarted, ring)).toEqual(ALL_OPEN);
      expect(await restarted.gateway.secretRotation.run(OPERATOR, { removeOldKeys: false })).toEqual({
        ...REST,
        newKey: false,
        resealedSecrets: (COUNT - done) * 2,
        changedSettings: COUNT - done,
        keys: 2,
      });
      expect(openAll(restarted, ring)).toEqual(ALL_OPEN);
      const removed = await restarted.gateway.secretRotation.run(OPERATOR, { removeOldKeys: true });
      expect(removed).toMatchObject({ removedKeys: 1, keys: 1 });
      expect(openAll(restarted, ring)).toEqual(ALL_OPEN);
    },
  );

  it('asked to remove old keys half-way, it seals the rest first', async () => {
    const ring = ringInFile();
    const bench = await withDestinations(ring);
    ring.addNewest();
    const report = await bench.gateway.secretRotation.run(OPERATOR, { removeOldKeys: true });
    expect(report).toMatchObject({ newKey: false, changedSettings: COUNT, removedKeys: 1, keys: 1 });
    expect(openAll(bench, ring)).toEqual(ALL_OPEN);
  });

  it('loses no change that is saved at the same time', async () => {
    const ring = ringInFile();
    const bench = await withDestinations(ring);
    const { directory: found, settings, secretRotation } = bench.gateway;
    const rename = (): Promise<void>[] =>
      found
        .list('destination')
        .map((one): Destination => ({ ...one, maxInFlight: one.maxInFlight + 1 }))
        .map((one) => settings.save('destination', one, OPERATOR));
    const before = found.list('destination').map(({ maxInFlight }) => maxInFlight + 2);
    const first = rename();
    const running = secretRotation.run(OPERATOR, { removeOldKeys: false });
    await Promise.all(first);
    await Promise.all(rename());
    await running;
    expect(found.list('destination').map(({ maxInFlight }) => maxInFlight)).toEqual(before);
    await secretRotation.run(OPERATOR, { removeOldKeys: true });
    expect(openAll(bench, ring)).toEqual(ALL_OPEN);
  });

  it('names what no key opens, and goes on', async () => {
    const ring = ringInFile();
    const bench = await withDestinations(ring);
    const lost = KeyRing.ofOperator([Buffer.alloc(32, 3)]).seal('lost', 'src_lost');
    const source = buildSource({
      id: 'src_lost',
      secrets: [{ sealed: lost, createdAt: 1, expiresAt: null }],
    });
    await bench.gateway.settings.save('source', source, OPERATOR);
    const report = await bench.gateway.secretRotation.run(OPERATOR, { removeOldKeys: false });
    expect(report).toMatchObject({ unreadable: ['src_lost'], changedSettings: COUNT });
  });

  it('runs once at a time', async () => {
    const bench = await withDestinations(ringInFile());
    const first = bench.gateway.secretRotation.run(OPERATOR, { removeOldKeys: false });
    const second = bench.gateway.secretRotation.run(OPERATOR, { removeOldKeys: false });
    await expect(second).rejects.toMatchObject({ code: 'conflict' });
    expect(await first).toMatchObject({ keys: 2 });
  });
});

describe('rotating keys that the operator sets', () => {
  const [older, newer] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];

  it('needs a new key in front first, and its removal is the operator’s', async () => {
    const bench = await withDestinations(KeyRing.ofOperator([older]));
    const run = bench.gateway.secretRotation.run(OPERATOR, { removeOldKeys: false });
    await expect(run).rejects.toThrow(/put a new one in front/);

    const ring = KeyRing.ofOperator([newer, older]);
    const restarted = await start(ring, bench.store);
    const { secretRotation } = restarted.gateway;
    expect(await secretRotation.run(OPERATOR, { removeOldKeys: false })).toMatchObject({
      newKey: false,
      changedSettings: COUNT,
      keys: 2,
    });
    expect(await secretRotation.run(OPERATOR, { removeOldKeys: false })).toMatchObject({
      changedSettings: 0,
    });
    await expect(secretRotation.run(OPERATOR, { removeOldKeys: true })).rejects.toThrow(
      /remove all but the first/,
    );
    const only = KeyRing.ofOperator([newer]);
    expect(openAll(await start(only, bench.store), only)).toEqual(ALL_OPEN);
  });
});
