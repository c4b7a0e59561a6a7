import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { sign } from '@octokit/webhooks-methods';
import { CloudEvent, type CloudEventV1, HTTP } from 'cloudevents';
import { Webhook } from 'standardwebhooks';
import { Stripe } from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createDestination,
  createSource,
  type DestinationView,
  type EventView,
  ok,
  publish,
  send,
  subscribe,
} from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Received, type Receiver, startReceiver } from './receiving.ts';

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess();
});

afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
});

interface Flow {
  readonly sourceId: string;
  readonly url: string;
  readonly receiver: Receiver;
  readonly destination: DestinationView;
}

/** A source, and a destination that gets everything that comes in there. */
async function flow(source: Record<string, unknown>): Promise<Flow> {
  const { id, url } = await createSource(gateway, source);
  const receiver = await startReceiver();
  receivers.push(receiver);
  const destination = await createDestination(gateway, { url: receiver.url });
  await subscribe(gateway, { destination_id: destination.id, sources: [id] });
  return { sourceId: id, url, receiver, destination };
}

const receivers: Receiver[] = [];
afterAll(() => Promise.all(receivers.map((receiver) => receiver.close())));

/** What someone who only has the `standardwebhooks` package can check. */
function verified(received: Received, secret: string): unknown {
  const headers = Object.fromEntries(
    Object.entries(received.headers).map(([name, value]) => [name, String(value)]),
  );
  return new Webhook(secret).verify(received.body.toString('utf8'), headers);
}

const VERSION = (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version;
const SIGNATURE = /^v1,[A-Za-z0-9+/]{43}=$/;

/** The headers of the contract and those that HTTP itself needs: not one more. */
function expectContractHeaders(received: Received, expected: Record<string, string>): void {
  const { host, connection, 'content-length': length, ...headers } = received.headers;
  expect([typeof host, typeof connection, Number(length)]).toEqual([
    'string',
    'string',
    received.body.byteLength,
  ]);
  expect(headers).toEqual({
    'webhook-id': expect.stringMatching(/^evt_[0-9a-z]{26}$/) as string,
    'webhook-timestamp': expect.stringMatching(/^\d{10}$/) as string,
    'webhook-signature': expect.stringMatching(SIGNATURE) as string,
    'ringback-delivery': expect.stringMatching(/^dlv_[0-9a-z]{26}$/) as string,
    'ringback-attempt': '1',
    'ringback-hops': '1',
    'user-agent': `Ringback/${VERSION}`,
    ...expected,
  });
  expect(Math.abs(Number(headers['webhook-timestamp']) - received.at / 1000)).toBeLessThan(30);
}

interface GithubExamples {
  readonly name: string;
  readonly examples: readonly Record<string, unknown>[];
}

const github = JSON.parse(
  readFileSync('node_modules/@octokit/webhooks-examples/api.github.com/index.json', 'utf8'),
) as readonly GithubExamples[];

describe('A1: GitHub', () => {
  test('A1 every kind of GitHub event, signed by Octokit, arrives byte for byte and verifiable', async () => {
    const secret = 'a GitHub secret, with ünïcode';
    const { url, receiver, destination, sourceId } = await flow({ provider: 'github', secrets: [secret] });
    const sent = new Map<string, { name: string; body: string; action: unknown }>();
    for (const [index, { name, examples }] of github.entries()) {
      const example = examples[0];
      if (example === undefined) continue;
      // Pretty-printed, as no JSON library would write it again: only kept bytes can match.
      const body = `${JSON.stringify(example, null, 3)}\n`;
      const answer = await send(url, body, {
        'content-type': 'application/json',
        'x-github-event': name,
        'x-github-delivery': `7bc8aa80-0000-11ee-8000-${String(index).padStart(12, '0')}`,
        'x-hub-signature-256': await sign(secret, body),
        'user-agent': 'GitHub-Hookshot/044aadd',
      });
      expect([name, answer.status]).toEqual([name, 202]);
      const { id, duplicate } = answer.body as { id: string; duplicate: boolean };
      expect(duplicate).toBe(false);
      sent.set(id, { name, body, action: example['action'] });
    }
    expect(sent.size).toBe(github.length);
    const received = await receiver.count(sent.size);
    expect(new Set(receiver.ids())).toEqual(new Set(sent.keys()));
    const source = await ok<{ name: string }>(gateway.api('GET', `/v1/sources/${sourceId}`));
    for (const one of received) {
      const original = sent.get(String(one.headers['webhook-id']));
      if (original === undefined) throw new Error('an event that was not sent');
      const type =
        typeof original.action === 'string'
          ? `com.github.${original.name}.${original.action}`
          : `com.github.${original.name}`;
      expect(one.method).toBe('POST');
      expect(one.body.equals(Buffer.from(original.body))).toBe(true);
      expect(verified(one, destination.secret)).toEqual(JSON.parse(original.body));
      expectContractHeaders(one, {
        'content-type': 'application/json',
        'ringback-event-type': type,
        'ringback-source': source.name,
      });
    }
    expect(received).toHaveLength(sent.size);
  });

  test('A1 the raw event can be read back byte for byte, with its headers as they came', async () => {
    const { url } = await flow({ provider: 'github', secrets: ['s1'] });
    const body = `{"zen":"ünïcode \\u00e9",\r\n "n": 1.0e3 }`;
    const headers = {
      'content-type': 'application/json; charset=UTF-8',
      'X-GitHub-Event': 'ping',
      'x-github-delivery': 'd-1',
      'x-hub-signature-256': await sign('s1', body),
    };
    const { id } = (await send(url, body, headers)).body as { id: string };
    const raw = await fetch(`${gateway.url}/v1/events/${id}/raw`, {
      headers: { authorization: `Bearer ${gateway.adminKey}` },
    });
    expect(Buffer.from(await raw.arrayBuffer()).equals(Buffer.from(body))).toBe(true);
    const event = await ok<EventView>(gateway.api('GET', `/v1/events/${id}`));
    const kept = new Map(event.headers.map(([name, value]) => [name.toLowerCase(), value]));
    for (const [name, value] of Object.entries(headers)) expect(kept.get(name.toLowerCase())).toBe(value);
    expect(event.body).toBe(body);
  });
});

describe('A2: Stripe', () => {
  test("A2 an event signed by Stripe's own library arrives, with Stripe's type", async () => {
    const secret = 'whsec_stripe_endpoint_secret';
    const { url, receiver, destination } = await flow({ provider: 'stripe', secrets: [secret] });
    const payload = JSON.stringify(
      { id: 'evt_1', object: 'event', type: 'invoice.payment_failed', data: { object: { id: 'in_1' } } },
      null,
      2,
    );
    const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret });
    const answer = await send(url, payload, {
      'content-type': 'application/json; charset=utf-8',
      'stripe-signature': signature,
    });
    expect(answer.status).toBe(202);
    const [one] = await receiver.count(1);
    if (one === undefined) throw new Error('nothing came');
    expect(one.body.toString()).toBe(payload);
    expect(one.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(one.headers['ringback-event-type']).toBe('com.stripe.invoice.payment_failed');
    expect(verified(one, destination.secret)).toEqual(JSON.parse(payload));
  });
});

describe('A3: Standard Webhooks', () => {
  test('A3 what the standardwebhooks package signs comes in, and goes out signed anew', async () => {
    const secret = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
    const { url, receiver, destination } = await flow({ provider: 'standard-webhooks', secrets: [secret] });
    const body = JSON.stringify({
      type: 'invoice.paid',
      timestamp: '2026-11-21T00:00:00Z',
      data: { id: 'in_1' },
    });
    const now = new Date();
    const answer = await send(url, body, {
      'content-type': 'application/json',
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign('msg_1', now, body),
    });
    expect(answer.status).toBe(202);
    const [one] = await receiver.count(1);
    if (one === undefined) throw new Error('nothing came');
    expect(one.body.toString()).toBe(body);
    expect(one.headers['webhook-id']).toBe((answer.body as { id: string }).id);
    expect(verified(one, destination.secret)).toEqual(JSON.parse(body));
    expect(() => verified(one, secret)).toThrow();
  });
});

function basic(pair: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

describe('A4: sources that say themselves how they are proven', () => {
  const shared = 'shared secret';

  test('A4 a declarative hmac scheme', async () => {
    const { url, receiver } = await flow({
      provider: 'hmac',
      secrets: [shared],
      verification: {
        alg: 'hmac-sha512',
        sig: { header: 'x-acme-signature', prefix: 'v0=', enc: 'base64' },
        ts: { from: 'h:x-acme-time', unit: 's', past: 60, future: 60 },
        content: '{ts}:{body}',
      },
    });
    const body = '{"acme":true}';
    const time = String(Math.floor(Date.now() / 1000));
    const mac = createHmac('sha512', shared).update(`${time}:${body}`).digest('base64');
    const headers = { 'x-acme-signature': `v0=${mac}`, 'x-acme-time': time };
    expect((await send(url, body, headers)).status).toBe(202);
    expect((await send(url, `${body} `, headers)).status).toBe(401);
    expect((await receiver.count(1))[0]?.body.toString()).toBe(body);
  });

  test('A4 a token in a header', async () => {
    const { url } = await flow({
      provider: 'token',
      secrets: [shared],
      config: { headerName: 'X-Api-Token' },
    });
    expect((await send(url, '{}', { 'x-api-token': shared })).status).toBe(202);
    expect((await send(url, '{}', { 'x-api-token': 'wrong' })).status).toBe(401);
  });

  test('A4 a bearer token', async () => {
    const { url } = await flow({ provider: 'token', secrets: ['bearer-token'] });
    expect((await send(url, '{}', { authorization: 'Bearer bearer-token' })).status).toBe(202);
    expect((await send(url, '{}', { authorization: 'Bearer bearer-tokem' })).status).toBe(401);
  });

  test('A4 a token in the query', async () => {
    const verification = { kind: 'token', from: 'q:token' };
    const { url } = await flow({ provider: 'hmac', secrets: ['in-the-query'], verification });
    expect((await send(`${url}?token=in-the-query`, '{}')).status).toBe(202);
    expect((await send(`${url}/deeper/path?a=b&token=in-the-query`, '{}')).status).toBe(202);
    expect((await send(`${url}?token=in-the-querz`, '{}')).status).toBe(401);
    expect((await send(url, '{}')).status).toBe(401);
  });

  test('A4 basic auth', async () => {
    const { url } = await flow({ provider: 'basic', secrets: ['user:pass word'] });
    expect((await send(url, '{}', basic('user:pass word'))).status).toBe(202);
    expect((await send(url, '{}', basic('user:pass'))).status).toBe(401);
  });

  test('A4 no proof at all, when that is asked for; any bytes, any content type, any method', async () => {
    const { url, receiver, destination } = await flow({ provider: 'none' });
    const body = Buffer.from([0, 255, 254, 0xc3, 0x28, 10, 13, 0]);
    expect((await send(url, body, { 'content-type': 'application/x-thing' })).status).toBe(202);
    const [one] = await receiver.count(1);
    expect(one?.body.equals(body)).toBe(true);
    expect(one?.headers['content-type']).toBe('application/x-thing');
    expect(destination.secret).toMatch(/^whsec_/);
    const put = await fetch(url, { method: 'PUT', body: 'x' });
    expect(put.status).toBe(202);
  });
});

describe('A5: published events', () => {
  test('A5 a published event goes out in the Standard Webhooks shape, signed', async () => {
    const receiver = await startReceiver();
    receivers.push(receiver);
    const destination = await createDestination(gateway, { url: receiver.url });
    await subscribe(gateway, { destination_id: destination.id, types: ['a5.*'] });
    const time = '2026-01-02T03:04:05.678Z';
    const { id } = await publish(gateway, { type: 'a5.done', data: { n: 1 }, source: 'billing', time });
    const [one] = await receiver.count(1);
    if (one === undefined) throw new Error('nothing came');
    expect(verified(one, destination.secret)).toEqual({ type: 'a5.done', timestamp: time, data: { n: 1 } });
    expectContractHeaders(one, {
      'webhook-id': id,
      'content-type': 'application/json',
      'ringback-event-type': 'a5.done',
      'ringback-source': 'billing',
    });
  });

  test('A5 a trace goes on: same trace id, new parent, the flags kept', async () => {
    const { url, receiver } = await flow({ provider: 'none' });
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await send(url, '{}', { traceparent });
    const [one] = await receiver.count(1);
    expect(one?.headers['traceparent']).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
    expect(one?.headers['traceparent']).not.toBe(traceparent);
  });
});

interface CloudFlow {
  readonly receiver: Receiver;
  readonly secret: string;
}

async function cloudFlow(type: string): Promise<CloudFlow> {
  const receiver = await startReceiver();
  receivers.push(receiver);
  const { id, secret } = await createDestination(gateway, { url: receiver.url });
  await subscribe(gateway, { destination_id: id, types: [type] });
  return { receiver, secret };
}

function readBySdk(one: Received | undefined): CloudEventV1<unknown> {
  if (one === undefined) throw new Error('nothing came');
  const read = HTTP.toEvent({ headers: one.headers, body: one.body.toString('utf8') });
  if (Array.isArray(read)) throw new Error('a batch went out');
  return read;
}

function cloudEvent(type: string, id: string, data: unknown): CloudEvent<unknown> {
  return new CloudEvent({
    type,
    id,
    source: '/tests/rooms?name=r%C3%A4ume',
    subject: 'the subject, with ünïcode and %',
    time: '2026-01-02T03:04:05.678Z',
    datacontenttype: 'application/json',
    data,
    myextension: 'kept',
  });
}

function post(message: { headers: unknown; body: unknown }): Promise<{ status: number; body: unknown }> {
  return gateway.api('POST', '/v1/events', message.body, message.headers as Record<string, string>);
}

function byId(left: { id: string }, right: { id: string }): number {
  return left.id < right.id ? -1 : 1;
}

describe('A6: CloudEvents', () => {
  test('A6 structured mode, byte for byte', async () => {
    const { receiver, secret } = await cloudFlow('a6.structured');
    const event = cloudEvent('a6.structured', 'c-1', { n: 1, text: 'ü' });
    const message = HTTP.structured(event);
    expect((await post(message)).status).toBe(202);
    const [one] = await receiver.count(1);
    expect(one?.body.toString()).toBe(message.body);
    expect(one?.headers['content-type']).toBe(message.headers['content-type']);
    expect(readBySdk(one)).toEqual(event);
    if (one !== undefined) verified(one, secret);
  });

  test('A6 structured mode keeps the content type as it came', async () => {
    const { receiver } = await cloudFlow('a6.plain');
    const { body } = HTTP.structured(cloudEvent('a6.plain', 'c-2', {}));
    const headers = { 'content-type': 'application/cloudevents+json' };
    expect((await post({ headers, body })).status).toBe(202);
    const [one] = await receiver.count(1);
    expect(one?.headers['content-type']).toBe('application/cloudevents+json');
  });

  test('A6 binary mode: attributes as headers, data as the body', async () => {
    const { receiver, secret } = await cloudFlow('a6.binary');
    const event = cloudEvent('a6.binary', 'c-3', { n: 2 }).cloneWith({ subject: 'plain', source: '/tests' });
    const message = HTTP.binary(event);
    expect((await post(message)).status).toBe(202);
    const [one] = await receiver.count(1);
    expect(one?.body.toString()).toBe(message.body);
    expect(readBySdk(one)).toEqual(event);
    expect(one?.headers['ce-myextension']).toBe('kept');
    if (one !== undefined) verified(one, secret);
  });

  test('A6 batch mode: each event on its own, in structured mode', async () => {
    const { receiver } = await cloudFlow('a6.batch');
    const events = [1, 2, 3].map((n) => cloudEvent('a6.batch', `c-b${n}`, { n }));
    const headers = { 'content-type': 'application/cloudevents-batch+json' };
    const answer = await post({ headers, body: JSON.stringify(events) });
    expect(answer.status).toBe(202);
    expect((answer.body as { data: unknown[] }).data).toHaveLength(3);
    const received = await receiver.count(3);
    expect(received.map((one) => readBySdk(one)).toSorted(byId)).toEqual(events.toSorted(byId));
  });

  test('A6 the same CloudEvent from the same source again is a duplicate, also in another mode', async () => {
    const event = cloudEvent('a6.twice', 'c-4', { n: 1 }).cloneWith({ subject: 'plain', source: '/tests' });
    const first = (await post(HTTP.structured(event))).body as { id: string; duplicate: boolean };
    const second = (await post(HTTP.binary(event))).body as { id: string; duplicate: boolean };
    expect(first.duplicate).toBe(false);
    expect(second).toMatchObject({ id: first.id, duplicate: true });
  });

  test('A6 what is not a CloudEvent is refused with a pointer to each mistake', async () => {
    const headers = { 'content-type': 'application/cloudevents+json' };
    const answer = await post({ headers, body: JSON.stringify({ specversion: '0.3', id: '', type: 't' }) });
    expect(answer.status).toBe(422);
    const { code, errors } = answer.body as { code: string; errors: { pointer: string }[] };
    expect(code).toBe('validation_failed');
    expect(errors.map(({ pointer }) => pointer).toSorted()).toEqual(['/id', '/source', '/specversion']);
  });
});
