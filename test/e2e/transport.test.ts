import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  createDestination,
  freshName,
  type ListView,
  ok,
  type ProblemView,
  publish,
  settled,
  subscribe,
} from './arrange.ts';
import { type ApiAnswer, type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { startConnectProxy } from './receivers/connect-proxy.ts';
import { startMutualTlsReceiver } from './receivers/mutual-tls.ts';
import {
  CLIENT_A,
  CLIENT_B,
  LOCALHOST,
  OTHER_LOCALHOST,
  TEST_AUTHORITY,
} from './receivers/test-authority.ts';
import { startReceiver } from './receiving.ts';

const directory = mkdtempSync(join(tmpdir(), 'ringback-transport-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const KEY = 'a-long-enough-random-text';

interface SecureAnswer {
  readonly status: number;
  readonly body: string;
  /** The server's certificate. */
  readonly certificate: string;
}

/** `fetch` cannot be told to trust a test's authority. */
function secureGet(url: string): Promise<SecureAnswer> {
  return new Promise((resolve, reject) => {
    const options = { ca: TEST_AUTHORITY, agent: false, headers: { authorization: `Bearer ${KEY}` } };
    const asked = request(url, options, (response) => {
      const { raw } = (response.socket as TLSSocket).getPeerCertificate();
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => {
        const certificate = new X509Certificate(raw).toString();
        resolve({ status: response.statusCode ?? 0, body, certificate });
      });
    });
    asked.on('error', reject).end();
  });
}

describe('a gateway with a certificate', () => {
  const paths = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') };
  const write = ({ cert, key }: { cert: string; key: string }): void => {
    writeFileSync(paths.cert, cert);
    writeFileSync(paths.key, key);
  };
  let gateway: GatewayProcess;

  beforeAll(async () => {
    write(LOCALHOST);
    gateway = await startGatewayProcess({
      // Production listens beyond loopback: with TLS it may.
      args: ['start', '--tls-cert', paths.cert, '--tls-key', paths.key],
      env: { RINGBACK_API_KEY: KEY },
    });
  });
  afterAll(async () => {
    expect(await gateway.stop()).toBe(0);
  });

  const served = async (): Promise<string> => (await secureGet(`${gateway.url}/healthz`)).certificate;

  test('serves https, and hands out https ingest URLs', async () => {
    expect(gateway.url).toMatch(/^https:/);
    expect(await secureGet(`${gateway.url}/readyz`)).toMatchObject({ status: 200 });
    expect(await secureGet(`${gateway.url}/v1/sources`)).toMatchObject({ status: 200 });
    await expect(fetch(gateway.url.replace('https', 'http'))).rejects.toThrow('fetch failed');
  });

  test('takes a renewed certificate without a restart, and keeps it when the next one is broken', async () => {
    expect(await served()).toBe(LOCALHOST.cert);
    write(OTHER_LOCALHOST);
    await vi.waitFor(async () => expect(await served()).toBe(OTHER_LOCALHOST.cert), { timeout: 10_000 });
    write({ cert: LOCALHOST.cert, key: 'half a k' });
    await vi.waitFor(() => expect(gateway.stdout()).toContain('certificate.refused'), { timeout: 10_000 });
    expect(await served()).toBe(OTHER_LOCALHOST.cert);
    write(LOCALHOST);
    await vi.waitFor(async () => expect(await served()).toBe(LOCALHOST.cert), { timeout: 10_000 });
  });
});

test('production refuses plain http beyond loopback', async () => {
  const started = startGatewayProcess({ args: ['start'], env: { RINGBACK_API_KEY: KEY } });
  await expect(started).rejects.toThrow(/host: events and keys would travel as plain text/);
});

test('a certificate that does not fit its key stops the start, with the reason', async () => {
  const paths = { cert: join(directory, 'wrong.crt'), key: join(directory, 'wrong.key') };
  writeFileSync(paths.cert, LOCALHOST.cert);
  writeFileSync(paths.key, OTHER_LOCALHOST.key);
  const started = startGatewayProcess({ args: ['dev', '--tls-cert', paths.cert, '--tls-key', paths.key] });
  await expect(started).rejects.toThrow(/is not that of the first certificate/);
});

async function refused(answer: Promise<ApiAnswer>, status = 422): Promise<ProblemView> {
  const { status: got, body } = await answer;
  expect({ got, body }).toMatchObject({ got: status });
  return body as ProblemView;
}

describe('what destinations may be at', () => {
  test('plain http is refused where it is not allowed: when one is made, and when an older one is delivered to', async () => {
    const dataDir = join(directory, 'http');
    mkdirSync(dataDir);
    const receiver = await startReceiver();
    const lax = await startGatewayProcess({ dataDir });
    const { id } = await createDestination(lax, { url: receiver.url });
    await subscribe(lax, { destination_id: id });
    await lax.stop();
    const strict = await startGatewayProcess({ dataDir, env: { RINGBACK_ALLOW_HTTP_DESTINATIONS: 'false' } });
    try {
      const made = strict.api('POST', '/v1/destinations', { name: freshName('d'), url: receiver.url });
      expect((await refused(made)).errors).toEqual([
        { pointer: '/url', message: expect.stringContaining('must be an https URL') as string },
      ]);
      const accepted = await publish(strict, { type: 'a.b' });
      const delivery = await settled(strict, accepted.id, ({ attempts }) => attempts.length > 0);
      expect(delivery.attempts[0]).toMatchObject({ outcome: 'retryable', error: 'https_required' });
      expect(receiver.received).toEqual([]);
    } finally {
      await strict.stop();
      await receiver.close();
    }
  });

  test('hosts that are denied, and those that are not on the list, are refused', async () => {
    const gateway = await startGatewayProcess({
      env: { RINGBACK_ALLOW_HOSTS: '*.example.com', RINGBACK_DENY_HOSTS: 'bad.example.com' },
    });
    try {
      for (const [host, why] of [
        ['bad.example.com', 'bad.example.com is on the deny-list'],
        ['example.org', 'example.org is not on the allow-list'],
      ]) {
        const made = gateway.api('POST', '/v1/destinations', {
          name: freshName('d'),
          url: `https://${host}/`,
        });
        // oxlint-disable-next-line no-await-in-loop
        expect((await refused(made)).errors).toEqual([{ pointer: '/url', message: why }]);
      }
      await createDestination(gateway, { url: 'https://good.example.com/' });
    } finally {
      await gateway.stop();
    }
  });
});

test('deliveries go through the outbound proxy, whose password no log line shows', async () => {
  const proxy = await startConnectProxy();
  const receiver = await startReceiver();
  const gateway = await startGatewayProcess({
    env: { RINGBACK_OUTBOUND_PROXY: `http://me:hush@127.0.0.1:${proxy.port}`, RINGBACK_LOG_LEVEL: 'debug' },
  });
  try {
    const { id } = await createDestination(gateway, { url: receiver.url });
    await subscribe(gateway, { destination_id: id });
    await publish(gateway, { type: 'a.b' });
    await receiver.count(1);
    expect(proxy.asked).toEqual([
      { authority: new URL(receiver.url).host, authorization: `Basic ${btoa('me:hush')}` },
    ]);
    expect(gateway.stdout() + gateway.stderr()).not.toContain('hush');
  } finally {
    await gateway.stop();
    await receiver.close();
    await proxy.close();
  }
});

describe('a destination with OAuth2', () => {
  test('gets a token by client credentials, a new one after a 401, and no secret comes back or is logged', async () => {
    let given = 0;
    const authority = await startReceiver((_request, response) => {
      given += 1;
      response.end(JSON.stringify({ access_token: `t-${given}`, token_type: 'bearer', expires_in: 3600 }));
    });
    const receiver = await startReceiver(({ headers }, response) => {
      response.writeHead(headers.authorization === 'Bearer t-1' ? 401 : 200).end();
    });
    const gateway = await startGatewayProcess({ env: { RINGBACK_LOG_LEVEL: 'debug' } });
    try {
      const auth = { type: 'oauth2', token_url: authority.url, client_id: 'me', client_secret: 'hush-hush' };
      const made = await createDestination(gateway, { url: receiver.url, auth: { ...auth, scope: 'hooks' } });
      const { client_secret: _, ...shown } = auth;
      expect(made).toMatchObject({ auth: { ...shown, scope: 'hooks', audience: null } });
      await subscribe(gateway, {
        destination_id: made.id,
        retry: { max_attempts: 3, schedule: ['100ms'], jitter: 0 },
      });
      const { id } = await publish(gateway, { type: 'a.b' });
      const delivery = await settled(gateway, id);
      expect(delivery.attempts.map(({ status }) => status)).toEqual([401, 200]);
      expect(authority.received.map(({ body }) => body.toString())).toEqual([
        'grant_type=client_credentials&scope=hooks',
        'grant_type=client_credentials&scope=hooks',
      ]);

      authority.answer = (_request, response) => response.writeHead(401).end('{"error":"invalid_client"}');
      const changed = { auth: { ...auth, client_secret: 'hush-hush-2' } };
      expect((await gateway.api('PATCH', `/v1/destinations/${made.id}`, changed)).status).toBe(200);
      const { id: failing } = await publish(gateway, { type: 'a.b' });
      const failed = await settled(gateway, failing, ({ attempts }) => attempts.length > 0);
      expect(failed.attempts[0]).toMatchObject({
        outcome: 'retryable',
        error: 'auth_failed',
        response_body: 'the token server answered 401 invalid_client',
      });

      const shownAll = JSON.stringify((await gateway.api('GET', '/v1/destinations')).body);
      expect(`${shownAll}${gateway.stdout()}${gateway.stderr()}`).not.toMatch(/hush|Bearer t-/);
      const forbidden = gateway.api('PATCH', `/v1/destinations/${made.id}`, {
        auth: { ...auth, token_url: 'http://10.0.0.1/token' },
      });
      expect((await refused(forbidden)).errors).toEqual([
        { pointer: '/auth/token_url', message: '10.0.0.1 is private' },
      ]);
    } finally {
      await gateway.stop();
      await authority.close();
      await receiver.close();
    }
  });
});

describe('destinations with client certificates', () => {
  test('of one host prove who they are, each on connections of its own; the key lies sealed', async () => {
    const receiver = await startMutualTlsReceiver();
    const gateway = await startGatewayProcess();
    const tls = { client_cert: CLIENT_A.cert, client_key: CLIENT_A.key, ca: TEST_AUTHORITY };
    try {
      const first = await createDestination(gateway, { url: receiver.url, tls });
      expect(first).toMatchObject({
        tls: {
          client_cert: {
            fingerprint_sha256: new X509Certificate(CLIENT_A.cert).fingerprint256,
            expires_at: '2120-01-01T00:00:00.000Z',
          },
          ca: TEST_AUTHORITY,
        },
      });
      const second = await createDestination(gateway, {
        url: receiver.url,
        tls: { ...tls, client_cert: CLIENT_B.cert, client_key: CLIENT_B.key },
      });
      const nobody = await createDestination(gateway, { url: receiver.url, tls: { ca: TEST_AUTHORITY } });
      const tryOut = (id: string): Promise<ApiAnswer> =>
        gateway.api('POST', `/v1/destinations/${id}/test`, {});
      for (let round = 0; round < 2; round += 1) {
        expect((await tryOut(first.id)).body).toMatchObject({ status: 200, response_body: 'client-a' });
        expect((await tryOut(second.id)).body).toMatchObject({ status: 200, response_body: 'client-b' });
        expect((await tryOut(nobody.id)).body).toMatchObject({ status: null, outcome: 'retryable' });
      }
      expect(receiver.identities()).toEqual(['client-a', 'client-b']);
      const kept = readFileSync(join(gateway.dataDir, 'ringback.db'), 'latin1');
      const wal = readFileSync(join(gateway.dataDir, 'ringback.db-wal'), 'latin1');
      const secret = CLIENT_A.key.split('\n')[1] ?? '';
      expect(`${kept}${wal}${gateway.stdout()}`.includes(secret)).toBe(false);
      expect(`${kept}${wal}`).toContain(first.id);
    } finally {
      await gateway.stop();
      await receiver.close();
    }
  });

  test('are refused with what is wrong', async () => {
    const gateway = await startGatewayProcess();
    const post = (url: string, tls: unknown): Promise<ProblemView> =>
      refused(gateway.api('POST', '/v1/destinations', { name: freshName('d'), url, tls }));
    const pair = { client_cert: CLIENT_A.cert, client_key: CLIENT_A.key };
    const url = 'https://hook.example/';
    try {
      expect((await post(url, { ...pair, client_key: CLIENT_B.key })).errors).toEqual([
        { pointer: '/tls/client_key', message: 'is not the key of the first certificate' },
      ]);
      expect((await post(url, { client_cert: CLIENT_A.cert })).errors).toEqual([
        { pointer: '/tls/client_key', message: 'is required with client_cert' },
      ]);
      expect((await post('http://127.0.0.1:1/', pair)).errors).toEqual([
        { pointer: '/tls', message: 'is of use only with an https url' },
      ]);
    } finally {
      await gateway.stop();
    }
  });
});

describe('API keys', () => {
  let gateway: GatewayProcess;
  const directoryOfKeys = join(directory, 'keys');

  beforeAll(async () => {
    mkdirSync(directoryOfKeys);
    gateway = await startGatewayProcess({ dataDir: directoryOfKeys });
  });
  afterAll(() => gateway.stop());

  interface KeyView {
    readonly id: string;
    readonly key: string;
    readonly hint: string;
    readonly last_used_at: string | null;
  }

  const createKey = (fields: unknown): Promise<KeyView> => ok(gateway.api('POST', '/v1/keys', fields));
  const statusWith = async (key: string, path = '/v1/sources'): Promise<number> =>
    (await fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${key}` } })).status;

  test('rotate: the old text is accepted until its grace time ends, and never after', async () => {
    const { id, key: old, hint } = await createKey({ name: 'rotated', scopes: ['read'] });
    const rotated = await ok<KeyView>(gateway.api('POST', `/v1/keys/${id}/rotate`, { grace: '1h' }));
    expect(rotated).toMatchObject({ id, previous: [{ hint }] });
    expect([await statusWith(old), await statusWith(rotated.key)]).toEqual([200, 200]);
    const again = await ok<KeyView>(gateway.api('POST', `/v1/keys/${id}/rotate`, { grace: '0s' }));
    expect(again).toMatchObject({ previous: [] });
    expect(await Promise.all([old, rotated.key, again.key].map((key) => statusWith(key)))).toEqual([
      401, 401, 200,
    ]);
    await gateway.api('DELETE', `/v1/keys/${id}`);
    expect(await statusWith(again.key)).toBe(401);
  });

  test('can be changed: name, scopes and expiry', async () => {
    const { id, key } = await createKey({ name: 'changed', scopes: ['read'] });
    expect(await statusWith(key, '/v1/keys')).toBe(403);
    const change = { name: 'changed again', scopes: ['admin'], expires_at: '2099-01-01T00:00:00Z' };
    const changed = await ok(gateway.api('PATCH', `/v1/keys/${id}`, change));
    expect(changed).toMatchObject({ ...change, expires_at: '2099-01-01T00:00:00.000Z' });
    expect(await statusWith(key, '/v1/keys')).toBe(200);
    await ok(gateway.api('PATCH', `/v1/keys/${id}`, { expires_at: '2001-01-01T00:00:00Z' }));
    expect(await statusWith(key)).toBe(401);
    expect(await ok(gateway.api('PATCH', `/v1/keys/${id}`, { expires_at: null }))).toMatchObject({
      expires_at: null,
    });
    expect(await statusWith(key)).toBe(200);
  });

  test('bound to a tenant cannot touch those that are not', async () => {
    const wide = await createKey({ name: 'wide', scopes: ['admin'] });
    const { key } = await createKey({ name: 'bound', scopes: ['admin'], tenant: 'default' });
    const headers = { authorization: `Bearer ${key}` };
    await refused(gateway.api('POST', `/v1/keys/${wide.id}/rotate`, {}, headers), 404);
    await refused(gateway.api('PATCH', `/v1/keys/${wide.id}`, { name: 'mine' }, headers), 404);
  });

  test('show when they were last used, also after a restart', async () => {
    const { id, key } = await createKey({ name: 'used', scopes: ['read'] });
    const lastUse = async (): Promise<string | null | undefined> => {
      const { data } = await ok<ListView<KeyView>>(gateway.api('GET', '/v1/keys'));
      return data.find((one) => one.id === id)?.last_used_at;
    };
    expect(await lastUse()).toBeNull();
    const before = Date.now();
    await statusWith(key);
    const used = await lastUse();
    expect(Date.parse(used ?? '')).toBeGreaterThanOrEqual(before - 5);
    await gateway.stop();
    gateway = await startGatewayProcess({ dataDir: directoryOfKeys });
    expect(await lastUse()).toBe(used);
  });

  test('that are wrong answer later and later, then 429; a right one is never slowed', async () => {
    const tried: { status: number; ms: number; retryAfter: string | null }[] = [];
    const attempt = async (): Promise<void> => {
      const startedMs = performance.now();
      const { status, headers } = await gateway.api('GET', '/v1/sources', undefined, {
        authorization: 'Bearer rb_wrong',
      });
      const ms = performance.now() - startedMs;
      tried.push({ status, ms, retryAfter: headers.get('retry-after') });
    };
    // oxlint-disable-next-line no-await-in-loop
    for (let time = 0; time < 7; time += 1) await attempt();
    expect(tried.map(({ status }) => status)).toEqual(Array.from({ length: 7 }, () => 401));
    expect(tried[6]?.ms).toBeGreaterThan(190);
    const startedMs = performance.now();
    const flood = Array.from({ length: 30 }, () => attempt());
    expect((await gateway.api('GET', '/v1/sources')).status).toBe(200);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    await Promise.all(flood);
    const limited = tried.find(({ status }) => status === 429);
    expect(Number(limited?.retryAfter)).toBeGreaterThan(50);
    expect(gateway.stdout()).toContain('authentication.slowed');
    expect((await gateway.api('GET', '/v1/sources')).status).toBe(200);
  });
});

test('the key for secrets at rest is rotated, and deliveries are still signed after a kill', async () => {
  const dataDir = join(directory, 'rotation');
  mkdirSync(dataDir);
  const receiver = await startReceiver();
  let gateway = await startGatewayProcess({ dataDir });
  const rotate = (body: unknown): Promise<unknown> =>
    ok(gateway.api('POST', '/v1/keys/rotate-encryption', body));
  try {
    const { id, secret } = await createDestination(gateway, { url: receiver.url });
    await subscribe(gateway, { destination_id: id });
    const keyFile = (): string[] => readFileSync(join(dataDir, 'secret.key'), 'utf8').trim().split('\n');
    const [old] = keyFile();
    expect(await rotate({})).toMatchObject({ new_key: true, resealed_secrets: 1, keys: 2, unreadable: [] });
    expect(keyFile()).toEqual([expect.not.stringContaining(old ?? ''), old]);
    expect(await rotate({ remove_old_keys: true })).toMatchObject({ new_key: false, removed_keys: 1 });
    await gateway.kill();
    gateway = await startGatewayProcess({ dataDir });
    await publish(gateway, { type: 'a.b' });
    const [received] = await receiver.count(1);
    const headers = Object.fromEntries(
      Object.entries(received?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    );
    expect(new Webhook(secret).verify(String(received?.body), headers)).toBeDefined();
  } finally {
    await gateway.stop();
    await receiver.close();
  }
});
