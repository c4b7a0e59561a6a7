import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { TEST_PRIVATE_KEY } from '../../test/e2e/receivers/tls-fixture.ts';
import { type MutualTlsReceiver, startMutualTlsReceiver } from '../../test/e2e/receivers/mutual-tls.ts';
import { CLIENT_A, CLIENT_B, TEST_AUTHORITY } from '../../test/e2e/receivers/test-authority.ts';
import type { SendResult } from '../domain/outcome.ts';
import type { TlsIdentity } from '../ports/sender.ts';
import { AddressGuard } from './address-guard.ts';
import { HttpSender } from './http-sender.ts';
import { tlsIdentities } from './tls-identities.ts';

const A: TlsIdentity = { ...CLIENT_A, ca: TEST_AUTHORITY };
const B: TlsIdentity = { ...CLIENT_B, ca: TEST_AUTHORITY };

describe('examining', () => {
  test('a pair gives its fingerprint and its end; authorities alone give neither', () => {
    expect(tlsIdentities.examine(A)).toEqual({
      ok: true,
      fingerprint: expect.stringMatching(/^([\dA-F]{2}:){31}[\dA-F]{2}$/) as string,
      expiresAt: Date.UTC(2120, 0, 1),
    });
    expect(tlsIdentities.examine({ cert: null, key: null, ca: TEST_AUTHORITY })).toEqual({
      ok: true,
      fingerprint: null,
      expiresAt: null,
    });
  });

  test.each([
    [{ cert: 'x' }, 'client_cert', 'is not a PEM certificate'],
    [{ key: 'x' }, 'client_key', 'is not a PEM private key without a passphrase'],
    [{ key: TEST_PRIVATE_KEY }, 'client_key', 'is not the key of the first certificate'],
    [{ ca: 'x' }, 'ca', 'is not a PEM certificate'],
  ])('%o is wrong in %s', (more, field, message) => {
    expect(tlsIdentities.examine({ ...A, ...more })).toEqual({ ok: false, field, message });
  });
});

describe('connections', () => {
  let receiver: MutualTlsReceiver;
  let sender: HttpSender;

  beforeEach(async () => {
    receiver = await startMutualTlsReceiver();
    sender = new HttpSender({
      addressGuard: new AddressGuard({ allowPrivate: ['127.0.0.1'] }),
      ca: TEST_AUTHORITY,
    });
  });
  afterEach(async () => {
    await sender.close();
    await receiver.close();
  });

  function send(tls?: TlsIdentity): Promise<SendResult> {
    const request = { url: receiver.url, headers: [], body: Buffer.from('{}'), timeoutMs: 2_000 };
    return sender.send(tls === undefined ? request : { ...request, tls });
  }

  test('are kept for their identity, and nobody else is sent over them', async () => {
    expect(await send(A)).toMatchObject({ status: 200, body: 'client-a' });
    expect(await send(B)).toMatchObject({ status: 200, body: 'client-b' });
    expect(await send({ ...A })).toMatchObject({ status: 200, body: 'client-a' });
    expect(await send()).toMatchObject({ status: null });
    expect(await send({ cert: null, key: null, ca: TEST_AUTHORITY })).toMatchObject({ status: null });
    expect(await send(B)).toMatchObject({ status: 200, body: 'client-b' });
    expect(receiver.identities()).toEqual(['client-a', 'client-b']);
  });

  test("trust only the identity's authorities when it names some", async () => {
    expect(await send({ ...CLIENT_A, ca: CLIENT_B.cert })).toMatchObject({
      status: null,
      error: 'tls_error',
    });
    expect(await send({ ...CLIENT_A, ca: null })).toMatchObject({ status: 200 });
  });

  test('with what cannot be used are tls_error', async () => {
    expect(await send({ ...A, key: 'x' })).toMatchObject({ status: null, error: 'tls_error' });
  });
});
