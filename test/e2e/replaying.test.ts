import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  createDestination,
  createSource,
  deliveriesOf,
  type DeliveryView,
  type DestinationView,
  everyPage,
  type ListView,
  ok,
  problem,
  publish,
  send,
  settled,
  subscribe,
} from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Receiver, startReceiver } from './receiving.ts';
import { runCli } from './run-cli.ts';

let gateway: GatewayProcess;
let dataDir: string;
const receivers: Receiver[] = [];

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'ringback-e2e-'));
  gateway = await startGatewayProcess({ dataDir });
});

afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  await Promise.all(receivers.map((receiver) => receiver.close()));
  rmSync(dataDir, { recursive: true, force: true });
});

interface ReplayView {
  readonly id: string;
  readonly state: string;
  readonly matched: number;
  readonly created: number;
  readonly sample: readonly string[];
}

interface Flow {
  readonly receiver: Receiver;
  readonly destination: DestinationView;
  readonly subscriptionId: string;
}

async function flow(subscription: Readonly<Record<string, unknown>>): Promise<Flow> {
  const receiver = await startReceiver();
  receivers.push(receiver);
  const destination = await createDestination(gateway, { url: receiver.url });
  const { id } = await subscribe(gateway, {
    destination_id: destination.id,
    retry: { max_attempts: 1 },
    ...subscription,
  });
  return { receiver, destination, subscriptionId: id };
}

function replay(filter: object, fields: object = {}): Promise<ReplayView> {
  return ok(gateway.api('POST', '/v1/replays', { filter, ...fields }));
}

function completed(id: string, limitMs = 15_000): Promise<ReplayView> {
  return vi.waitFor(
    async () => {
      const view = await ok<ReplayView>(gateway.api('GET', `/v1/replays/${id}`));
      expect(view.state).toBe('completed');
      return view;
    },
    { timeout: limitMs, interval: 30 },
  );
}

async function publishMany(type: string, count: number): Promise<string[]> {
  const events = Array.from({ length: count }, (_, n) => ({ type, data: { n } }));
  const { data } = await ok<{ data: { id: string }[] }>(gateway.api('POST', '/v1/events/batch', { events }));
  return data.map(({ id }) => id);
}

const iso = (ms: number): string => new Date(ms).toISOString();

const refused = (body: object, status: number, code: string): Promise<unknown> =>
  problem(gateway.api('POST', '/v1/replays', body), status, code);

describe('F1: what a replay takes', () => {
  test('F1 ids that are not there are counted, and the command line says so', async () => {
    await flow({ types: ['f1.missing'] });
    const [id = ''] = await publishMany('f1.missing', 1);
    const filter = { event_ids: [id, 'evt_gone'] };
    expect(await replay(filter, { dry_run: true })).toMatchObject({
      matched: 1,
      missing: 1,
      cut_before: null,
    });
    const args = ['replays', 'create', '--event-ids', `${id},evt_gone,evt_lost`, '--dry-run'];
    const { code, stdout } = await runCli([...args, '--url', gateway.url], {
      env: { RINGBACK_API_KEY: gateway.adminKey },
    });
    expect(code).toBe(0);
    expect(stdout).toContain('2 of the ids that you named are not there.');
  });

  test('F1 a dry run counts and shows a sample, and sends nothing', async () => {
    const { receiver } = await flow({ types: ['f1.dry'] });
    const ids = await publishMany('f1.dry', 25);
    await receiver.count(25);
    const dry = await replay({ type: 'f1.dry' }, { dry_run: true });
    expect(dry).toMatchObject({ id: null, state: null, matched: 25 });
    expect(dry.sample).toEqual(ids.slice(0, 10));
    expect((await ok<ListView<unknown>>(gateway.api('GET', '/v1/replays'))).data).toEqual([]);
    await publish(gateway, { type: 'f1.dry' });
    await receiver.count(26);
    expect(receiver.received).toHaveLength(26);
  });

  test('F1 what was not there when a replay was made is shown as long as the replay is', async () => {
    await flow({ types: ['f1.gone'] });
    const [id = ''] = await publishMany('f1.gone', 1);
    const made = await replay({ event_ids: [id, 'evt_gone'] });
    expect(made).toMatchObject({ matched: 1, missing: 1, cut_before: null });
    expect(await completed(made.id)).toMatchObject({ created: 1, missing: 1, cut_before: null });
    const { stdout } = await runCli(['replays', 'get', made.id, '--url', gateway.url], {
      env: { RINGBACK_API_KEY: gateway.adminKey },
    });
    expect(stdout).toContain('1 of the ids that you named is not there.');
  });

  test('F1 by event ids: the same id and bytes again, as a new delivery that names the old one', async () => {
    const { receiver, destination } = await flow({ types: ['f1.ids'] });
    const [one = '', two = '', three = ''] = await publishMany('f1.ids', 3);
    await receiver.count(3);
    const { id, matched } = await replay({ event_ids: [one, three] });
    expect(matched).toBe(2);
    await receiver.count(5);
    expect((await completed(id)).created).toBe(2);
    expect(receiver.ids().slice(3).toSorted()).toEqual([one, three].toSorted());
    const [first, again] = receiver.received.filter(({ headers }) => headers['webhook-id'] === one);
    expect(again?.body.equals(first?.body ?? Buffer.alloc(0))).toBe(true);
    expect(again?.headers['ringback-delivery']).not.toBe(first?.headers['ringback-delivery']);
    expect(again?.headers['ringback-attempt']).toBe('1');
    const [newest, oldest] = await deliveriesOf(gateway, one);
    expect(newest).toMatchObject({ replay_of: oldest?.id, replay_id: id, destination_id: destination.id });
    expect(await deliveriesOf(gateway, two)).toHaveLength(1);
  });

  test('F1 by state, delivery ids, type, source, subscription, destination and time: each takes exactly its own', async () => {
    const source = await createSource(gateway, { provider: 'none', name: 'f1-source' });
    const { receiver, destination, subscriptionId } = await flow({
      types: ['f1.many.**', 'webhook.received'],
    });
    const other = await flow({ types: ['f1.many.**'] });
    receiver.answer = (_request, response) => response.writeHead(500).end();
    const [dead = ''] = await publishMany('f1.many.a', 1);
    expect((await settled(gateway, dead, ({ attempts }) => attempts.length > 0)).event_id).toBe(dead);
    await receiver.count(1);
    await vi.waitFor(async () => {
      const states = (await deliveriesOf(gateway, dead)).map(({ state }) => state).toSorted();
      expect(states).toEqual(['dead', 'succeeded']);
    });
    receiver.answer = (_request, response) => response.end();
    const [second = ''] = await publishMany('f1.many.b', 1);
    const posted = await send(source.url, '{}');
    const third = (posted.body as { id: string }).id;
    await receiver.count(3);
    await other.receiver.count(2);
    const matched = async (filter: object): Promise<number> =>
      (await replay(filter, { dry_run: true })).matched;
    const mine = { destination: destination.id };
    expect(await matched(mine)).toBe(3);
    expect(await matched({ subscription: subscriptionId })).toBe(3);
    expect(await matched({ ...mine, state: 'dead' })).toBe(1);
    expect(await matched({ ...mine, type: 'f1.many.*' })).toBe(2);
    expect(await matched({ type: 'f1.many.*' })).toBe(2);
    expect(await matched({ ...mine, type: 'f1.many.b' })).toBe(1);
    expect(await matched({ source: 'f1-source' })).toBe(1);
    expect(await matched({ source: source.id })).toBe(1);
    expect(await matched({ event_ids: [dead, second, 'evt_none'] })).toBe(2);
    const deliveries = await deliveriesOf(gateway, second);
    const own = deliveries.find((one) => one.destination_id === destination.id);
    expect(await matched({ delivery_ids: [own?.id, 'dlv_none'] })).toBe(1);
    const at = Date.parse(
      (await ok<{ received_at: string }>(gateway.api('GET', `/v1/events/${second}`))).received_at,
    );
    expect(await matched({ ...mine, from: iso(at) })).toBe(2);
    expect(await matched({ ...mine, to: iso(at) })).toBe(1);
    expect(await matched({ ...mine, from: iso(at), to: iso(at + 1), type: 'f1.many.*' })).toBe(1);

    // One that is really made, of the dead one only.
    const made = await replay({ ...mine, state: 'dead' });
    await receiver.count(4);
    expect(receiver.ids()[3]).toBe(dead);
    expect((await completed(made.id)).created).toBe(1);
    expect(receiver.ids()).toEqual([dead, second, third, dead]);
    expect(other.receiver.received).toHaveLength(2);
  });

  test('F1 everything can be sent to another destination instead', async () => {
    const { receiver } = await flow({ types: ['f1.elsewhere'] });
    const ids = await publishMany('f1.elsewhere', 3);
    await receiver.count(3);
    const elsewhere = await flow({ types: ['f1.never'] });
    await replay({ type: 'f1.elsewhere' }, { destination_id: elsewhere.destination.id });
    await elsewhere.receiver.count(3);
    expect(elsewhere.receiver.ids().toSorted()).toEqual(ids.toSorted());
    expect(receiver.received).toHaveLength(3);
  });

  test('F1 what cannot be replayed is told', async () => {
    await refused({ filter: {} }, 422, 'validation_failed');
    await refused({ filter: { source: 'nobody' } }, 422, 'validation_failed');
    await refused({ filter: { state: 'lost' } }, 422, 'validation_failed');
    await refused({ filter: { type: 'x' }, destination_id: 'dst_none' }, 404, 'not_found');
    expect(await replay({ event_ids: ['evt_none'] })).toMatchObject({ matched: 0, state: 'completed' });
  });
});

describe('F2: a replay under way', () => {
  test('F2 goes at its rate', async () => {
    const { receiver } = await flow({ types: ['f2.rate'] });
    await publishMany('f2.rate', 50);
    await receiver.count(50);
    const { id } = await replay({ type: 'f2.rate' }, { rate_limit: 20 });
    await receiver.count(100);
    const times = receiver.received.slice(50).map(({ at }) => at);
    const [first = 0] = times;
    expect(times.filter((at) => at - first < 900).length).toBeLessThanOrEqual(20);
    expect((times.at(-1) ?? 0) - first).toBeGreaterThanOrEqual(1_900);
    expect((await completed(id)).created).toBe(50);
  });

  test('F2 is cancelled: no delivery is made from then on, those that were made arrive', async () => {
    const { receiver, destination } = await flow({ types: ['f2.cancel'] });
    await publishMany('f2.cancel', 30);
    await receiver.count(30);
    const { id } = await replay({ type: 'f2.cancel' }, { rate_limit: 4 });
    await receiver.count(34);
    const cancelled = await ok<ReplayView>(gateway.api('POST', `/v1/replays/${id}/cancel`));
    expect(cancelled.state).toBe('cancelled');
    await problem(gateway.api('POST', `/v1/replays/${id}/cancel`), 409, 'conflict');
    // A replay that starts later and goes on for longer than this one's next step would have come.
    const other = await flow({ types: ['f2.beside'] });
    await publishMany('f2.beside', 3);
    await other.receiver.count(3);
    const beside = await replay({ type: 'f2.beside' }, { rate_limit: 1 });
    await completed(beside.id);
    expect(receiver.received).toHaveLength(30 + cancelled.created);
    const made = await everyPage<DeliveryView>(gateway, `/v1/deliveries?destination=${destination.id}`);
    expect(made.filter(({ replay_id: of }) => of === id)).toHaveLength(cancelled.created);
    expect((await ok<ReplayView>(gateway.api('GET', `/v1/replays/${id}`))).created).toBe(cancelled.created);
  });

  test(
    'F2 survives kill -9 in the middle and makes each delivery exactly once',
    { timeout: 30_000 },
    async () => {
      const { receiver, destination } = await flow({ types: ['f2.killed'], retry: { max_attempts: 10 } });
      const ids = await publishMany('f2.killed', 700);
      await receiver.count(700);
      const { id, matched } = await replay({ type: 'f2.killed' }, { rate_limit: 500 });
      expect(matched).toBe(700);
      for (const share of [150, 400]) {
        await vi.waitFor(
          async () => {
            const { created } = await ok<ReplayView>(gateway.api('GET', `/v1/replays/${id}`));
            expect(created).toBeGreaterThanOrEqual(share);
          },
          { timeout: 10_000, interval: 10 },
        );
        await gateway.kill();
        gateway = await startGatewayProcess({ dataDir });
      }
      expect((await completed(id)).created).toBe(700);
      const path = `/v1/deliveries?destination=${destination.id}`;
      const all = await everyPage<DeliveryView>(gateway, path);
      const made = all.filter(({ replay_id: of }) => of === id);
      expect(made).toHaveLength(700);
      expect(new Set(made.map(({ event_id: eventId }) => eventId))).toEqual(new Set(ids));
      expect(new Set(made.map(({ replay_of: of }) => of)).size).toBe(700);
      await vi.waitFor(
        async () => expect(await everyPage(gateway, `${path}&state=succeeded`)).toHaveLength(1_400),
        { timeout: 10_000, interval: 100 },
      );
    },
  );
});
