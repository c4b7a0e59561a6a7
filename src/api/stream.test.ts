import { describe, expect, test, vi } from 'vitest';
import { ADMIN, principal, startedApi } from '../../test/support/api-bench.ts';
import { settled } from '../testing/fake-clock.ts';
import { eventStream, type StreamMessage, type StreamPlace } from './stream.ts';

type Stream = AsyncGenerator<StreamMessage | StreamPlace>;

/** The next event; places in between only say how far the stream is. */
async function nextEvent(stream: Stream): Promise<IteratorResult<StreamMessage | StreamPlace>> {
  for (;;) {
    const message = await stream.next();
    if (message.done === true || 'data' in message.value) return message;
  }
}

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
    const first = nextEvent(stream);
    await settled();
    const ids = [await publish(), await publish(), await publish()];
    expect([idOf(await first), idOf(await nextEvent(stream)), idOf(await nextEvent(stream))]).toEqual(ids);
    const waiting = nextEvent(stream);
    await settled();
    end.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test('goes on after the last event that was seen, and misses none', async () => {
    const { context, stream, publish } = await streaming();
    const first = nextEvent(stream);
    await settled();
    await publish();
    const { value } = await first;
    const missed = [await publish(), await publish()];
    const again = eventStream(context(), {}, (value as StreamMessage).id, new AbortController().signal);
    expect([idOf(await nextEvent(again)), idOf(await nextEvent(again))]).toEqual(missed);
    const byCursor = eventStream(
      context(),
      { cursor: (value as StreamMessage).id },
      undefined,
      new AbortController().signal,
    );
    expect(idOf(await nextEvent(byCursor))).toBe(missed[0]);
  });

  test('tells of what its filter lets through', async () => {
    const { stream, publish } = await streaming({ type: 'order.*' });
    const next = nextEvent(stream);
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
    const listening = vi.spyOn(end.signal, 'addEventListener');
    const silenced = vi.spyOn(end.signal, 'removeEventListener');
    const timers = bench.clock.waiting;
    for (let made = 0; made < 20; made += 1) {
      const next = nextEvent(stream);
      await settled();
      await publish();
      await next;
    }
    await settled();
    expect(bench.clock.waiting - timers).toBeLessThanOrEqual(1);
    expect(listening.mock.calls.length - silenced.mock.calls.length).toBeLessThanOrEqual(1);
    await stream.return(undefined);
  });
});
