import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createDestination, freshName, type ProblemView, publish, settled, subscribe } from './arrange.ts';
import { type ApiAnswer, type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { startConnectProxy } from './receivers/connect-proxy.ts';
import { LOCALHOST, OTHER_LOCALHOST, TEST_AUTHORITY } from './receivers/test-authority.ts';
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
