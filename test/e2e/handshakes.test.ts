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
