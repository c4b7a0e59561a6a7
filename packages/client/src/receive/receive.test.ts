import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { DELIVERY_SECRET as SECRET, deliveryHeaders } from '../../../../test/support/signed-delivery.ts';
import { sign } from '../verify/sign/sign.ts';
import { VerifierSettingsError } from '../verify/reasons.ts';
import type { IdempotencyStore } from './idempotency.ts';
import { memoryStore } from './memory-store.ts';
import type { ReceivedEvent } from './received-event.ts';
import type { NamedSource } from './receive.ts';
import { receive, verify } from './receive.ts';
import type { ReceiverOptions, ReceiverProblem } from './receiver.ts';

const HOOK = 'https://example.com/hook';
const OLD_SECRET = `whsec_${btoa('the secret before it ....')}`;

type Signing = NonNullable<Parameters<typeof deliveryHeaders>[1]>;
type DeliveryOptions = Signing & { readonly body?: string; readonly headers?: Record<string, string> };

/** A delivery as Ringback makes it. */
function delivery({ body = '{"action":"opened"}', headers, ...signing }: DeliveryOptions = {}): Request {
  const own = { 'ringback-source': 'github', 'ringback-delivery': 'dlv_1', 'ringback-attempt': '2' };
  return new Request(HOOK, {
    method: 'POST',
    body,
    headers: { ...deliveryHeaders(body, signing), ...own, ...headers },
  });
}

/** A receiver that keeps what it handled and what it told. */
function start(options: Partial<NamedSource & ReceiverOptions> = {}) {
  const events: ReceivedEvent[] = [];
  const problems: ReceiverProblem[] = [];
  const receiver = receive({
    secret: SECRET,
    onEvent: (event) => {
      events.push(event);
    },
    onProblem: (problem) => problems.push(problem),
    ...options,
  });
  return { receiver, events, problems };
}

/** A store of which one method fails. */
function broken(method: keyof IdempotencyStore): IdempotencyStore {
  return {
    ...memoryStore(),
    [method]: async () => {
      throw new Error('no route to the store');
    },
  };
}

async function github(event: string, body: string): Promise<Request> {
  const bytes = Buffer.from(body);
  const headers: [string, string][] = [
    ['x-github-event', event],
    ['x-github-delivery', 'd-1'],
  ];
  const signed = await sign('github', { url: HOOK, body: bytes, secrets: ['s3cret'], headers });
  const made = new Headers(signed.headers.map(([name, value]) => [name, value]));
  return new Request(HOOK, { method: 'POST', body: bytes, headers: made });
}

function asanaAsks(): Request {
  return new Request(HOOK, { method: 'POST', body: '', headers: { 'x-hook-secret': 'told' } });
}

function failing(): never {
  throw new Error('no');
}

async function codeOf(response: Response): Promise<[number, unknown]> {
  return [response.status, ((await response.json()) as { code: unknown }).code];
}

describe('a receiver of deliveries', () => {
  it('handles what is proven, with all that the request says', async () => {
    const { receiver, events } = start();
    const response = await receiver(delivery());
    expect(response.status).toBe(204);
    const [event] = events;
    expect(event).toMatchObject({
      id: 'evt_1',
      type: 'com.github.issues.opened',
      source: 'github',
      delivery: 'dlv_1',
      attempt: 2,
      covers: 'body',
      secretIndex: 0,
      data: { action: 'opened' },
    });
    expect(event?.text()).toBe('{"action":"opened"}');
    expect(event?.time).toBeInstanceOf(Date);
  });

  it.each([
    ['another secret', { secret: OLD_SECRET }, 'signature_mismatch'],
    ['a body changed on the way', { headers: { 'webhook-id': 'evt_2' } }, 'signature_mismatch'],
    ['a stale timestamp', { at: new Date(Date.now() - 301_000) }, 'timestamp_out_of_tolerance'],
    ['no signature', { headers: { 'webhook-signature': '' } }, 'signature_missing'],
  ])('refuses %s', async (_what, options, code) => {
    const onRefused = vi.fn<NonNullable<ReceiverOptions['onRefused']>>();
    const { receiver, events } = start({ onRefused });
    expect(await codeOf(await receiver(delivery(options)))).toEqual([401, code]);
    expect(events).toEqual([]);
    expect(onRefused).toHaveBeenCalledWith(expect.objectContaining({ code }));
  });

  it('takes a delivery with two signatures, and one under the previous secret', async () => {
    const both = [SECRET, OLD_SECRET].map((secret) =>
      String(delivery({ secret }).headers.get('webhook-signature')),
    );
    const { receiver } = start({ secret: OLD_SECRET });
    const rotating = delivery({ headers: { 'webhook-signature': both.join(' ') } });
    expect((await receiver(rotating)).status).toBe(204);
    const { receiver: rotated, events } = start({ secret: [SECRET, OLD_SECRET] });
    expect((await rotated(delivery({ secret: OLD_SECRET }))).status).toBe(204);
    expect(events[0]?.secretIndex).toBe(1);
  });

  it('does nothing for an event that was handled', async () => {
    const { receiver, events } = start();
    await receiver(delivery());
    const again = await receiver(delivery({ headers: { 'ringback-attempt': '3' } }));
    expect([again.status, await again.json()]).toEqual([200, { duplicate: true }]);
    expect(events).toHaveLength(1);
  });

  it('handles every request when it should not remember', async () => {
    const { receiver, events } = start({ idempotency: false });
    await receiver(delivery());
    await receiver(delivery());
    expect(events).toHaveLength(2);
  });

  it('asks for another try when the handler fails, and then handles it', async () => {
    const onEvent = vi.fn<() => void>().mockImplementationOnce(() => {
      throw new Error('the password is hunter2');
    });
    const { receiver, problems } = start({ onEvent });
    const failed = await receiver(delivery());
    expect(failed.status).toBe(500);
    expect(await failed.text()).not.toContain('hunter2');
    expect(problems).toMatchObject([{ code: 'handler_failed', eventId: 'evt_1' }]);
    expect((await receiver(delivery())).status).toBe(204);
    expect(onEvent).toHaveBeenCalledTimes(2);
  });

  it('runs one of two requests that come together, and tells the other to wait', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const onEvent = vi.fn<() => Promise<undefined>>(() => promise);
    const { receiver } = start({ onEvent, idempotency: { store: memoryStore(), leaseMs: 20_000 } });
    const first = receiver(delivery());
    await vi.waitFor(() => expect(onEvent).toHaveBeenCalled());
    const second = await receiver(delivery());
    const wait = Number(second.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(10);
    expect(wait).toBeLessThanOrEqual(20);
    expect(await codeOf(second)).toEqual([503, 'event_in_progress']);
    resolve(undefined);
    expect((await first).status).toBe(204);
    expect(onEvent).toHaveBeenCalledTimes(1);
    expect((await receiver(delivery())).status).toBe(200);
  });

  it('sends an answer of the handler as it is, and is done only with a 2xx', async () => {
    const onEvent = vi
      .fn<NonNullable<ReceiverOptions['onEvent']>>()
      .mockReturnValueOnce({ status: 429, headers: { 'retry-after': '7' } })
      .mockReturnValueOnce({ status: 200, body: '{"labels":[]}' });
    const { receiver } = start({ onEvent });
    const busy = await receiver(delivery());
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([429, '7']);
    expect(await (await receiver(delivery())).text()).toBe('{"labels":[]}');
    await receiver(delivery());
    expect(onEvent).toHaveBeenCalledTimes(2);
  });

  it('has the event again when the handler gives what is no answer', async () => {
    const onEvent = vi
      .fn<NonNullable<ReceiverOptions['onEvent']>>()
      .mockReturnValueOnce({ status: 99 })
      .mockReturnValueOnce({ status: 200, headers: { 'x-bad': 'one\ntwo' } });
    const { receiver } = start({ onEvent });
    expect(await codeOf(await receiver(delivery()))).toEqual([500, 'handler_failed']);
    expect(await codeOf(await receiver(delivery()))).toEqual([500, 'handler_failed']);
    expect((await receiver(delivery())).status).toBe(204);
  });

  it('answers when whoever is told of a problem fails as well', async () => {
    const print = vi.spyOn(console, 'error').mockReturnValue(undefined);
    try {
      const { receiver } = start({ onEvent: failing, onProblem: failing });
      expect(await codeOf(await receiver(delivery()))).toEqual([500, 'handler_failed']);
      expect(print.mock.calls.map(([line]) => String(line))).toEqual([
        'ringback receiver: handler_failed: onEvent failed (event evt_1)',
        'ringback receiver: receiver_failed: onProblem failed (event evt_1)',
      ]);
    } finally {
      print.mockRestore();
    }
  });

  it('answers people and probes without alarm', async () => {
    const onRefused = vi.fn<NonNullable<ReceiverOptions['onRefused']>>();
    const { receiver } = start({ onRefused });
    const response = await receiver(new Request(HOOK));
    expect(response.headers.get('allow')).toBe('POST');
    expect(await codeOf(response)).toEqual([405, 'method_not_allowed']);
    expect(onRefused).not.toHaveBeenCalled();
  });

  it('verifies the signatures of a private key', async () => {
    const pair = generateKeyPairSync('ed25519');
    const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' });
    const point = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    const body = Buffer.from('{}');
    const signed = await sign('standardwebhooks_ed25519', { url: HOOK, body, privateKey: pem });
    const headers = new Headers(signed.headers.map(([name, value]) => [name, value]));
    const request = new Request(HOOK, { method: 'POST', body, headers });
    const { receiver } = start({
      secret: undefined,
      publicKey: `whpk_${point.toString('base64')}`,
    });
    expect((await receiver(request.clone())).status).toBe(204);
    headers.set('webhook-id', 'msg_other');
    expect((await receiver(new Request(HOOK, { method: 'POST', body, headers }))).status).toBe(401);
  });
});

describe('the body', () => {
  it('is refused when it says that it is too large, and when it turns out to be', async () => {
    const { receiver, events } = start({ maxBodyBytes: 1_000 });
    const body = 'x'.repeat(1_001);
    const chunks = new Blob([body]).stream();
    const streamed = {
      method: 'POST',
      body: chunks,
      headers: delivery({ body }).headers,
      duplex: 'half' as const,
    };
    const announced = { method: 'POST', body, headers: { 'content-length': '1001' } };
    for (const init of [streamed, announced]) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await codeOf(await receiver(new Request(HOOK, init)))).toEqual([413, 'event_too_large']);
    }
    expect(events).toEqual([]);
  });

  it('read by somebody before is an error that says the fix, in the answer and to the program', async () => {
    const { receiver, problems } = start();
    const request = delivery();
    await request.json();
    const response = await receiver(request);
    expect(response.status).toBe(500);
    expect(await response.text()).toContain('request.clone()');
    expect(problems).toMatchObject([{ code: 'body_consumed' }]);
  });

  it('cut off is no event', async () => {
    const cut = new ReadableStream({
      pull(controller) {
        controller.error(new Error('gone'));
      },
    });
    const { receiver } = start();
    const init = { method: 'POST', body: cut, duplex: 'half' as const };
    expect(await codeOf(await receiver(new Request(HOOK, init)))).toEqual([400, 'body_cut_off']);
  });

  it.each([
    ['an envelope', '{"type":"com.github.issues.opened","timestamp":"2026-01-01T00:00:00Z","data":{"n":1}}'],
    ['the body of somebody else', '{"n":1}'],
  ])('of %s gives its data', async (_what, body) => {
    const { receiver, events } = start();
    await receiver(delivery({ body }));
    expect(events[0]?.data).toEqual({ n: 1 });
    expect(events[0]?.json()).toEqual(JSON.parse(body));
  });

  it('that only looks like an envelope is the data', async () => {
    const { receiver, events } = start();
    const body = { type: 'order', timestamp: '2026-01-01', data: 1 };
    await receiver(delivery({ body: JSON.stringify(body) }));
    expect(events[0]?.data).toEqual(body);
  });

  it('of a structured CloudEvent gives its data and attributes', async () => {
    const { receiver, events } = start();
    const attributes = { specversion: '1.0', id: '7', source: '/shop', type: 'order.paid' };
    const headers = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
    await receiver(delivery({ body: JSON.stringify({ ...attributes, data: { n: 1 } }), headers }));
    expect(events[0]?.data).toEqual({ n: 1 });
    expect(events[0]?.cloudEvent).toEqual(attributes);
  });

  it('of a binary CloudEvent is the data', async () => {
    const { receiver, events } = start();
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': '7',
      'ce-source': '/sh%20op',
      'ce-type': 'order.paid',
    };
    await receiver(delivery({ headers }));
    expect(events[0]?.data).toEqual({ action: 'opened' });
    expect(events[0]?.cloudEvent).toMatchObject({ id: '7', source: '/sh op', type: 'order.paid' });
  });

  it('that is not JSON has no data', async () => {
    const { receiver, events } = start();
    await receiver(delivery({ body: 'plain' }));
    expect(events[0]?.data).toBeUndefined();
    expect(events[0]?.text()).toBe('plain');
  });
});

describe('a store that fails', () => {
  it('before the event makes the sender try again, and nothing is handled', async () => {
    const { receiver, events, problems } = start({ idempotency: broken('claim') });
    const response = await receiver(delivery());
    expect(response.headers.get('retry-after')).toBe('5');
    expect(await codeOf(response)).toEqual([503, 'store_unavailable']);
    expect(events).toEqual([]);
    expect(problems).toMatchObject([{ code: 'store_unavailable', eventId: 'evt_1' }]);
  });

  it('after the event is told, and the event is not asked for again', async () => {
    const { receiver, events, problems } = start({ idempotency: broken('complete') });
    expect((await receiver(delivery())).status).toBe(204);
    expect(events).toHaveLength(1);
    expect(problems).toMatchObject([{ code: 'store_unavailable' }]);
  });
});

describe('a lease', () => {
  it('is renewed while the handler runs, and its loss aborts the signal', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'] });
    try {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const store = memoryStore();
      let taken = false;
      let aborted: AbortSignal | undefined;
      const guarded: IdempotencyStore = {
        ...store,
        extend: async (...lease) => !taken && store.extend(...lease),
      };
      const { receiver } = start({
        idempotency: { store: guarded, leaseMs: 3_000 },
        onEvent: (_event, { signal }) => {
          aborted = signal;
          return promise;
        },
      });
      const answered = receiver(delivery());
      await vi.waitFor(() => expect(aborted).toBeDefined());
      await vi.advanceTimersByTimeAsync(10_000);
      expect(aborted?.aborted).toBe(false);
      expect((await receiver(delivery())).status).toBe(503);
      taken = true;
      await vi.advanceTimersByTimeAsync(1_000);
      expect(aborted?.aborted).toBe(true);
      resolve(undefined);
      expect((await answered).status).toBe(204);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a receiver of a provider', () => {
  it('names events as Ringback would', async () => {
    const { receiver, events } = start({ provider: 'github', secret: 's3cret' });
    expect((await receiver(await github('issues', '{"action":"opened"}'))).status).toBe(204);
    expect(events[0]?.is('com.github.issues.opened')).toBe(true);
    expect(events[0]).toMatchObject({ id: 'd-1', type: 'com.github.issues.opened', attempt: 1 });
  });

  it('answers handshakes, and calls no handler for them', async () => {
    const { receiver, events } = start({ provider: 'slack', secret: 'signing' });
    const body = '{"type":"url_verification","challenge":"c-42"}';
    const signed = await sign('slack', { url: HOOK, body: Buffer.from(body), secrets: ['signing'] });
    const headers = new Headers(signed.headers.map(([name, value]) => [name, value]));
    headers.set('content-type', 'application/json');
    const response = await receiver(new Request(HOOK, { method: 'POST', body, headers }));
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('c-42');
    expect(events).toEqual([]);
  });

  it('has the sender try again while the secret is not known', async () => {
    const { receiver } = start({ provider: 'asana', secret: undefined });
    const response = await receiver(new Request(HOOK, { method: 'POST', body: '{"events":[{}]}' }));
    expect(await codeOf(response)).toEqual([503, 'not_ready']);
  });

  it('keeps the secret that a first question brings, or says how to', async () => {
    const onSecret = vi.fn<(secret: string) => void>();
    const { receiver } = start({ provider: 'asana', secret: undefined, onSecret });
    expect((await receiver(asanaAsks())).headers.get('x-hook-secret')).toBe('told');
    expect(onSecret).toHaveBeenCalledWith('told');
    const { receiver: forgetful, problems } = start({ provider: 'asana', secret: undefined });
    expect((await forgetful(asanaAsks())).status).toBe(500);
    expect(String(problems[0]?.cause)).toContain('onSecret');
  });

  it('without ids tells repeats by the body, for minutes only', async () => {
    const kept: number[] = [];
    const store = memoryStore();
    const watched: IdempotencyStore = {
      ...store,
      complete: async (key, token, keepMs) => {
        kept.push(keepMs);
        return store.complete(key, token, keepMs);
      },
    };
    const source = { provider: 'token', secret: 'shown', config: { headerName: 'x-token' } };
    const { receiver, events } = start({ ...source, idempotency: watched });
    const request = new Request(HOOK, {
      method: 'POST',
      body: '{"n":1}',
      headers: { 'x-token': 'shown' },
    });
    await receiver(request.clone());
    expect((await receiver(request)).status).toBe(200);
    expect(events[0]?.id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(kept).toEqual([300_000]);
  });

  it('verifies the address that the sender knows', async () => {
    const body = Buffer.from('{"n":1}');
    const url = 'https://public.example/hook?a=1';
    const signed = await sign('square', { url, body, secrets: ['key'], config: { notificationUrl: url } });
    const headers = new Headers(signed.headers.map(([name, value]) => [name, value]));
    const behindProxy = (): Request =>
      new Request('http://10.0.0.7:3000/hook?a=1', { method: 'POST', body, headers });
    const source = { provider: 'square', secret: 'key' };
    const { receiver } = start({ ...source, publicUrl: 'https://public.example/' });
    expect((await receiver(behindProxy())).status).toBeLessThan(300);
    const { receiver: unaware } = start(source);
    expect((await unaware(behindProxy())).status).toBeGreaterThanOrEqual(400);
  });

  it('shares a store with others under a name of its own', async () => {
    const idempotency = memoryStore();
    const first = start({ idempotency, name: 'mail' });
    const second = start({ idempotency, name: 'chat' });
    await first.receiver(delivery());
    expect((await second.receiver(delivery())).status).toBe(204);
    expect(second.events).toHaveLength(1);
  });
});

describe('the settings', () => {
  it('are refused when the receiver is made', () => {
    expect(() => start({ secret: undefined })).toThrow(VerifierSettingsError);
    expect(() => start({ secret: 'whsec_not base64!' })).toThrow(/base64/);
    expect(() => start({ provider: 'nobody' })).toThrow(/not known/);
  });

  it('may come with the first request', async () => {
    let secret: string | undefined;
    const { receiver, problems } = start({ secret: () => secret });
    expect((await receiver(delivery())).status).toBe(500);
    expect(String(problems[0]?.cause)).toContain('secret');
    secret = SECRET;
    expect((await receiver(delivery())).status).toBe(204);
  });
});

describe('verify', () => {
  it('takes a Web-standard request and leaves it readable', async () => {
    const request = delivery();
    expect(await verify(request, { secret: SECRET })).toMatchObject({
      ok: true,
      event: { id: 'evt_1', type: 'com.github.issues.opened' },
      covers: 'body',
    });
    expect(await request.json()).toEqual({ action: 'opened' });
  });

  it('takes the parts of a request', async () => {
    const { headers } = delivery();
    const request = { method: 'POST', url: HOOK, headers, body: Buffer.from('{"action":"opened"}') };
    expect(await verify(request, { secret: SECRET })).toMatchObject({ ok: true });
    expect(await verify({ ...request, body: Buffer.from('{}') }, { secret: SECRET })).toEqual({
      ok: false,
      reason: 'bad_signature',
      code: 'signature_mismatch',
    });
  });

  it('says how to mend it when the body was read', async () => {
    const request = delivery();
    await request.text();
    await expect(verify(request, { secret: SECRET })).rejects.toThrow(/clone/);
  });
});
