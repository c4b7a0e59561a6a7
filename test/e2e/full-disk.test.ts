import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  createDestination,
  createSource,
  type DeliveryView,
  everyPage,
  type EventView,
  type ProblemView,
  send,
  type SourceView,
  subscribe,
} from './arrange.ts';
import { type ApiAnswer, type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Receiver, startReceiver } from './receiving.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const BODY_BYTES = 32 * 1024;

/** Sends events and keeps the books: what was acknowledged, and what else came back. */
class Sender {
  readonly acknowledged: string[] = [];
  readonly refused: ApiAnswer[] = [];
  #n = 0;

  async one(url: string): Promise<ApiAnswer> {
    this.#n += 1;
    const answer = await send(url, JSON.stringify({ n: this.#n, pad: 'x'.repeat(BODY_BYTES) }));
    if (answer.status === 202) this.acknowledged.push((answer.body as { id: string }).id);
    else this.refused.push(answer);
    return answer;
  }

  /** Sends until one is refused; gives up when nothing ever is. */
  async untilRefused(url: string): Promise<void> {
    for (let n = 0; n < 1_000; n += 1) if ((await this.one(url)).status !== 202) return;
    throw new Error('the disk never became full');
  }
}

function expectFull(answers: readonly ApiAnswer[]): void {
  expect(answers.length).toBeGreaterThan(0);
  for (const { status, headers, body } of answers) {
    expect([status, (body as ProblemView).code, (body as ProblemView).retryable]).toEqual([
      503,
      'store_unavailable',
      true,
    ]);
    expect(headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  }
}

async function expectReads(gateway: GatewayProcess): Promise<void> {
  for (const path of [
    '/healthz',
    '/v1/events',
    '/v1/deliveries',
    '/v1/sources',
    '/v1/rejections',
    '/metrics',
  ]) {
    expect([path, (await gateway.api('GET', path)).status]).toEqual([path, 200]);
  }
}

async function expectKeptAndDelivered(
  gateway: GatewayProcess,
  acknowledged: readonly string[],
  receiver: Receiver,
): Promise<void> {
  const kept = new Set((await everyPage<EventView>(gateway, '/v1/events')).map(({ id }) => id));
  expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
  await receiver.until(() => {
    const seen = new Set(receiver.ids());
    return [...kept].every((id) => seen.has(id));
  }, 10_000);
  expect(receiver.ids().filter((id) => !kept.has(id))).toEqual([]);
  await vi.waitFor(
    async () => {
      const done = await everyPage<DeliveryView>(gateway, '/v1/deliveries?state=succeeded');
      expect(done).toHaveLength(kept.size);
    },
    { timeout: 15_000, interval: 100 },
  );
}

async function arrange(gateway: GatewayProcess): Promise<{ receiver: Receiver; source: SourceView }> {
  const receiver = await startReceiver();
  cleanups.push(() => receiver.close());
  const { id } = await createDestination(gateway, { url: receiver.url });
  await subscribe(gateway, { destination_id: id });
  return { receiver, source: await createSource(gateway, { provider: 'none' }) };
}

describe('E4: a store that has reached its size', () => {
  test('E4 answers 503 with Retry-After, goes on with reads, and takes events again when it may grow', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'ringback-e2e-'));
    cleanups.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const gateway = await startGatewayProcess({ dataDir, args: ['--store-max-size', '2MiB'] });
    cleanups.push(() => gateway.kill());
    const { receiver, source } = await arrange(gateway);
    const sender = new Sender();
    await sender.untilRefused(source.url);
    for (let n = 0; n < 10; n += 1) await sender.one(source.url);
    expectFull(sender.refused);
    expect(sender.acknowledged.length).toBeGreaterThan(10);
    const published = await gateway.api('POST', '/v1/events', {
      type: 'e4.full',
      data: 'x'.repeat(BODY_BYTES),
    });
    expectFull([published]);
    await expectReads(gateway);
    expect(await gateway.stop()).toBe(0);

    const again = await startGatewayProcess({ dataDir });
    cleanups.push(() => again.kill());
    expect((await sender.one(again.url + new URL(source.url).pathname)).status).toBe(202);
    await expectKeptAndDelivered(again, sender.acknowledged, receiver);
    expect((await again.api('GET', '/readyz')).status).toBe(200);
  });
});

/** A file system of its own, really full; `null` where it cannot be mounted. */
function mountSmall(sizeMiB: number): string | null {
  if (process.getuid?.() !== 0) return null;
  const folder = mkdtempSync(join(tmpdir(), 'ringback-e2e-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', folder]);
  if (mounted.status !== 0) {
    rmSync(folder, { recursive: true });
    return null;
  }
  cleanups.push(() => {
    spawnSync('umount', [folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Takes the last byte that there is. */
function fill(path: string): void {
  for (const bytes of [256 * 1024, 4_096, 1]) {
    try {
      for (;;) writeFileSync(path, new Uint8Array(bytes), { flag: 'a' });
    } catch {
      // Full for writes of this size.
    }
  }
}

describe('E4: a full disk', () => {
  test('E4 answers 503 with Retry-After, goes on with reads, and recovers by itself', async ({ skip }) => {
    const dataDir = mountSmall(8);
    if (dataDir === null) {
      skip('mounting a small file system needs root');
      return;
    }
    const filler = join(dataDir, 'filler');
    writeFileSync(filler, new Uint8Array(3 * 1024 * 1024));
    const gateway = await startGatewayProcess({ dataDir });
    cleanups.push(() => gateway.kill());
    const { receiver, source } = await arrange(gateway);
    const sender = new Sender();
    await sender.untilRefused(source.url);
    const refusals = await Promise.all(Array.from({ length: 20 }, () => sender.one(source.url)));
    expect(new Set(refusals.map(({ status }) => status))).toEqual(new Set([503]));
    expectFull(sender.refused);
    await expectReads(gateway);

    rmSync(filler);
    await vi.waitFor(async () => expect((await sender.one(source.url)).status).toBe(202), 10_000);
    for (let n = 0; n < 10; n += 1) expect((await sender.one(source.url)).status).toBe(202);
    await expectKeptAndDelivered(gateway, sender.acknowledged, receiver);
    expect(await gateway.stop()).toBe(0);
  });

  test('E4 an outcome that cannot be recorded is recorded later, not delivered again', async ({ skip }) => {
    const dataDir = mountSmall(8);
    if (dataDir === null) {
      skip('mounting a small file system needs root');
      return;
    }
    const gateway = await startGatewayProcess({ dataDir });
    cleanups.push(() => gateway.kill());
    const { receiver, source } = await arrange(gateway);
    const held: ServerResponse[] = [];
    receiver.answer = (_request, response) => held.push(response);
    const sender = new Sender();
    for (let n = 0; n < 5; n += 1) await sender.one(source.url);
    await receiver.count(5);
    fill(join(dataDir, 'filler'));
    for (const response of held) response.end();
    await vi.waitFor(() => expect(gateway.stdout()).toContain('"settlement.failed"'), 5_000);
    rmSync(join(dataDir, 'filler'));
    await expectKeptAndDelivered(gateway, sender.acknowledged, receiver);
    expect(receiver.received).toHaveLength(5);
    for (const { attempt_count: count } of await everyPage<DeliveryView>(gateway, '/v1/deliveries')) {
      expect(count).toBe(1);
    }
  });
});
