import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDestination, createSource, ok, publish, send, settled, subscribe } from './arrange.ts';
import { type ApiAnswer, type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Receiver, startReceiver } from './receiving.ts';
import { type CliRun, runCli } from './run-cli.ts';

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

async function cli(...args: readonly string[]): Promise<CliRun> {
  const env = { RINGBACK_URL: gateway.url, RINGBACK_API_KEY: gateway.adminKey };
  const run = await runCli(args, { env });
  if (run.code !== 0) throw new Error(`ringback ${args.join(' ')} ended with ${run.code}: ${run.stderr}`);
  return run;
}

function post(event: object, key?: string): Promise<ApiAnswer> {
  return gateway.api('POST', '/v1/events', event, key === undefined ? {} : { 'idempotency-key': key });
}

interface Trace {
  readonly event: { readonly id: string };
  readonly deliveries: readonly { readonly id: string; readonly held: readonly object[] }[];
}

describe('why ID', () => {
  test('takes the id of the request that brought the event, of its delivery, and of the sender', async () => {
    const source = await createSource(gateway, { provider: 'none', dedupe: { key: 'headers["x-id"]' } });
    const answer = await send(source.url, '{}', { 'x-id': 'their-id-1' });
    const requestId = answer.headers.get('x-request-id') ?? '';
    const { id } = answer.body as { id: string };
    const published = await publish(gateway, { type: 'a.b', id: 'order-77', source: 'shop' });
    const owner = async (given: string) => ((await cli('why', given, '--json')).json() as Trace).event.id;
    expect(await owner(requestId)).toBe(id);
    expect(await owner('their-id-1')).toBe(id);
    expect(await owner('order-77')).toBe(published.id);
    expect((await cli('why', requestId)).stdout).toMatch(
      /known by the source's dedupe key, their-id-1; a repeated request/,
    );
  });

  test('leads from a request that repeated an event to that event', async () => {
    const source = await createSource(gateway, { provider: 'none', dedupe: { key: 'headers["x-id"]' } });
    const { id } = (await send(source.url, '{}', { 'x-id': 'twice' })).body as { id: string };
    expect((await cli('why', id)).stdout).not.toMatch(/came again/);
    const again = await send(source.url, '{"other":1}', { 'x-id': 'twice' });
    expect(again.body).toEqual({ id, duplicate: true });
    const requestId = again.headers.get('x-request-id') ?? '';
    const told = (await cli('why', requestId)).stdout;
    expect(told).toMatch(new RegExp(`^${requestId} is a request that came to "source-\\d+" .* from 127\\.0`));
    expect(told).toMatch(
      new RegExp(`It repeated ${id}, which had come .*recognised by the source's dedupe key, twice; nothing`),
    );
    expect(told).toMatch(new RegExp(`\n${id} is an event`));
    await send(source.url, '{}', { 'x-id': 'twice' });
    expect((await cli('why', id)).stdout).toMatch(/It came again 2 times, the last time .* \(req_\w+\);/);
    expect((await cli('why', requestId, '--json')).json()).toMatchObject({
      event: { id },
      duplicate: { request_id: requestId, source_id: source.id, principal: null, by: 'expression' },
      duplicates: { count: 2, newest: [{}, { request_id: requestId, remote_address: '127.0.0.1' }] },
    });
  });

  test('tells of what was published again by which of its two names that was seen', async () => {
    const event = { type: 'a.b', id: 'order-9', source: 'shop', data: {} };
    const { id } = (await post(event, 'first')).body as { id: string };
    for (const key of ['first', 'second', undefined]) {
      const repeated = await post(event, key);
      expect(repeated.body).toMatchObject({ id, duplicate: true });
      const { duplicate } = (
        await cli('why', repeated.headers.get('x-request-id') ?? '', '--json')
      ).json() as { duplicate: { by: string; source_id: null } };
      expect(duplicate).toMatchObject({
        source_id: null,
        by: key === 'first' ? 'idempotency_key' : 'publisher_event_id',
      });
    }
  });

  test('names the events of a batch that brought one and repeated another', async () => {
    const known = await publish(gateway, { type: 'a.b', id: 'known', source: 'shop' });
    const events = ['known', 'fresh'].map((id) => ({ type: 'a.b', id, source: 'shop', data: 1 }));
    const answer = await gateway.api('POST', '/v1/events/batch', { events });
    const requestId = answer.headers.get('x-request-id') ?? '';
    const fresh = (answer.body as { data: { id: string }[] }).data[1]?.id ?? '';
    const env = { RINGBACK_URL: gateway.url, RINGBACK_API_KEY: gateway.adminKey };
    const { code, stderr } = await runCli(['why', requestId], { env });
    expect(code).toBe(1);
    for (const text of [known.id, fresh, `--repeated-by ${requestId}`]) expect(stderr).toContain(text);
    const list = (await cli('events', 'list', '--repeated-by', requestId, '--json')).json();
    expect(list).toMatchObject({ data: [{ id: known.id }] });
  });

  test('remembers repetitions of the last moment when it is stopped and started', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'ringback-why-'));
    const own = await startGatewayProcess({ dataDir });
    const source = await createSource(own, { provider: 'none', dedupe: { key: 'headers["x-id"]' } });
    const { id } = (await send(source.url, '{}', { 'x-id': '1' })).body as { id: string };
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => send(source.url, '{}', { 'x-id': '1' })),
    );
    expect(answers.every(({ status }) => status === 202)).toBe(true);
    await own.stop();
    const next = await startGatewayProcess({ dataDir });
    expect(await ok(next.api('GET', `/v1/events/${id}/trace`))).toMatchObject({ duplicates: { count: 30 } });
    await next.stop();
    rmSync(dataDir, { recursive: true });
  });

  test('says what became of a request that was refused', async () => {
    const source = await createSource(gateway, { provider: 'github', secrets: ['s3cret'] });
    const refused = (await send(source.url, '{}')).body as { request_id: string };
    expect((await cli('why', refused.request_id)).stdout).toMatch(/refused with signature_missing/);
  });

  test('shows by what a delivery keeps its turn, or why it has none although order is asked for', async () => {
    const { id: to } = await createDestination(gateway, { url: receiver.url });
    const ordered = { destination_id: to, types: ['turn.*'], ordering: 'key', session_key: 'data.data.cart' };
    await subscribe(gateway, ordered);
    const { id } = await publish(gateway, { type: 'turn.one', data: { data: { cart: 'c-1' } } });
    const lost = await publish(gateway, { type: 'turn.one', data: { data: {} } });
    expect((await cli('why', id)).stdout).toMatch(/goes to \S+, in the order of c-1/);
    expect((await cli('why', lost.id)).stdout).toMatch(/, without order: its session_key fails: .*cart/);
  });

  test('shows pauses, breakers, replays and the events that it caused', async () => {
    const name = 'why-held';
    const destination = await createDestination(gateway, { name, url: receiver.url });
    await subscribe(gateway, { destination_id: destination.id, types: ['held.one'] });
    await ok(gateway.api('POST', `/v1/destinations/${destination.id}/pause`, { reason: 'release night' }));
    const { id } = await publish(gateway, { type: 'held.one' });
    await ok(gateway.api('POST', `/v1/destinations/${destination.id}/resume`));
    const delivery = await settled(gateway, id);
    await publish(gateway, { type: 'held.child', causation_id: id });
    await ok(gateway.api('POST', '/v1/replays', { filter: { event_ids: [id] } }));
    const { stdout } = await cli('why', id);
    expect(stdout).toMatch(/The destination was paused from .* to .*, by \S+: release night\./);
    expect(stdout).toMatch(/replays\n {2}rpl_\w+ {2}\w+, made .* by \S+/);
    expect(stdout).toMatch(/events that it caused\n {2}evt_\w+ {2}held\.child/);
    const one = (await cli('why', delivery.id, '--json')).json() as Trace['deliveries'][number];
    expect(one.held).toMatchObject([{ what: 'paused', reason: 'release night' }]);
  });
});

describe('status', () => {
  test('names what is stuck, since when, why, and the command that lets it go', async () => {
    const destination = await createDestination(gateway, { name: 'stuck-one', url: receiver.url });
    await subscribe(gateway, { destination_id: destination.id, types: ['stuck.one'] });
    await ok(gateway.api('POST', `/v1/destinations/${destination.id}/pause`, { reason: 'release night' }));
    await publish(gateway, { type: 'stuck.one' });
    const { stdout } = await cli('status');
    expect(stdout).toMatch(/1 thing is stuck/);
    expect(stdout).toMatch(/destination stuck-one: paused since .*; 1 deliveries wait for it/);
    expect(stdout).toMatch(/why {2}release night/);
    const command = /(destinations resume dst_\w+)/.exec(stdout)?.[1] ?? '';
    await cli(...command.split(' '));
    expect((await cli('status')).stdout).toMatch(/Nothing is stuck/);
    expect((await cli('status', '--json')).json()).toMatchObject({ status: 'ok', stuck: [] });
  });

  test('gives for a source and a subscription that are off the command that switches them on', async () => {
    const source = await createSource(gateway, { name: 'off-source', provider: 'none', enabled: false });
    const destination = await createDestination(gateway, { url: receiver.url });
    const off = { destination_id: destination.id, types: ['off.one'] };
    await subscribe(gateway, { ...off, name: 'off-one', enabled: false });
    await subscribe(gateway, { ...off, name: 'expired-one', expires_at: '2020-01-01T00:00:00Z' });
    const { stuck } = (await cli('status', '--json')).json() as {
      stuck: { name: string; problem: string; command: string }[];
    };
    expect(stuck.map(({ name, problem }) => [name, problem])).toEqual([
      ['off-source', 'disabled'],
      ['off-one', 'disabled'],
      ['expired-one', 'expired'],
    ]);
    for (const { command } of stuck) await cli(...command.split(' ').slice(1));
    expect((await cli('status', '--json')).json()).toMatchObject({ status: 'ok' });
    expect(await ok(gateway.api('GET', `/v1/sources/${source.id}`))).toMatchObject({ enabled: true });
  });
});
