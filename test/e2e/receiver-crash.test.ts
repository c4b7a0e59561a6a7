import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DELIVERY_SECRET } from '../support/signed-delivery.ts';
import { createDestination, type DeliveryView, publish, settled, subscribe } from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type ExampleProgram, startExample } from './receivers/example-program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let gateway: GatewayProcess;
let folder: string;
const programs: ExampleProgram[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-crash-'));
  gateway = await startGatewayProcess();
});

afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.stop()));
});

afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  rmSync(folder, { recursive: true, force: true });
});

async function start(port = '0'): Promise<ExampleProgram> {
  const env = {
    SECRET: DELIVERY_SECRET,
    HANDLED_DB: join(folder, 'handled.db'),
    HANG: join(folder, 'hang'),
  };
  const command = [process.execPath, 'test/e2e/receivers/slow-receiver.ts', port] as const;
  const program = await startExample(command, env, ROOT);
  programs.push(program);
  return program;
}

/** Waits a second before each attempt: ten that fail while the receiver starts anew would open its breaker. */
async function destinationAt(url: string): Promise<void> {
  const destination = await createDestination(gateway, {
    url,
    timeout: '1s',
    signing: { secret: DELIVERY_SECRET },
  });
  await subscribe(gateway, {
    destination_id: destination.id,
    retry: { schedule: ['1s'], max_attempts: 40, jitter: 0 },
  });
}

function foundInProgress({ attempts }: DeliveryView): boolean {
  return attempts.some(({ response_body }) => response_body.includes('event_in_progress'));
}

function statuses({ attempts }: DeliveryView): (number | null)[] {
  return attempts.map(({ status }) => status);
}

describe('a receiver that is killed while it handles an event', () => {
  it('handles the event after all, once its lease is over', async () => {
    const hang = join(folder, 'hang');
    writeFileSync(hang, '');
    const first = await start();
    await destinationAt(first.url);
    const { id } = await publish(gateway, { type: 'order.paid', data: { n: 1 } });
    await first.said(`began ${id}`);
    await first.kill();
    rmSync(hang);

    const second = await start(new URL(first.url).port);
    await second.said(`handled ${id}`);
    const delivery = await settled(gateway, id, ({ state }) => state === 'succeeded', 15_000);
    expect(statuses(delivery)[0]).toBeNull();
    expect(statuses(delivery).at(-1)).toBe(204);
    expect(first.lines().filter((line) => line.startsWith('handled'))).toEqual([]);
    expect(second.lines().filter((line) => line === `began ${id}`)).toHaveLength(1);
  });

  it('keeps a second request from an event while it is at it', async () => {
    const hang = join(folder, 'hang');
    writeFileSync(hang, '');
    const program = await start();
    await destinationAt(program.url);
    const { id } = await publish(gateway, { type: 'order.sent', data: { n: 2 } });
    await program.said(`began ${id}`);
    const delivery = await settled(gateway, id, foundInProgress, 15_000);
    // The gateway gave up on the first one, and its lease was renewed since.
    expect(statuses(delivery).slice(0, 2)).toEqual([null, 503]);
    expect(program.lines().filter((line) => line === `began ${id}`)).toHaveLength(1);
    rmSync(hang);
  });
});
