import { createPublicKey, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROBLEMS } from '../../src/domain/problem.ts';
import { createDestination, ok, publish, subscribe } from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type Received, type Receiver, startReceiver } from './receiving.ts';

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

describe('the page that a problem leads to', () => {
  test('explains it, for people and for programs, without a key', async () => {
    const refused = (await (await fetch(`${gateway.url}/v1/events`)).json()) as {
      type: string;
      code: string;
    };
    const target = new URL(refused.type, gateway.url);
    const asPerson = await fetch(target, { headers: { accept: 'text/html,*/*' } });
    expect(asPerson.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(asPerson.headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
    expect(await asPerson.text()).toContain(`<h2 id="${target.hash.slice(1)}">${refused.code}</h2>`);
    const asProgram = await fetch(`${gateway.url}/docs/errors/${refused.code}`);
    expect(asProgram.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await asProgram.text()).toMatch(/^credentials_missing\n {2}An API key is required\. Status 401/);
  });

  test('has every code of the registry, and no other', async () => {
    const all = await (await fetch(`${gateway.url}/docs/errors`)).text();
    expect(all.match(/^\w+$/gm)).toEqual(Object.keys(PROBLEMS));
    const none = await fetch(`${gateway.url}/docs/errors/%3Cscript%3E`);
    expect([none.status, none.headers.get('content-type')]).toEqual([
      404,
      'application/problem+json; charset=utf-8',
    ]);
    expect((await fetch(`${gateway.url}/docs/errors/constructor`)).status).toBe(404);
  });
});

interface Shown {
  readonly signing: { readonly secrets: readonly { readonly public_key: string | null }[] };
}

interface Jwks {
  readonly keys: readonly { readonly kid: string; readonly x: string }[];
}

function isSignedWith(request: Received, jwk: Jwks['keys'][number]): boolean {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: jwk.x }, format: 'jwk' });
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signatures } = request.headers;
  const content = Buffer.concat([Buffer.from(`${String(id)}.${String(at)}.`), request.body]);
  return String(signatures)
    .split(' ')
    .some((one) => verify(null, content, key, Buffer.from(one.slice('v1a,'.length), 'base64')));
}

describe('a destination that signs with a private key', () => {
  test('shows its public keys, and serves them as a JWK set to whoever has no API key', async () => {
    const signing = { scheme: 'standard-ed25519' };
    const { id } = await createDestination(gateway, { url: receiver.url, signing });
    await subscribe(gateway, { destination_id: id, types: ['signed.one'] });
    const jwks = async () => (await (await fetch(`${gateway.url}/.well-known/jwks/${id}`)).json()) as Jwks;
    const before = await jwks();
    await ok(gateway.api('POST', `/v1/destinations/${id}/rotate-secret`));
    const after = await jwks();
    expect(after.keys.map(({ x }) => x)).toEqual([expect.any(String), before.keys[0]?.x]);
    const shown = await ok<Shown>(gateway.api('GET', `/v1/destinations/${id}`));
    expect(shown.signing.secrets.map(({ public_key: key }) => key)).toEqual(
      after.keys.map(({ x }) => `whpk_${Buffer.from(x, 'base64url').toString('base64')}`),
    );
    await publish(gateway, { type: 'signed.one' });
    const [request] = await receiver.count(1);
    expect(after.keys.map((key) => isSignedWith(request as Received, key))).toEqual([true, true]);
    expect(JSON.stringify([shown, after])).not.toMatch(/whsk_|"d"/);
  });

  test('and no other has keys to show', async () => {
    const { id } = await createDestination(gateway, { url: receiver.url });
    const shown = await ok<Shown>(gateway.api('GET', `/v1/destinations/${id}`));
    expect(shown.signing.secrets.map(({ public_key: key }) => key)).toEqual([null]);
    for (const other of [id, 'dst_none', '..%2f..']) {
      expect((await fetch(`${gateway.url}/.well-known/jwks/${other}`)).status).toBe(404);
    }
  });
});
