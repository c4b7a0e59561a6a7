import { createPublicKey, verify } from 'node:crypto';

import * as fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';

import { StandardWebhookSigner } from './webhook-signer.ts';

const signer = new StandardWebhookSigner();

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}

function bytes(count: number): string {
  return Buffer.alloc(count, 7).toString('base64');
}

function verifyEd25519(publicKey: string, content: Uint8Array, signature: string): boolean {
  const header = Buffer.from('302a300506032b6570032100', 'hex');
  const key = createPublicKey({
    key: Buffer.concat([header, Buffer.from(publicKey.slice('whpk_'.length), 'base64')]),
    format: 'der',
    type: 'spki',
  });
  return verify(null, content, key, Buffer.from(signature.slice('v1a,'.length), 'base64'));
}

describe('HMAC-SHA256', () => {
  test('the published example verifies', () => {
    // Example of the reference implementations: https://github.com/standard-webhooks/standard-webhooks
    const signature = signer.sign(
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1614265330,
      Buffer.from('{"test": 2432232314}'),
      ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    );
    expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  test('the reference library accepts every signature of a generated secret', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9_]{1,40}$/), fc.json(), (id, body) => {
        const secret = signer.generate('standard');
        const timestampS = nowS();
        const headers = {
          'webhook-id': id,
          'webhook-timestamp': String(timestampS),
          'webhook-signature': signer.sign(id, timestampS, Buffer.from(body), [secret]),
        };
        new Webhook(secret).verify(body, headers);
      }),
    );
  });

  test('each of several secrets verifies, in the order given', () => {
    const secrets = [signer.generate('standard'), signer.generate('standard')];
    const timestampS = nowS();
    const signatures = signer.sign('evt_1', timestampS, Buffer.from('{}'), secrets);
    expect(signatures.split(' ')).toEqual(
      secrets.map((secret) => signer.sign('evt_1', timestampS, Buffer.from('{}'), [secret])),
    );
    for (const secret of secrets) {
      new Webhook(secret).verify('{}', {
        'webhook-id': 'evt_1',
        'webhook-timestamp': String(timestampS),
        'webhook-signature': signatures,
      });
    }
  });

  test('bytes that are not UTF-8 are signed as they are', () => {
    const secret = signer.generate('standard');
    const signatures = [[0xff], [0xfe], [0xef, 0xbf, 0xbd]].map((body) =>
      signer.sign('evt_1', 1, Uint8Array.from(body), [secret]),
    );
    expect(new Set(signatures).size).toBe(3);
  });
});

describe('ed25519', () => {
  test('node:crypto verifies with the published public key', () => {
    const secret = signer.generate('standard-ed25519');
    const body = Uint8Array.from([0xff, 0x00, 0x7b]);
    const signature = signer.sign('evt_1', 1_674_087_231, body, [secret]);
    expect(signature).toMatch(/^v1a,[A-Za-z0-9+/]{86}==$/);
    const content = Buffer.concat([Buffer.from('evt_1.1674087231.'), body]);
    expect(verifyEd25519(signer.publicKey(secret), content, signature)).toBe(true);
    expect(verifyEd25519(signer.publicKey(secret), Buffer.concat([content, body]), signature)).toBe(false);
  });

  test('RFC 8032 test 1: the seed alone and the seed with its public key are the same key', () => {
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
    const published = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex');
    const short = `whsk_${seed.toString('base64')}`;
    const long = `whsk_${Buffer.concat([seed, published]).toString('base64')}`;
    expect(signer.check('standard-ed25519', short)).toBeNull();
    expect(signer.check('standard-ed25519', long)).toBeNull();
    expect(signer.publicKey(short)).toBe(`whpk_${published.toString('base64')}`);
    expect(signer.sign('a', 1, seed, [short])).toBe(signer.sign('a', 1, seed, [long]));
  });

  test('signs beside an HMAC secret during a change of scheme', () => {
    const secrets = [signer.generate('standard-ed25519'), signer.generate('standard')];
    expect(signer.sign('evt_1', 1, Buffer.from('{}'), secrets)).toMatch(/^v1a,\S+ v1,\S+$/);
  });
});

describe('check', () => {
  test.each([
    ['standard', signer.generate('standard'), null],
    ['standard', `whsec_${bytes(24)}`, null],
    ['standard', `whsec_${bytes(64)}`, null],
    ['standard', `whsec_${bytes(23)}`, 'must hold 24 to 64 bytes, holds 23'],
    ['standard', `whsec_${bytes(65)}`, 'must hold 24 to 64 bytes, holds 65'],
    ['standard', 'whsec_', 'must hold 24 to 64 bytes, holds 0'],
    ['standard', bytes(32), 'must start with whsec_'],
    ['standard', signer.generate('standard-ed25519'), 'must start with whsec_'],
    ['standard', `whsec_${bytes(32).slice(0, -1)}`, 'must be standard base64 with padding after whsec_'],
    ['standard', `whsec_${bytes(32)}\n`, 'must be standard base64 with padding after whsec_'],
    ['standard', `whsec_${'-_'.repeat(16)}`, 'must be standard base64 with padding after whsec_'],
    ['standard-ed25519', signer.generate('standard-ed25519'), null],
    ['standard-ed25519', signer.generate('standard'), 'must start with whsk_'],
    [
      'standard-ed25519',
      `whsk_${bytes(33)}`,
      'must hold 32 bytes (seed) or 64 (seed and public key), holds 33',
    ],
    ['standard-ed25519', `whsk_${bytes(64)}`, 'holds a public key that does not belong to its seed'],
  ] as const)('%s %s: %s', (scheme, secret, expected) => {
    expect(signer.check(scheme, secret)).toBe(expected);
  });

  test('signing with an unusable secret throws and does not name it', () => {
    expect(() => signer.sign('evt_1', 1, Buffer.from('{}'), ['hunter2'])).toThrow(
      /^unusable signing secret: must start with whsec_$/,
    );
  });

  test('more secrets than the cache holds still sign', () => {
    const first = `whsec_${Buffer.alloc(24, 0).toString('base64')}`;
    const expected = signer.sign('a', 1, Buffer.from('x'), [first]);
    for (let index = 0; index < 5_000; index += 1) {
      const secret = Buffer.alloc(24, 0);
      secret.writeUInt32BE(index, 0);
      signer.sign('a', 1, Buffer.from('x'), [`whsec_${secret.toString('base64')}`]);
    }
    expect(signer.sign('a', 1, Buffer.from('x'), [first])).toBe(expected);
  });
});
