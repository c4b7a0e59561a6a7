import { describe, expect, test } from 'vitest';
import { ADMIN, type Answer, operationNamed, startedApi } from '../../test/support/api-bench.ts';
import { bytes, rejection } from '../../test/support/gateway-bench.ts';
import { settled } from '../testing/fake-clock.ts';

const EVENT = { specversion: '1.0', id: 'e-1', source: '/shop', type: 'com.shop.paid', data: { a: 1 } };
const STRUCTURED = ['Content-Type', 'application/cloudevents+json; charset=utf-8'];
const BATCH = ['Content-Type', 'application/cloudevents-batch+json'];
const BINARY = ['ce-specversion', '1.0', 'ce-id', 'e-1', 'ce-source', '/shop', 'ce-type', 'com.shop.paid'];

async function publishing() {
  const api = await startedApi();
  await api.bench.receiver();
  /** Publishes a body that is not our JSON. */
  const raw = async (headers: readonly string[], body: unknown): Promise<Answer> => {
    const { raw: read } = operationNamed('events.publish');
    const content = typeof body === 'string' ? bytes(body) : bytes(JSON.stringify(body));
    return (await read?.(api.context(ADMIN, headers), content)) as Answer;
  };
  const stored = async (answer: Answer) => {
    const event = await api.bench.store.queries.event(answer.id ?? '');
    if (event === null) throw new Error('there is no such event');
    return event;
  };
  return { ...api, raw, stored };
}

describe('our own JSON', () => {
  test('goes out in the shape of Standard Webhooks', async () => {
    const { call, bench, stored } = await publishing();
    const body = {
      type: 'a.b',
      data: { x: 1 },
      id: 'own',
      key: 'k',
      time: '2025-01-01T00:00:00Z',
      correlation_id: 'c',
    };
    const answer = await call('events.publish', { body });
    expect(answer).toMatchObject({ duplicate: false, deliveries: 1 });
    await settled();
    const sent: unknown = JSON.parse(new TextDecoder().decode(bench.sender.requests[0]?.body));
    expect(sent).toEqual({ type: 'a.b', timestamp: '2025-01-01T00:00:00.000Z', data: { x: 1 } });
    expect(await stored(answer)).toMatchObject({
      externalId: 'own',
      key: 'k',
      correlationId: 'c',
      source: 'api',
    });
    expect(await call('events.publish', { body })).toMatchObject({ id: answer.id, duplicate: true });
  });

  test('with an idempotency key answers the same id, and refuses another body under it', async () => {
    const { call } = await publishing();
    const headers = ['Idempotency-Key', 'abc'];
    const publish = (data: unknown) =>
      call('events.publish', { body: { type: 'a.b', data } }, ADMIN, headers);
    const first = await publish(1);
    expect(await publish(1)).toMatchObject({ id: first.id, duplicate: true });
    expect(await rejection(publish(2))).toMatchObject({ code: 'idempotency_conflict' });
    for (const key of ['', 'x'.repeat(257)]) {
      const refused = call('events.publish', { body: { type: 'a.b', data: 1 } }, ADMIN, [
        'Idempotency-Key',
        key,
      ]);
      expect(await rejection(refused)).toMatchObject({ code: 'validation_failed' });
    }
  });

  test('in a batch of up to a thousand, all or nothing', async () => {
    const { call, bench } = await publishing();
    const good = { type: 'a.b', data: 1 };
    const error = await rejection(
      call('events.publish-batch', { body: { events: [good, { ...good, type: 'not a type' }] } }),
    );
    expect(error).toMatchObject({ code: 'validation_failed', errors: [{ pointer: '/events/1/type' }] });
    for (const events of [[], Array.from({ length: 1_001 }, () => good)]) {
      expect(await rejection(call('events.publish-batch', { body: { events } }))).toMatchObject({
        status: 422,
      });
    }
    expect(await bench.store.queries.lastSeq()).toBe(0);
    const answer = await call('events.publish-batch', { body: { events: [good, good] } });
    expect(answer['data']).toHaveLength(2);
  });
});

describe('CloudEvents', () => {
  test('structured: kept and sent as it came', async () => {
    const { raw, stored, bench } = await publishing();
    const text = `${JSON.stringify({ ...EVENT, subject: 'cus_1', time: '2025-01-01T00:00:00Z' })}  `;
    const answer = await raw(STRUCTURED, text);
    await settled();
    expect(new TextDecoder().decode(bench.sender.requests[0]?.body)).toBe(text);
    expect(bench.sender.sent('content-type')[0]).toMatch(/^application\/cloudevents\+json/);
    expect(await stored(answer)).toMatchObject({
      type: 'com.shop.paid',
      source: '/shop',
      externalId: 'e-1',
      subject: 'cus_1',
      key: 'cus_1',
      occurredAt: Date.parse('2025-01-01T00:00:00Z'),
      origin: { cloudEvent: 'structured' },
    });
    expect(await raw(STRUCTURED, EVENT)).toMatchObject({ id: answer.id, duplicate: true });
  });

  test('binary: attributes in headers, the body as it is', async () => {
    const { raw, stored, bench } = await publishing();
    const answer = await raw(
      [...BINARY, 'ce-subject', 'gr%C3%BC%C3%9Fe', 'ce-odd', '%zz', 'content-type', 'text/x'],
      'plain',
    );
    await settled();
    expect(await stored(answer)).toMatchObject({
      subject: 'grüße',
      contentType: 'text/x',
      origin: { cloudEvent: 'binary' },
    });
    expect(bench.sender.sent('ce-subject')).toEqual(['gr%C3%BC%C3%9Fe']);
    expect(bench.sender.sent('ce-type')).toEqual(['com.shop.paid']);
    expect(new TextDecoder().decode(bench.sender.requests[0]?.body)).toBe('plain');
  });

  test('batch: each goes out on its own', async () => {
    const { raw, bench } = await publishing();
    const answer = await raw(BATCH, [EVENT, { ...EVENT, id: 'e-2' }, EVENT]);
    expect((answer['data'] as { duplicate: boolean }[]).map(({ duplicate }) => duplicate)).toEqual([
      false,
      false,
      true,
    ]);
    await settled();
    const sent = bench.sender.requests.map(
      ({ body }) => JSON.parse(new TextDecoder().decode(body)) as { id: string },
    );
    expect(sent.map(({ id }) => id)).toEqual(['e-1', 'e-2']);
  });

  test('one filter fits an event however it came', async () => {
    const { call, raw, bench } = await publishing();
    const destination = await bench.destination();
    await bench.subscription(destination, { filter: 'data.a == 1' });
    await raw(STRUCTURED, EVENT);
    await raw(BINARY.with(3, 'e-2'), '{"a":1}');
    await call('events.publish', { body: { type: 'a.b', data: { a: 1 } } });
    await call('events.publish', { body: { type: 'a.b', data: { a: 2 } } });
    await settled();
    expect(bench.sender.requests.filter(({ url }) => url === destination.url)).toHaveLength(3);
  });

  test.each([
    [STRUCTURED, '{', 'body_malformed'],
    [STRUCTURED, '5', 'body_malformed'],
    [STRUCTURED, [EVENT], 'validation_failed'],
    [STRUCTURED, { ...EVENT, specversion: '0.3' }, 'validation_failed'],
    [STRUCTURED, { ...EVENT, id: '' }, 'validation_failed'],
    [STRUCTURED, { ...EVENT, type: 'not a type' }, 'validation_failed'],
    [STRUCTURED, { ...EVENT, time: 'yesterday' }, 'validation_failed'],
    [BATCH, EVENT, 'body_malformed'],
    [BATCH, [EVENT, {}], 'validation_failed'],
    [BINARY.slice(0, 4), 'x', 'validation_failed'],
  ])('%j with %j is refused: %s', async (headers, body, code) => {
    const { raw, bench } = await publishing();
    const refused = (async () => raw(headers, body))();
    expect(await rejection(refused)).toMatchObject({ code });
    expect(await bench.store.queries.lastSeq()).toBe(0);
  });

  test('a body that is none of them is left to our own JSON', async () => {
    const { raw } = await publishing();
    expect(await raw(['content-type', 'application/json'], '{}')).toBeUndefined();
  });

  test('bug: another event in binary mode under the same idempotency key was taken for the same', async () => {
    const { raw } = await publishing();
    const key = ['idempotency-key', 'k'];
    const first = await raw([...BINARY, ...key], 'x');
    expect(await raw([...BINARY, ...key], 'x')).toMatchObject({ id: first.id, duplicate: true });
    const other = (async () => raw([...BINARY.with(3, 'e-2'), ...key], 'x'))();
    expect(await rejection(other)).toMatchObject({ code: 'idempotency_conflict' });
  });
});
