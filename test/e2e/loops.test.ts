import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  createDestination,
  createSource,
  everyPage,
  ok,
  problem,
  publish,
  send,
  subscribe,
} from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { runCli } from './run-cli.ts';

const MAX_HOPS = 5;

let one: GatewayProcess;
let other: GatewayProcess;

beforeAll(async () => {
  const env = { RINGBACK_MAX_HOPS: String(MAX_HOPS) };
  [one, other] = await Promise.all([startGatewayProcess({ env }), startGatewayProcess({ env })]);
});

afterAll(async () => {
  await Promise.all([one.stop(), other.stop()]);
});

interface Listed {
  readonly id: string;
  readonly type: string;
}

interface Trace {
  readonly hops: number;
  readonly stopped: string | null;
  readonly subscriptions: readonly { readonly matched: boolean; readonly reason: string }[];
}

async function traces(gateway: GatewayProcess): Promise<(Trace & Listed)[]> {
  const events = await everyPage<Listed>(gateway, '/v1/events');
  return Promise.all(
    events.map(async ({ id, type }) => ({
      id,
      type,
      ...(await ok<Trace>(gateway.api('GET', `/v1/events/${id}/trace`))),
    })),
  );
}

describe('two gateways that send everything to each other', () => {
  test('come to rest: the chain ends, its last event is kept and says why', async () => {
    const atOne = await createSource(one, { provider: 'none' });
    const atOther = await createSource(other, { provider: 'none' });
    const toOther = await createDestination(one, { url: atOther.url, max_in_flight: 8 });
    const toOne = await createDestination(other, { url: atOne.url, max_in_flight: 8 });
    // Everything: what the gateways tell of themselves goes round too, and must end as well.
    await subscribe(one, { destination_id: toOther.id });
    await subscribe(other, { destination_id: toOne.id });
    expect((await send(atOne.url, '{"n":1}')).status).toBe(202);
    const atRest = async () => {
      const all = [...(await traces(one)), ...(await traces(other))];
      const stopped = all.filter((trace) => trace.stopped !== null);
      // The event itself, and what either tells of it to the other.
      if (stopped.length < 3) throw new Error(`${stopped.length} of ${all.length} events were stopped`);
      return all;
    };
    const all = await vi.waitFor(atRest, { timeout: 15_000, interval: 50 });
    const [last] = all.filter(({ hops, stopped }) => hops === MAX_HOPS + 1 && stopped === 'max_hops');
    expect(last?.subscriptions).toMatchObject([{ matched: false, reason: 'chain_stopped' }]);
    expect(all.every(({ hops }) => hops <= MAX_HOPS + 1)).toBe(true);
    expect(all.filter(({ type }) => type === 'chain.stopped')).toHaveLength(2);
    // Six deliveries of the event, and one of each of the two that tell of it.
    const states = await Promise.all(
      [one, other].map((gateway) => everyPage<{ state: string }>(gateway, '/v1/deliveries')),
    );
    await vi.waitFor(async () => {
      const settled = await Promise.all(
        [one, other].map((gateway) => everyPage<{ state: string }>(gateway, '/v1/deliveries')),
      );
      expect(settled.flat().map(({ state }) => state)).toEqual(states.flat().map(() => 'succeeded'));
    });
    expect(states.flat()).toHaveLength(MAX_HOPS + 1 + 2);
    expect(await traces(one)).toHaveLength(all.length - (await traces(other)).length);
    const atHome = (await traces(one)).some(({ id }) => id === last?.id) ? one : other;
    const env = { RINGBACK_URL: atHome.url, RINGBACK_API_KEY: atHome.adminKey };
    const { stdout } = await runCli(['why', String(last?.id)], { env });
    expect(stdout).toMatch(/Its chain was ended: 6 deliveries in a row led to it/);
    expect(stdout).toMatch(/it would have taken it, but after 6 deliveries in a row its chain was ended/);
  });
});

describe('a destination that is an ingest URL of its own gateway', () => {
  test('is refused by whatever name the gateway is called, unless that is allowed', async () => {
    const source = await createSource(one, { provider: 'none' });
    const { pathname } = new URL(source.url);
    const urls = [
      source.url,
      `${source.url}/more?x=1`,
      `http://localhost:1234${pathname}`,
      `https://proxy.example/hooks${pathname}`,
      `http://127.0.0.1:9${pathname.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`)}`,
    ];
    for (const url of urls) {
      const { errors } = await problem(
        one.api('POST', '/v1/destinations', { name: 'loop', url }),
        422,
        'validation_failed',
      );
      expect(errors.map(({ pointer }) => pointer)).toContain('/url');
    }
    const allowed = await createDestination(one, { url: source.url, allow_own_ingest: true });
    expect(allowed).toMatchObject({ allow_own_ingest: true });
    // Permission taken back: the same url is a mistake again.
    const back = { allow_own_ingest: false };
    await problem(one.api('PATCH', `/v1/destinations/${allowed.id}`, back), 422, 'validation_failed');
  });

  test('that feeds itself comes to rest', async () => {
    const source = await createSource(one, { name: 'self', provider: 'none' });
    const destination = await createDestination(one, { url: source.url, allow_own_ingest: true });
    const type = 'webhook.received';
    await subscribe(one, { destination_id: destination.id, sources: ['self'], types: [type] });
    await send(source.url, '{"round":"and round"}');
    const events = await vi.waitFor(
      async () => {
        const found = await everyPage<Listed>(one, '/v1/events?source=self');
        expect(found).toHaveLength(MAX_HOPS + 2);
        return found;
      },
      { timeout: 15_000, interval: 50 },
    );
    expect(events.every((event) => event.type === type)).toBe(true);
  });
});

describe('an agent that answers what it gets', () => {
  test('is ended too, by the cause that it names', async () => {
    let causation: string | undefined;
    const hops: number[] = [];
    for (let round = 0; round <= MAX_HOPS + 1; round += 1) {
      const cause = causation === undefined ? {} : { causation_id: causation };
      const { id } = await publish(one, { type: 'agent.answer', ...cause });
      const trace = await ok<Trace>(one.api('GET', `/v1/events/${id}/trace`));
      hops.push(trace.hops);
      expect(trace.stopped).toBe(round > MAX_HOPS ? 'max_hops' : null);
      causation = id;
    }
    expect(hops).toEqual(Array.from({ length: MAX_HOPS + 2 }, (_, round) => round));
  });
});
