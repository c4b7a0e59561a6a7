import { sign } from '@octokit/webhooks-methods';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type AcceptedView,
  createDestination,
  createSource,
  everyPage,
  type EventView,
  freshName,
  type ListView,
  ok,
  problem,
  publish,
  send,
  subscribe,
} from './arrange.ts';
import { type ApiAnswer, type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Received, type Receiver, startReceiver } from './receiving.ts';

let gateway: GatewayProcess;
let receiver: Receiver;

beforeAll(async () => {
  gateway = await startGatewayProcess();
  receiver = await startReceiver();
  const { id } = await createDestination(gateway, { url: receiver.url });
  await subscribe(gateway, { destination_id: id });
});

afterAll(async () => {
  await receiver.close();
  expect(await gateway.stop()).toBe(0);
});

async function sendGithub(url: string, delivery: string, body: string, secret = 's'): Promise<ApiAnswer> {
  return send(url, body, {
    'x-github-event': 'push',
    'x-github-delivery': delivery,
    'x-hub-signature-256': await sign(secret, body),
  });
}

function githubSource(fields: object = {}): Promise<{ id: string; url: string }> {
  return createSource(gateway, { provider: 'github', secrets: ['s'], ...fields });
}

function timesReceived(eventId: string): number {
  return receiver.ids().filter((id) => id === eventId).length;
}

/** Something sent after everything else has arrived: what was to come of the others has come. */
async function everythingElseHasArrived(): Promise<void> {
  const { id } = await publish(gateway, { type: 'last.one' });
  await receiver.until(() => timesReceived(id) === 1);
}

describe('B1: de-duplication', () => {
  test('B1 the same provider id again is 2xx, with the first id and duplicate true, and goes out once', async () => {
    const { url } = await githubSource();
    const first = await sendGithub(url, 'b1-a', '{"n":1}');
    expect([first.status, first.body]).toEqual([202, { id: expect.any(String) as string, duplicate: false }]);
    const { id } = first.body as AcceptedView;
    const again = await sendGithub(url, 'b1-a', '{"n":1}');
    expect([again.status, again.body]).toEqual([202, { id, duplicate: true }]);
    // The id decides, not the body: the provider sends the same id for the same thing.
    const changed = await sendGithub(url, 'b1-a', '{"n":2}');
    expect([changed.status, changed.body]).toEqual([202, { id, duplicate: true }]);
    const other = await sendGithub(url, 'b1-b', '{"n":1}');
    expect((other.body as AcceptedView).duplicate).toBe(false);
    await everythingElseHasArrived();
    expect(timesReceived(id)).toBe(1);
  });

  test('B1 fifty at once make exactly one event', async () => {
    const { id: sourceId, url } = await githubSource();
    const answers = await Promise.all(Array.from({ length: 50 }, () => sendGithub(url, 'b1-race', '{}')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    const bodies = answers.map(({ body }) => body as AcceptedView);
    expect(new Set(bodies.map(({ id }) => id)).size).toBe(1);
    expect(bodies.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(await everyPage<EventView>(gateway, `/v1/events?source=${sourceId}`)).toHaveLength(1);
    await everythingElseHasArrived();
    expect(timesReceived(bodies[0]?.id ?? '')).toBe(1);
  });

  test('B1 the same id at another source is another event', async () => {
    const [one, two] = [await githubSource(), await githubSource()];
    const first = (await sendGithub(one.url, 'b1-both', '{}')).body as AcceptedView;
    const second = (await sendGithub(two.url, 'b1-both', '{}')).body as AcceptedView;
    expect(second.duplicate).toBe(false);
    expect(second.id).not.toBe(first.id);
  });

  test('B1 a refused request does not use up the id', async () => {
    const { url } = await githubSource();
    expect((await sendGithub(url, 'b1-forged', '{}', 'wrong')).status).toBe(401);
    const { body } = await sendGithub(url, 'b1-forged', '{}');
    expect((body as AcceptedView).duplicate).toBe(false);
  });

  test('B1 a key of the own', async () => {
    const dedupe = { key: 'data.order + ":" + headers["x-part"]' };
    const { url } = await createSource(gateway, { provider: 'none', dedupe });
    const order = async (name: string, part: string): Promise<AcceptedView> =>
      (await send(url, JSON.stringify({ order: name, at: Math.random() }), { 'x-part': part }))
        .body as AcceptedView;
    const first = await order('o1', 'a');
    expect(await order('o1', 'a')).toEqual({ id: first.id, duplicate: true });
    expect((await order('o1', 'b')).duplicate).toBe(false);
    expect((await order('o2', 'a')).duplicate).toBe(false);
    // Without the field there is no key: kept, perhaps twice, never lost.
    for (let n = 0; n < 2; n += 1) {
      const { status, body } = await send(url, '{}', { 'x-part': 'a' });
      expect([status, (body as AcceptedView).duplicate]).toEqual([202, false]);
    }
  });
});

function verifies(received: Received | undefined, secret: string): boolean {
  if (received === undefined) throw new Error('nothing came');
  try {
    new Webhook(secret).verify(received.body.toString(), received.headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}

describe('B2: rotation', () => {
  test('B2 several secrets are valid at once; an old one expires; one can be taken away', async () => {
    const { id, url } = await githubSource({ secrets: ['new', 'old'] });
    let n = 0;
    const status = async (secret: string): Promise<number> => {
      n += 1;
      return (await sendGithub(url, `b2-${n}`, '{}', secret)).status;
    };
    expect([await status('new'), await status('old'), await status('none')]).toEqual([202, 202, 401]);
    const secrets = `/v1/sources/${id}/secrets`;
    const added = await ok<{ secrets: { number: number; expires_at: string | null }[] }>(
      gateway.api('POST', secrets, { secret: 'newest', previous_expire_in: '700ms' }),
    );
    expect(added.secrets.map(({ expires_at: expiresAt }) => expiresAt === null)).toEqual([
      true,
      false,
      false,
    ]);
    expect(JSON.stringify(added)).not.toMatch(/"(new|old|newest)"/);
    expect([await status('newest'), await status('new'), await status('old')]).toEqual([202, 202, 202]);
    await vi.waitFor(async () => expect(await status('old')).toBe(401), { timeout: 3_000, interval: 50 });
    expect([await status('newest'), await status('new')]).toEqual([202, 401]);
    const kept = await ok<{ secrets: unknown[] }>(gateway.api('DELETE', `${secrets}/2`));
    expect(kept.secrets).toHaveLength(2);
    expect(await status('newest')).toBe(202);
  });

  test('B2 an event tells which of the secrets proved it', async () => {
    const { url } = await githubSource({ secrets: ['new', 'old'] });
    const { id } = (await sendGithub(url, 'b2-which', '{}', 'old')).body as AcceptedView;
    expect(await ok(gateway.api('GET', `/v1/events/${id}`))).toMatchObject({
      verification: { provider: 'github', covers: 'body', secret_number: 1 },
    });
  });

  test('B2 while a destination changes its secret both sign; afterwards only the new one', async () => {
    const own = await startReceiver();
    const destination = await createDestination(gateway, { url: own.url });
    await subscribe(gateway, { destination_id: destination.id, types: ['b2.rotate'] });
    const rotate = `/v1/destinations/${destination.id}/rotate-secret`;
    const rotated = await ok<{ secret: string }>(gateway.api('POST', rotate, { grace: '800ms' }));
    expect(rotated.secret).not.toBe(destination.secret);
    await publish(gateway, { type: 'b2.rotate' });
    const [during] = await own.count(1);
    expect(String(during?.headers['webhook-signature']).split(' ')).toHaveLength(2);
    expect([verifies(during, destination.secret), verifies(during, rotated.secret)]).toEqual([true, true]);
    await vi.waitFor(
      async () => {
        const before = own.received.length;
        await publish(gateway, { type: 'b2.rotate' });
        const after = (await own.count(before + 1)).at(-1);
        expect([verifies(after, destination.secret), verifies(after, rotated.secret)]).toEqual([false, true]);
      },
      { timeout: 5_000, interval: 100 },
    );
    await own.close();
  });
});

function post(body: unknown, key: string): Promise<ApiAnswer> {
  return gateway.api('POST', '/v1/events', body, { 'idempotency-key': key });
}

describe('B3: Idempotency-Key', () => {
  test('B3 the same request under the same key is the same event; another one is 409', async () => {
    const key = freshName('key');
    const event = { type: 'b3.paid', data: { n: 1 } };
    const first = await ok<AcceptedView>(post(event, key));
    expect(first.duplicate).toBe(false);
    const again = await post(event, key);
    expect([again.status, again.body]).toEqual([202, { ...first, duplicate: true }]);
    await problem(post({ ...event, data: { n: 2 } }, key), 409, 'idempotency_conflict');
    await problem(post({ ...event, type: 'b3.other' }, key), 409, 'idempotency_conflict');
    expect((await ok<AcceptedView>(post(event, freshName('key')))).duplicate).toBe(false);
    await everythingElseHasArrived();
    expect(timesReceived(first.id)).toBe(1);
  });

  test('B3 twenty at once under one key make one event', async () => {
    const key = freshName('key');
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ok<AcceptedView>(post({ type: 'b3.race', data: {} }, key))),
    );
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
  });

  test('B3 a refused request does not use up the key', async () => {
    const key = freshName('key');
    await problem(post({ type: 'not a type', data: {} }, key), 422, 'validation_failed');
    expect((await ok<AcceptedView>(post({ type: 'b3.fine', data: {} }, key))).duplicate).toBe(false);
  });

  test('B3 a key does not undo the own id of an event: published again under another key it is a duplicate', async () => {
    const event = { type: 'b3.own', data: {}, id: 'b3-own-id', source: 'shop' };
    const first = await ok<AcceptedView>(post(event, freshName('key')));
    const second = await ok<AcceptedView>(post(event, freshName('key')));
    expect(second).toMatchObject({ id: first.id, duplicate: true });
    expect(await ok<AcceptedView>(gateway.api('POST', '/v1/events', event))).toMatchObject({
      id: first.id,
      duplicate: true,
    });
  });

  test('B3 keys of another tenant are other keys', async () => {
    const key = freshName('key');
    const first = await ok<AcceptedView>(post({ type: 'b3.t', data: {}, tenant: 't1' }, key));
    const second = await ok<AcceptedView>(post({ type: 'b3.t', data: {}, tenant: 't2' }, key));
    expect(second.duplicate).toBe(false);
    expect(second.id).not.toBe(first.id);
  });

  test('B3 a key that cannot be one is refused', async () => {
    for (const key of ['', 'x'.repeat(257)]) {
      await problem(post({ type: 'b3.key', data: {} }, key), 422, 'validation_failed');
    }
  });
});

function batch(events: readonly unknown[]): Promise<ApiAnswer> {
  return gateway.api('POST', '/v1/events/batch', { events });
}

describe('B4: batches', () => {
  test('B4 all or nothing: one bad event keeps the whole batch out', async () => {
    const good = Array.from({ length: 5 }, (_, n) => ({
      type: 'b4.all',
      data: { n },
      correlation_id: 'b4-all',
    }));
    const bad = await problem(batch([...good, { type: 'b4 all', data: {} }]), 422, 'validation_failed');
    expect(bad.errors.map(({ pointer }) => pointer)).toEqual(['/events/5/type']);
    const path = '/v1/events?correlation_id=b4-all';
    expect((await ok<ListView<EventView>>(gateway.api('GET', path))).data).toEqual([]);
    const { data } = await ok<{ data: AcceptedView[] }>(batch(good));
    expect(data.map(({ duplicate, deliveries }) => [duplicate, deliveries])).toEqual(
      good.map(() => [false, 1]),
    );
    const kept = (await ok<ListView<EventView>>(gateway.api('GET', path))).data.map(({ id }) => id);
    // The answer is in the order of the request; the list is newest first.
    expect(kept).toEqual(data.map(({ id }) => id).toReversed());
  });

  test('B4 duplicates in a batch are told one by one', async () => {
    const { id } = await publish(gateway, { type: 'b4.dup', id: 'b4-known', source: 'b4' });
    const { data } = await ok<{ data: AcceptedView[] }>(
      batch([
        { type: 'b4.dup', data: {}, id: 'b4-known', source: 'b4' },
        { type: 'b4.dup', data: {}, id: 'b4-twice', source: 'b4' },
        { type: 'b4.dup', data: {}, id: 'b4-twice', source: 'b4' },
      ]),
    );
    expect(data.map(({ duplicate }) => duplicate)).toEqual([true, false, true]);
    expect(data[0]?.id).toBe(id);
    expect(data[2]?.id).toBe(data[1]?.id);
  });

  test('B4 a thousand are taken, a thousand and one are not, nor is none', async () => {
    const events = Array.from({ length: 1_001 }, () => ({ type: 'b4.many', data: {} }));
    await problem(batch(events), 422, 'validation_failed');
    await problem(batch([]), 422, 'validation_failed');
    const { data } = await ok<{ data: AcceptedView[] }>(batch(events.slice(1)));
    expect(new Set(data.map(({ id }) => id)).size).toBe(1_000);
    await receiver.until(
      (all) => all.filter(({ headers }) => headers['ringback-event-type'] === 'b4.many').length === 1_000,
    );
  });
});
