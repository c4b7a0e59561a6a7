import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createDestination,
  createSource,
  everyPage,
  ok,
  problem,
  send,
  settled,
  subscribe,
} from './arrange.ts';
import { type ApiAnswer, type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Receiver, startReceiver } from './receiving.ts';
import { runCli } from './run-cli.ts';

const PLANTED = 'planted-4242424242424242';
const MAIL = 'planted-zoe@example.com';
const BODY = JSON.stringify({
  order: { id: 'ord-1', card: { number: PLANTED } },
  people: [{ Email: MAIL, name: 'Zoë' }],
});

let gateway: GatewayProcess;
let receiver: Receiver;
let reader: string;
let source: { readonly id: string; readonly url: string };
let eventId: string;

beforeAll(async () => {
  gateway = await startGatewayProcess({ env: { RINGBACK_REDACT: 'ssn,/data/pin' } });
  // Says what it got, as receivers like to do in their errors.
  receiver = await startReceiver((request, response) => {
    response.statusCode = 400;
    response.end(`cannot take ${request.body.toString()}`);
  });
  source = await createSource(gateway, {
    name: 'cards',
    provider: 'none',
    redact: ['/order/card/number', 'email'],
    dedupe: { key: 'data.people[0].Email' },
  });
  const destination = await createDestination(gateway, { url: receiver.url });
  await subscribe(gateway, { destination_id: destination.id, sources: ['cards'] });
  const key = { name: 'reader', scopes: ['read'] };
  reader = (await ok<{ key: string }>(gateway.api('POST', '/v1/keys', key))).key;
  const accepted = await send(source.url, BODY, { 'content-type': 'application/json' });
  eventId = (accepted.body as { id: string }).id;
  await settled(gateway, eventId, ({ attempts }) => attempts.length > 0);
});

afterAll(async () => {
  await receiver.close();
  await gateway.stop();
});

function asReader(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
  return gateway.api(method, path, body, { authorization: `Bearer ${reader}` });
}

function expectHidden(shown: string): void {
  expect(shown).not.toContain('planted-');
}

describe('payload fields that a source names', () => {
  test('are delivered as they came', async () => {
    const [request] = await receiver.count(1);
    expect(request?.body.toString()).toBe(BODY);
  });

  test('are hidden in every view, also from an administrator', async () => {
    const { id } = await settled(gateway, eventId, () => true);
    const paths = [
      '/v1/events',
      `/v1/events/${eventId}`,
      `/v1/events/${eventId}/trace`,
      `/v1/events/${eventId}/deliveries`,
      '/v1/deliveries',
      `/v1/deliveries/${id}`,
      '/v1/status',
      '/v1/changes',
    ];
    for (const path of paths) expectHidden(JSON.stringify((await gateway.api('GET', path)).body));
    const shown = await ok<{ body: string; dedupe_key: string }>(gateway.api('GET', `/v1/events/${eventId}`));
    expect(JSON.parse(shown.body)).toEqual({
      order: { id: 'ord-1', card: { number: '(redacted)' } },
      people: [{ Email: '(redacted)', name: 'Zoë' }],
    });
    expect(shown.dedupe_key).toBe('(redacted)');
    const trace = JSON.stringify((await gateway.api('GET', `/v1/events/${eventId}/trace`)).body);
    expect(trace).toContain('cannot take');
  });

  test('are hidden on the command line and in the log', async () => {
    const env = { RINGBACK_URL: gateway.url, RINGBACK_API_KEY: gateway.adminKey };
    for (const args of [
      ['why', eventId],
      ['events', 'get', eventId],
      ['events', 'list'],
    ]) {
      const run = await runCli(args, { env });
      expect(run.code).toBe(0);
      expectHidden(run.stdout + run.stderr);
    }
    expectHidden(gateway.stdout() + gateway.stderr());
  });

  test('cannot be asked for by searching, or by a filter, without the scope to see them', async () => {
    const found = async (q: string) =>
      (await ok<{ data: unknown[] }>(asReader('GET', `/v1/events?q=${q}`))).data.length;
    expect([await found('planted-42'), await found('ord-1')]).toEqual([0, 1]);
    expect(await everyPage(gateway, '/v1/events?q=planted-42')).toHaveLength(1);
    const filter = `data.order.card.number.startsWith("planted-")`;
    const ask = { filter, event: eventId };
    expect(await ok(asReader('POST', '/v1/filters/test', ask))).toMatchObject({ matched: false });
    expect(await ok(gateway.api('POST', '/v1/filters/test', ask))).toMatchObject({ matched: true });
    const live = new AbortController();
    const headers = { authorization: `Bearer ${reader}` };
    const url = `${gateway.url}/v1/stream?cursor=MTow`;
    const stream = await fetch(url, { headers, signal: live.signal });
    const { value } = (await stream.body?.getReader().read()) ?? {};
    expectHidden(Buffer.from(value ?? []).toString());
    live.abort();
  });

  test('are in the raw body, for which another scope is wanted', async () => {
    const raw = `/v1/events/${eventId}/raw`;
    expect((await gateway.api('GET', raw)).body).toBe(BODY);
    await problem(asReader('GET', raw), 403, 'scope_missing');
    const open = await createSource(gateway, { provider: 'none' });
    const { id } = (await send(open.url, '{"a":1}')).body as { id: string };
    // The whole gateway has rules here, so this is true of every event.
    await problem(asReader('GET', `/v1/events/${id}/raw`), 403, 'scope_missing');
  });

  test('are hidden in forms, and whatever has no names is hidden whole', async () => {
    const bodies: [string, string][] = [
      [`a=1&email=${MAIL}&payload=${encodeURIComponent(BODY)}`, 'application/x-www-form-urlencoded'],
      [`<email>${MAIL}</email>`, 'application/xml'],
      [`{"email":"${MAIL}`, 'application/json'],
    ];
    for (const [body, type] of bodies) {
      const answer = await send(source.url, body, { 'content-type': type });
      const { id } = answer.body as { id: string };
      const event = await ok<{ body: string }>(gateway.api('GET', `/v1/events/${id}`));
      expectHidden(JSON.stringify(event));
      expect(decodeURIComponent(event.body)).toContain('(redacted)');
      await settled(gateway, id, ({ attempts }) => attempts.length > 0);
      expectHidden(JSON.stringify((await gateway.api('GET', `/v1/events/${id}/trace`)).body));
    }
  });

  test('are hidden in what was refused', async () => {
    const strict = await createSource(gateway, { provider: 'github', secrets: ['s'], redact: ['email'] });
    await send(strict.url, BODY, { 'content-type': 'application/json' });
    await send(strict.url, `{"email":"${MAIL}","long":"${'x'.repeat(4_000)}"}`);
    const refused = await everyPage<{ id: string }>(gateway, `/v1/rejections?source=${strict.id}`);
    expect(refused).toHaveLength(2);
    for (const { id } of refused) {
      const { body } = await ok<{ body: string }>(gateway.api('GET', `/v1/rejections/${id}`));
      expect(body).not.toContain(MAIL);
    }
  });

  test('stay hidden when the source is deleted', async () => {
    const gone = await createSource(gateway, { provider: 'none', redact: ['email'] });
    const { id } = (await send(gone.url, BODY)).body as { id: string };
    await ok(gateway.api('DELETE', `/v1/sources/${gone.id}`));
    const event = await ok<{ body: string }>(gateway.api('GET', `/v1/events/${id}`));
    expect(event.body).not.toContain(MAIL);
  });

  test('that the whole gateway names are hidden in published events too', async () => {
    const data = { pin: 'planted-1234', ssn: 'planted-ssn', open: 'yes' };
    const { id } = await ok<{ id: string }>(gateway.api('POST', '/v1/events', { type: 'a.b', data }));
    const event = await ok<{ body: string }>(gateway.api('GET', `/v1/events/${id}`));
    expect((JSON.parse(event.body) as { data: unknown }).data).toEqual({
      pin: '(redacted)',
      ssn: '(redacted)',
      open: 'yes',
    });
  });

  test('are named by rules that are checked', async () => {
    const body = { name: 'bad-rules', provider: 'none', redact: ['fine', '/', 'a/b'] };
    const { errors } = await problem(gateway.api('POST', '/v1/sources', body), 422, 'validation_failed');
    expect(errors.map(({ pointer }) => pointer)).toEqual(['/redact/1', '/redact/2']);
  });
});
