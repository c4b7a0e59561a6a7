import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiAnswer, GatewayProcess } from './gateway-process.ts';
import { startGatewayProcess } from './gateway-process.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await startGatewayProcess();
});
afterAll(() => gateway.stop());

interface SourceBody {
  readonly id: string;
  readonly url: string;
}

async function source(body: Record<string, unknown>): Promise<SourceBody> {
  const answer = await gateway.api('POST', '/v1/sources', body);
  expect(answer.status).toBe(201);
  return answer.body as SourceBody;
}

function show(id: string): Promise<ApiAnswer> {
  return gateway.api('POST', `/v1/sources/${id}/secrets/0/show`);
}

describe('a secret that the provider hands over', () => {
  test('is learned over the wire, shown once where it is wanted back, and never again', async () => {
    const { id, url } = await source({ name: 'notion', provider: 'notion' });
    const token = 'secret_2c20479af4f458eb064236ae';
    const before = await gateway.api('GET', `/v1/sources/${id}`);
    expect(before.body).toMatchObject({ awaits_secret: true, awaits_secret_until: null, secrets: [] });

    const body = JSON.stringify({ verification_token: token });
    const handshake = await fetch(url, { method: 'POST', body });
    expect(handshake.status).toBe(200);
    const after = await gateway.api('GET', `/v1/sources/${id}`);
    expect(after.body).toMatchObject({ awaits_secret: false, secrets: [{ learned: true, shown_at: null }] });
    expect(JSON.stringify(after.body)).not.toContain(token);

    expect((await show(id)).body).toMatchObject({ secret: token });
    expect(await show(id)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await fetch(url, { method: 'POST', body })).status).toBe(401);

    const event = '{"id":"e1","type":"page.created"}';
    const signature = `sha256=${createHmac('sha256', token).update(event).digest('hex')}`;
    const headers = { 'x-notion-signature': signature };
    const accepted = await fetch(url, { method: 'POST', headers, body: event });
    expect(accepted.status).toBe(202);
    expect(gateway.stdout() + gateway.stderr()).not.toContain(token);
  });

  test('is not shown when the provider does not ask for it, nor awaited from one that hands none over', async () => {
    const asana = await source({ name: 'asana', provider: 'asana' });
    const handshake = await fetch(asana.url, {
      method: 'POST',
      headers: { 'X-Hook-Secret': 'abc' },
      body: '{}',
    });
    expect(handshake.headers.get('x-hook-secret')).toBe('abc');
    expect(await show(asana.id)).toMatchObject({ status: 409 });
    const waits = await gateway.api('POST', `/v1/sources/${asana.id}/await-secret`, { for: '5m' });
    expect(waits.body).toMatchObject({ awaits_secret: true });
    const github = await source({ name: 'github', provider: 'github', secrets: ['long-enough-secret'] });
    expect(await gateway.api('POST', `/v1/sources/${github.id}/await-secret`)).toMatchObject({ status: 409 });
  });
});

describe('questions about the URL', () => {
  test('CloudEvents: consent is given by OPTIONS, at the rate that the source takes', async () => {
    const { url } = await source({
      name: 'cloudevents',
      provider: 'cloudevents',
      secrets: ['token-1'],
      rate_limit: { limit: 10, period: '5s' },
      config: { allowed_origin: 'eventemitter.example.com' },
    });
    const ask = (origin: string) =>
      fetch(url, {
        method: 'OPTIONS',
        headers: {
          'WebHook-Request-Origin': origin,
          'WebHook-Request-Rate': '1000',
          'WebHook-Request-Callback': `${gateway.url}/healthz`,
        },
      });
    const granted = await ask('eventemitter.example.com');
    expect(granted.status).toBe(200);
    expect(Object.fromEntries(granted.headers)).toMatchObject({
      allow: 'POST',
      'webhook-allowed-origin': 'eventemitter.example.com',
      'webhook-allowed-rate': '120',
    });
    const other = await ask('evil.example');
    expect([other.status, other.headers.get('webhook-allowed-origin')]).toEqual([403, null]);
    const headers = { authorization: 'Bearer token-1', 'ce-id': '1', 'ce-source': '/a', 'ce-type': 'a.b' };
    expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(202);
  });

  test('WebSub: a hub hears yes to our topic, and no to another, a longer lease or an end', async () => {
    const topic = 'https://blog.example.com/feed?a=1&b=2';
    const secret = 'secret-told-to-the-hub';
    const config = { topic, lease_seconds: '86400' };
    const { url } = await source({ name: 'feed', provider: 'websub', secrets: [secret], config });
    const ask = (mode: string, about: string, lease: string) =>
      fetch(
        `${url}?${new URLSearchParams({ 'hub.mode': mode, 'hub.topic': about, 'hub.challenge': 'abc', 'hub.lease_seconds': lease }).toString()}`,
      );
    const yes = await ask('subscribe', topic, '86400');
    expect([yes.status, await yes.text()]).toEqual([200, 'abc']);
    expect((await ask('subscribe', 'https://evil.example/', '60')).status).toBe(404);
    expect((await ask('subscribe', topic, '86401')).status).toBe(404);
    expect((await ask('unsubscribe', topic, '60')).status).toBe(404);
    const signature = `sha512=${createHmac('sha512', secret).update('<feed/>').digest('hex')}`;
    const content = await fetch(url, {
      method: 'POST',
      headers: { 'x-hub-signature': signature },
      body: '<feed/>',
    });
    expect(content.status).toBe(202);
    const without = await gateway.api('POST', '/v1/sources', {
      name: 'f',
      provider: 'websub',
      secrets: [secret],
    });
    expect(without).toMatchObject({ status: 422, body: { errors: [{ pointer: '/config/topic' }] } });
  });

  test('MCP Events: a signed challenge comes back, an unsigned one does not', async () => {
    const key = Buffer.alloc(32, 7);
    const secrets = [`whsec_${key.toString('base64')}`];
    const { url } = await source({ name: 'mcp', provider: 'mcp-events', secrets });
    const body = '{"type":"verification","challenge":"Zm9v"}';
    const timestamp = String(Math.floor(Date.now() / 1000));
    const mac = createHmac('sha256', key).update(`msg_1.${timestamp}.${body}`).digest('base64');
    const ask = (signature: string) =>
      fetch(url, {
        method: 'POST',
        headers: { 'webhook-id': 'msg_1', 'webhook-timestamp': timestamp, 'webhook-signature': signature },
        body,
      });
    const echoed = await ask(`v1,${mac}`);
    expect([echoed.status, await echoed.json()]).toEqual([200, { challenge: 'Zm9v' }]);
    expect((await ask(`v1,${Buffer.alloc(32).toString('base64')}`)).status).toBe(401);
  });

  test('a HEAD request is answered without a body', async () => {
    const { url } = await source({ name: 'trello', provider: 'trello', secrets: ['app-secret'] });
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  });
});

describe('a secret that is pasted', () => {
  test('may have white space around it', async () => {
    const { url } = await source({ name: 'spaces', provider: 'github', secrets: [' my-github-secret\n'] });
    const signature = `sha256=${createHmac('sha256', 'my-github-secret').update('{}').digest('hex')}`;
    const headers = { 'x-hub-signature-256': signature, 'x-github-event': 'ping' };
    expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(202);
  });

  test.each([
    ['stripe', 'abcdef', 'begins with whsec_'],
    ['github', 'github_pat_11AABB', 'an access token'],
    ['github', 'two\nlines', 'in one line'],
  ])('and is refused when it cannot be right: %s %j', async (provider, secret, why) => {
    const body = { name: 'wrong', provider, secrets: [secret] };
    expect(await gateway.api('POST', '/v1/sources', body)).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/secrets/0', message: expect.stringContaining(why) }] },
    });
    const { id } = await source({ name: `right-${provider}-${why}`, provider, secrets: ['whsec_right'] });
    expect(await gateway.api('POST', `/v1/sources/${id}/secrets`, { secret })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/secret', message: expect.stringContaining(why) }] },
    });
  });
});
