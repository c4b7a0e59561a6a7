import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  createDestination,
  createSource,
  deliveriesOf,
  type DeliveryView,
  everyPage,
  type EventView,
  ok,
  publish,
  send,
  settled,
  subscribe,
} from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { openRaw } from './raw-requests.ts';
import { hangs } from './receivers/hostile-receivers.ts';
import { type Receiver, startReceiver } from './receiving.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function makeDataDir(): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'ringback-e2e-'));
  cleanups.push(() => rmSync(dataDir, { recursive: true, force: true }));
  return dataDir;
}

async function start(dataDir: string, ...args: string[]): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({ dataDir, args });
  cleanups.push(() => gateway.kill());
  return gateway;
}

async function receiving(...answer: Parameters<typeof startReceiver>): Promise<Receiver> {
  const receiver = await startReceiver(...answer);
  cleanups.push(() => receiver.close());
  return receiver;
}

/** A receiver that keeps its answers back until `release`. */
async function holding(): Promise<{ receiver: Receiver; release: () => void }> {
  const held: ServerResponse[] = [];
  const receiver = await receiving((_request, response) => held.push(response));
  return {
    receiver,
    release: () => {
      receiver.answer = (_request, response) => response.end();
      for (const response of held.splice(0)) response.end();
    },
  };
}

async function deliverTo(gateway: GatewayProcess, url: string, fields = {}): Promise<string> {
  const { id } = await createDestination(gateway, { url, ...fields });
  await subscribe(gateway, {
    destination_id: id,
    retry: { schedule: ['50ms', '100ms'], max_attempts: 20, jitter: 0 },
  });
  return id;
}

function terminate(gateway: GatewayProcess): { exitCode: Promise<number>; tookMs: () => number } {
  const from = performance.now();
  let took = 0;
  const exitCode = gateway.stop().then((code) => {
    took = performance.now() - from;
    return code;
  });
  return { exitCode, tookMs: () => took };
}

function stopping(gateway: GatewayProcess): Promise<void> {
  return vi.waitFor(() => expect(gateway.stdout()).toContain('"gateway.stopping"'), {
    timeout: 5_000,
    interval: 5,
  });
}

describe('E1: SIGTERM', () => {
  test('E1 attempts in flight finish and are recorded, then the exit code is 0', async () => {
    const dataDir = makeDataDir();
    const gateway = await start(dataDir);
    const { receiver, release } = await holding();
    await deliverTo(gateway, receiver.url);
    const published = [];
    for (let n = 0; n < 5; n += 1) published.push(await publish(gateway, { type: 'e1.drain' }));
    await receiver.count(5);
    const { exitCode } = terminate(gateway);
    await stopping(gateway);
    await vi.waitFor(() => expect(fetch(`${gateway.url}/healthz`)).rejects.toThrow());
    release();
    expect(await exitCode).toBe(0);

    const again = await start(dataDir);
    for (const { id } of published) {
      const delivery = await settled(again, id);
      expect(delivery).toMatchObject({ state: 'succeeded', attempt_count: 1 });
      expect(delivery.attempts.map(({ outcome }) => outcome)).toEqual(['succeeded']);
    }
    expect(receiver.received).toHaveLength(5);
  });

  test('E1 what has not begun is given back unattempted and goes out after the next start', async () => {
    const dataDir = makeDataDir();
    const gateway = await start(dataDir);
    const { receiver, release } = await holding();
    await deliverTo(gateway, receiver.url, { max_in_flight: 1 });
    const published = [];
    for (let n = 0; n < 6; n += 1) published.push(await publish(gateway, { type: 'e1.back' }));
    await receiver.count(1);
    const { exitCode } = terminate(gateway);
    await stopping(gateway);
    release();
    expect(await exitCode).toBe(0);
    const before = receiver.received.length;

    const again = await start(dataDir);
    for (const { id } of published) {
      const delivery = await settled(again, id);
      expect(delivery.attempts.map(({ number, outcome }) => [number, outcome])).toEqual([[1, 'succeeded']]);
    }
    expect(before).toBe(1);
    expect(receiver.received).toHaveLength(6);
  });

  test('E1 a destination that hangs holds the exit up for the drain time and no longer', async () => {
    const dataDir = makeDataDir();
    const gateway = await start(dataDir, '--drain-timeout', '500ms');
    const hanging = await hangs();
    cleanups.push(() => hanging.close());
    const destination = await deliverTo(gateway, hanging.url);
    const { id } = await publish(gateway, { type: 'e1.hang' });
    await vi.waitFor(() => expect(hanging.requests()).toBe(1));
    const { exitCode, tookMs } = terminate(gateway);
    expect(await exitCode).toBe(0);
    expect(tookMs()).toBeGreaterThan(400);
    expect(tookMs()).toBeLessThan(4_000);

    const again = await start(dataDir);
    const receiver = await receiving();
    await ok(again.api('PATCH', `/v1/destinations/${destination}`, { url: receiver.url }));
    await settled(again, id, ({ attempts }) => attempts[0]?.outcome === 'abandoned');
  });

  test('E1 a sender that drips its body cannot hold the exit up', async () => {
    const gateway = await start(makeDataDir(), '--drain-timeout', '500ms');
    const { url } = await createSource(gateway, { provider: 'none' });
    const raw = await openRaw(url);
    cleanups.push(() => raw.destroy());
    raw.write(`POST ${new URL(url).pathname} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{`);
    await send(url, '{}');
    const { exitCode, tookMs } = terminate(gateway);
    expect(await exitCode).toBe(0);
    expect(tookMs()).toBeLessThan(4_000);
  });

  test('E1 a slow replay does not hold the exit up, and attempts in flight are drained beside it', async () => {
    const dataDir = makeDataDir();
    const gateway = await start(dataDir, '--drain-timeout', '15s');
    const receiver = await receiving();
    await deliverTo(gateway, receiver.url);
    const ids = [];
    for (let n = 0; n < 3; n += 1) ids.push((await publish(gateway, { type: 'e1.replay' })).id);
    await receiver.count(3);
    await ok(gateway.api('POST', '/v1/replays', { filter: { event_ids: ids }, rate_limit: 0.05 }));
    await receiver.count(4);
    const { exitCode, tookMs } = terminate(gateway);
    expect(await exitCode).toBe(0);
    expect(tookMs()).toBeLessThan(4_000);
  });

  test('E1 a request that came before the stop is kept and answered; one after it is told to come again', async () => {
    const dataDir = makeDataDir();
    const gateway = await start(dataDir);
    const { url } = await createSource(gateway, { provider: 'none' });
    const { pathname } = new URL(url);
    const raw = await openRaw(url);
    cleanups.push(() => raw.destroy());
    raw.write(`POST ${pathname} HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n{"n"`);
    await send(url, '{}');
    const { exitCode } = terminate(gateway);
    await stopping(gateway);
    raw.write(`: 1}POST ${pathname} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}`);
    const text = await raw.until(() => false);
    expect(await exitCode).toBe(0);
    const [first = '', second] = text.split(/(?=HTTP\/1\.1)/);
    expect(first).toMatch(/^HTTP\/1\.1 202 /);
    if (second !== undefined) expect(second).toMatch(/^HTTP\/1\.1 (202 |503 [^]*retry-after)/i);
    const { id } = JSON.parse(first.slice(first.indexOf('{'), first.indexOf('}') + 1)) as { id: string };
    const again = await start(dataDir);
    expect((await ok<EventView>(again.api('GET', `/v1/events/${id}`))).body).toBe('{"n": 1}');
  });
});

/** The same numbers for the same seed, so that a failing round can be run again (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Sends until told to stop or until nobody answers; remembers what was acknowledged. */
class LoadGenerator {
  readonly acknowledged = new Map<string, string>();
  readonly #senders: Promise<void>[];
  #stopped = false;
  #count = 0;

  constructor(url: string, round: number, senders: number) {
    this.#senders = Array.from({ length: senders }, (_, sender) => this.#send(url, `${round}-${sender}`));
  }

  async #send(url: string, name: string): Promise<void> {
    for (let n = 0; !this.#stopped; n += 1) {
      const body = `{"sent":"${name}-${n}"}`;
      try {
        // Each sender waits for its answer: eight of them are eight requests at a time.
        const { status, body: answer } = await send(url, body);
        if (status !== 202) throw new Error(`answered ${status}`);
        this.acknowledged.set((answer as { id: string }).id, body);
        this.#count += 1;
      } catch {
        // Killed: what was not acknowledged is the sender's to send again.
        return;
      }
    }
  }

  reached(count: number): Promise<void> {
    return vi.waitFor(() => expect(this.#count).toBeGreaterThanOrEqual(count), {
      timeout: 10_000,
      interval: 1,
    });
  }

  async end(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#senders);
  }
}

describe('E2: kill -9', () => {
  test(
    'E2 every acknowledged event is there after kill -9 under load, and is delivered',
    { timeout: 60_000 },
    async () => {
      const random = seeded(20_261_121);
      const dataDir = makeDataDir();
      const receiver = await receiving((_request, response) => {
        // Some answers are late, some are failures: the kill finds deliveries in every state.
        const luck = random();
        if (luck < 0.1) response.writeHead(503).end();
        else if (luck < 0.4) setTimeout(() => response.end(), luck * 100);
        else response.end();
      });
      let gateway = await start(dataDir);
      await deliverTo(gateway, receiver.url);
      const source = await createSource(gateway, { provider: 'none' });
      const { pathname } = new URL(source.url);
      const acknowledged = new Map<string, string>();
      for (let round = 1; round <= 5; round += 1) {
        const load = new LoadGenerator(gateway.url + pathname, round, 8);
        await load.reached(20 + Math.floor(random() * 180));
        await gateway.kill();
        await load.end();
        for (const [id, body] of load.acknowledged) acknowledged.set(id, body);
        gateway = await start(dataDir);
      }
      const events = await everyPage<EventView>(gateway, '/v1/events');
      const kept = new Set(events.map(({ id }) => id));
      expect([...acknowledged.keys()].filter((id) => !kept.has(id))).toEqual([]);
      // What was not acknowledged may have been kept; then it is owed like everything else.
      await receiver.until(() => new Set(receiver.ids()).size >= kept.size, 15_000);
      expect(new Set(receiver.ids())).toEqual(kept);
      for (const { headers, body } of receiver.received) {
        const sent = acknowledged.get(String(headers['webhook-id']));
        if (sent !== undefined) expect(body.toString()).toBe(sent);
      }
      await vi.waitFor(
        async () => {
          const open = await everyPage<DeliveryView>(gateway, '/v1/deliveries?state=pending');
          const leased = await everyPage<DeliveryView>(gateway, '/v1/deliveries?state=leased');
          expect([open.length, leased.length]).toEqual([0, 0]);
        },
        { timeout: 15_000, interval: 100 },
      );
      expect(await everyPage(gateway, '/v1/deliveries?state=dead')).toEqual([]);
      expect(await everyPage(gateway, '/v1/deliveries?state=succeeded')).toHaveLength(kept.size);
    },
  );

  test('E2 the leases of the dead process are taken up at once; the lost attempt is abandoned', async () => {
    const dataDir = makeDataDir();
    const gateway = await start(dataDir);
    const { receiver, release } = await holding();
    await deliverTo(gateway, receiver.url, { timeout: '5m' });
    const published = [];
    for (let n = 0; n < 3; n += 1) published.push(await publish(gateway, { type: 'e2.lease' }));
    await receiver.count(3);
    await gateway.kill();
    release();

    const startedAt = Date.now();
    const again = await start(dataDir);
    await receiver.count(6, 5_000);
    expect(Date.now() - startedAt).toBeLessThan(8_000);
    for (const { id } of published) {
      const { attempts, state, attempt_count: count } = await settled(again, id);
      expect([state, count]).toEqual(['succeeded', 2]);
      expect(attempts.map(({ number, outcome, status, error }) => [number, outcome, status, error])).toEqual([
        [1, 'abandoned', null, 'worker_lost'],
        [2, 'succeeded', 200, null],
      ]);
      const seen = receiver.received.filter(({ headers }) => headers['webhook-id'] === id);
      expect(seen.map(({ headers }) => headers['ringback-attempt'])).toEqual(['1', '2']);
    }
  });

  test('E2 many leases of the dead process are all taken up within seconds', async () => {
    const dataDir = makeDataDir();
    const gateway = await start(dataDir);
    const { receiver, release } = await holding();
    const destination = await deliverTo(gateway, receiver.url, { max_in_flight: 250, timeout: '5m' });
    const events = Array.from({ length: 700 }, () => ({ type: 'e2.many', data: {} }));
    await ok(gateway.api('POST', '/v1/events/batch', { events }));
    await receiver.count(250);
    await gateway.kill();
    release();

    const again = await start(dataDir);
    await receiver.until(() => new Set(receiver.ids()).size === 700, 3_000);
    const path = `/v1/deliveries?destination=${destination}&state=succeeded`;
    await vi.waitFor(async () => expect(await everyPage(again, path)).toHaveLength(700), { timeout: 5_000 });
  });
});

async function refusal(started: Promise<GatewayProcess>): Promise<string> {
  const outcome = await started.then(
    () => null,
    (error: unknown) => String(error),
  );
  if (outcome === null) throw new Error('it started');
  return outcome;
}

describe('E3: what cannot be opened', () => {
  test('E3 a second process on the same data directory is refused, naming the holder; the first goes on', async () => {
    const dataDir = makeDataDir();
    const gateway = await start(dataDir);
    const why = await refusal(startGatewayProcess({ dataDir }));
    expect(why).toContain('ended with 1 before it was ready');
    expect(why).toContain(`another gateway (process ${gateway.pid})`);
    expect(why).toContain(dataDir);
    expect(why).toMatch(/--data-dir|RINGBACK_DATA_DIR/);
    expect(why).not.toMatch(/^\s+at /m);
    expect((await publish(gateway, { type: 'e3.still' })).id).toMatch(/^evt_/);
    await gateway.kill();
    // No stale lock: the next one starts although the holder was killed.
    const next = await start(dataDir);
    expect(await next.stop()).toBe(0);
  });

  test('E3 a database of a newer version is refused and left as it was', async () => {
    const dataDir = makeDataDir();
    const gateway = await start(dataDir);
    const { id } = await publish(gateway, { type: 'e3.newer' });
    expect(await gateway.stop()).toBe(0);
    const setVersion = (version: number): number => {
      const db = new DatabaseSync(join(dataDir, 'ringback.db'));
      const before = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
      db.exec(`PRAGMA user_version = ${version}`);
      db.close();
      return before;
    };
    const version = setVersion(999);
    const why = await refusal(startGatewayProcess({ dataDir }));
    expect(why).toContain('ended with 1 before it was ready');
    expect(why).toMatch(/schema version 999, made by a newer Ringback/);
    expect(why).not.toMatch(/^\s+at /m);
    expect(setVersion(version)).toBe(999);
    const again = await start(dataDir);
    expect((await ok<EventView>(again.api('GET', `/v1/events/${id}`))).type).toBe('e3.newer');
    expect(await deliveriesOf(again, id)).toEqual([]);
  });
});
