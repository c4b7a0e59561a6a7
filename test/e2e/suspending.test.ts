import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDestination, ok, problem, publish, settled, subscribe } from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Receiver, startReceiver } from './receiving.ts';
import { runCli } from './run-cli.ts';

let gateway: GatewayProcess;
let receiver: Receiver;

beforeAll(async () => {
  gateway = await startGatewayProcess();
  receiver = await startReceiver();
});

afterAll(async () => {
  await receiver.close();
  await gateway.stop();
});

async function cli(...args: readonly string[]): Promise<string> {
  const env = { RINGBACK_URL: gateway.url, RINGBACK_API_KEY: gateway.adminKey };
  const run = await runCli(args, { env });
  if (run.code !== 0) throw new Error(`ringback ${args.join(' ')} ended with ${run.code}: ${run.stderr}`);
  return run.stdout;
}

describe('a suspended subscription', () => {
  test('holds what it is owed, says so everywhere, and lets it go when it is resumed', async () => {
    const destination = await createDestination(gateway, { url: receiver.url });
    const name = 'held-one';
    const { id } = await subscribe(gateway, { name, destination_id: destination.id, types: ['held.*'] });
    await cli('subscriptions', 'suspend', name, '--reason', 'release night');
    const first = await publish(gateway, { type: 'held.first' });
    const second = await publish(gateway, { type: 'held.second' });
    const held = await settled(gateway, first.id, ({ reason }) => reason === 'subscription_suspended');
    expect(held).toMatchObject({ state: 'pending', attempt_count: 0, next_attempt_at: null });
    await problem(gateway.api('POST', `/v1/deliveries/${held.id}/retry`), 409, 'conflict');
    expect(await cli('why', first.id)).toMatch(/Its subscription is suspended: .*subscriptions resume sub_/);
    const status = await cli('status');
    expect(status).toMatch(/subscription held-one: suspended since/);
    expect(status).toMatch(/why {2}release night/);
    expect(receiver.received).toEqual([]);

    const command = /(subscriptions resume sub_\w+)/.exec(status)?.[1] ?? '';
    expect(await cli(...command.split(' '))).toMatch(/released +2/);
    await receiver.count(2);
    expect(receiver.ids()).toEqual([first.id, second.id]);
    expect(await ok(gateway.api('GET', `/v1/subscriptions/${id}`))).toMatchObject({ suspended: null });
    const again = await ok(gateway.api('POST', `/v1/subscriptions/${id}/resume`));
    expect(again).toMatchObject({ released: 0 });
    expect(await cli('why', first.id)).toMatch(/subscription was suspended from .* to .*: release night/);
  });
});
