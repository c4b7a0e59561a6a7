import { describe, expect, test, vi } from 'vitest';
import { ADMIN, principal, startedApi } from '../../test/support/api-bench.ts';
import { Problem } from '../domain/problem.ts';
import { settled } from '../testing/fake-clock.ts';
import { eventStream, type StreamMessage, type StreamPlace } from './stream.ts';

function idOf(message: IteratorResult<StreamMessage | StreamPlace>): string {
  const value: unknown = message.value;
  if (typeof value !== 'object' || value === null || !('data' in value))
    throw new Error(`not an event: ${String(value)}`);
  return (value.data as { id: string }).id;
}

async function streaming(query: object = {}, lastEventId?: string) {
  const api = await startedApi();
  const end = new AbortController();
  const stream = eventStream(api.context(), query, lastEventId, end.signal);
  const publish = async (type = 'a.b') =>
    (await api.call('events.publish', { body: { type, data: 1 } })).id ?? '';
  return { ...api, end, stream, publish };
}

describe('the stream', () => {
  test('begins now, and tells of each event in order', async () => {
    const { stream, publish, end } = await streaming();
    await publish();
    await stream.next();
    const first = stream.next();
    await settled();
    const ids = [await publish(), await publish(), await publish()];
    expect([idOf(await first), idOf(await stream.next()), idOf(await stream.next())]).toEqual(ids);
    const waiting = stream.next();
    await settled();
    end.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test('goes on after the last event that was seen, and misses none', async () => {
    const { context, stream, publish } = await streaming();
    await stream.next();
    const first = stream.next();
    await settled();
    await publish();
    const { value } = await first;
    const missed = [await publish(), await publish()];
    const again = eventStream(context(), {}, (value as StreamMessage).id, new AbortController().signal);
    await again.next();
    expect([idOf(await again.next()), idOf(await again.next())]).toEqual(missed);
    const byCursor = eventStream(
      context(),
      { cursor: (value as StreamMessage).id },
      undefined,
      new AbortController().signal,
    );
    await byCursor.next();
    expect(idOf(await byCursor.next())).toBe(missed[0]);
  });

  test('bug: who was cut off before its first event could not go on from where it began', async () => {
    const { context, stream, publish } = await streaming();
    await publish();
    const place = await stream.next();
    const missed = await publish();
    const { id } = place.value as StreamPlace;
    const again = eventStream(context(), {}, id, new AbortController().signal);
    expect(await again.next()).toEqual({ done: false, value: { id } });
    expect(idOf(await again.next())).toBe(missed);
  });

  test('tells of what its filter lets through', async () => {
    const { stream, publish } = await streaming({ type: 'order.*' });
    await stream.next();
    const next = stream.next();
    await settled();
    await publish('invoice.paid');
    const wanted = await publish('order.paid');
    expect(idOf(await next)).toBe(wanted);
  });

  test('says that it is alive while nothing happens', async () => {
    const { stream, bench } = await streaming();
    const place = await stream.next();
    const next = stream.next();
    await bench.clock.advance(15_000);
    expect(await next).toEqual(place);
  });

  test('refuses what it cannot use', async () => {
    const { context } = await streaming();
    const { signal } = new AbortController();
    expect(() => eventStream(context(), { odd: 1 }, undefined, signal)).toThrow(
      expect.objectContaining({
        code: 'validation_failed',
        errors: [expect.objectContaining({ pointer: '/query/odd' })],
      }),
    );
    expect(() => eventStream(context(), {}, btoa('1:x'), signal)).toThrow();
    expect(() => eventStream(context(principal(['publish'])), {}, undefined, signal)).toThrow(
      expect.objectContaining({ code: 'scope_missing' }),
    );
    expect(ADMIN.scopes).toEqual(['admin']);
  });

  test('bug: each event left a timer and a listener behind', async () => {
    const { stream, publish, end, bench } = await streaming();
    await stream.next();
    const listening = vi.spyOn(end.signal, 'addEventListener');
    const silenced = vi.spyOn(end.signal, 'removeEventListener');
    const timers = bench.clock.waiting;
    for (let made = 0; made < 20; made += 1) {
      const next = stream.next();
      await settled();
      await publish();
      await next;
    }
    await settled();
    expect(bench.clock.waiting - timers).toBeLessThanOrEqual(1);
    expect(listening.mock.calls.length - silenced.mock.calls.length).toBeLessThanOrEqual(1);
    await stream.return(undefined);
  });

  test('lets a filter choose, and tells where it is wrong', async () => {
    const { call, context, stream } = await streaming({ filter: 'data.amount > 10.0' });
    await stream.next();
    const next = stream.next();
    await settled();
    await call('events.publish', { body: { type: 'a.b', data: { amount: 5 } } });
    await call('events.publish', { body: { type: 'a.b', data: { other: true } } });
    const wanted = await call('events.publish', { body: { type: 'a.b', data: { amount: 11 } } });
    expect(idOf(await next)).toBe(wanted.id);
    const { signal } = new AbortController();
    expect(() => eventStream(context(), { filter: 'data.amount >' }, undefined, signal)).toThrow(
      expect.objectContaining({ code: 'filter_invalid' }),
    );
  });

  test('takes several sources, by name or id', async () => {
    const { call, stream } = await streaming({ source: ['one', 'two'] });
    await stream.next();
    const next = stream.next();
    await settled();
    const publish = (source: string) => call('events.publish', { body: { type: 'a.b', data: 1, source } });
    await publish('three');
    const first = await publish('two');
    const second = await publish('one');
    expect([idOf(await next), idOf(await stream.next())]).toEqual([first.id, second.id]);
  });

  test('brings the request when asked to, but no large body', async () => {
    const { stream, bench } = await streaming({ include: 'request' });
    const source = await bench.source();
    await stream.next();
    const next = stream.next();
    await settled();
    const body = Uint8Array.of(0, 255, 10);
    const headers = ['x-secret', 'right', 'X-Odd', 'a', 'x-odd', 'b'];
    await bench.receive(source, {}, { body, headers, path: '/sub?x=1' });
    const { data } = (await next).value as StreamMessage;
    expect(data).toMatchObject({
      method: 'POST',
      path: '/sub?x=1',
      headers: [
        ['x-secret', 'right'],
        ['X-Odd', 'a'],
        ['x-odd', 'b'],
      ],
      body: Buffer.from(body).toString('base64'),
      body_bytes: 3,
    });
    const large = stream.next();
    await bench.receive(source, {}, { body: new Uint8Array(70_000) });
    expect((await large).value).toMatchObject({ data: { body: null, body_bytes: 70_000 } });
  });

  test('begins earlier when asked for the last few, and no event comes twice', async () => {
    const { context, stream, publish, end } = await streaming({ type: 'wanted' });
    const ids = [];
    for (const type of ['wanted', 'other', 'wanted', 'wanted', 'other']) ids.push(await publish(type));
    await stream.next();
    const again = eventStream(context(), { type: 'wanted', last: '2' }, undefined, end.signal);
    await again.next();
    expect([idOf(await again.next()), idOf(await again.next())]).toEqual([ids[2], ids[3]]);
    const next = again.next();
    await settled();
    const fresh = await publish('wanted');
    expect(idOf(await next)).toBe(fresh);
  });

  test('tells of a gap when retention has passed the reader, once', async () => {
    const { context, bench, publish, end } = await streaming();
    const early = eventStream(context(), {}, undefined, end.signal);
    const { id } = (await early.next()).value as StreamPlace;
    await publish();
    await bench.clock.advance(1_000);
    await bench.gateway.services.store.upkeep.pruneEvents(bench.clock.now(), 100);
    const kept = await publish();

    const again = eventStream(context(), {}, id, end.signal);
    await again.next();
    expect((await again.next()).value).toMatchObject({ event: 'gap' });
    expect(idOf(await again.next())).toBe(kept);
    const upToDate = eventStream(context(), {}, ((await early.next()).value as StreamMessage).id, end.signal);
    await upToDate.next();
    expect((await upToDate.next()).value).toMatchObject({ event: 'gap' });

    await bench.clock.advance(1_000);
    const fresh = eventStream(context(), {}, undefined, end.signal);
    await bench.gateway.services.store.upkeep.pruneEvents(bench.clock.now(), 100);
    const start = await fresh.next();
    const next = fresh.next();
    await settled();
    const newest = await publish();
    expect(idOf(await next)).toBe(newest);
    const back = eventStream(context(), {}, (start.value as StreamPlace).id, end.signal);
    await back.next();
    expect(idOf(await back.next())).toBe(newest);
  });

  test('bug: a busy log whose events nobody wanted here left the reader without a sign of life', async () => {
    const { stream, publish, bench } = await streaming({ type: 'wanted' });
    const place = (await stream.next()).value as StreamPlace;
    const next = stream.next();
    for (let second = 0; second < 16; second += 1) {
      await settled();
      await publish('other');
      await bench.clock.advance(1_000);
    }
    const beat = (await next).value as StreamPlace;
    expect(beat).not.toHaveProperty('data');
    expect(beat.id).not.toBe(place.id);
  });

  test('ends with the reason when its key no longer counts', async () => {
    const { context, publish, end } = await streaming();
    let allowed = true;
    const stream = eventStream(context(), {}, undefined, end.signal, () => {
      if (!allowed) throw new Problem('credentials_invalid', 'revoked');
    });
    await stream.next();
    const next = stream.next();
    await settled();
    allowed = false;
    await publish();
    await expect(next).rejects.toThrow('revoked');
  });

  test('shows a reader no more than it may see: hidden fields only to who may change what is hidden', async () => {
    const { context, bench, end } = await streaming();
    const source = await bench.source({ redact: ['card'] });
    const reader = context(principal(['read']));
    const query = { include: 'request' };
    const hidden = eventStream(reader, query, undefined, end.signal);
    const guessing = eventStream(reader, { filter: 'data.card == "4242"' }, undefined, end.signal);
    const whole = eventStream(context(principal(['manage'])), query, undefined, end.signal);
    await Promise.all([hidden.next(), guessing.next(), whole.next()]);
    const body = new TextEncoder().encode('{"card": "4242", "n": 1}');
    await bench.receive(source, {}, { body });
    const bodyIn = async (stream: typeof whole): Promise<string> => {
      const { data } = (await stream.next()).value as StreamMessage;
      return Buffer.from((data as { body: string }).body, 'base64').toString();
    };
    expect(await bodyIn(whole)).toBe('{"card": "4242", "n": 1}');
    expect(await bodyIn(hidden)).not.toContain('4242');
    const guess = guessing.next();
    await bench.clock.advance(15_000);
    expect((await guess).value).not.toHaveProperty('data');
  });
});
