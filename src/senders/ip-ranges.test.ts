import { isIPv6 } from 'node:net';

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { contains, parseCidr, parseIp, specialRange, unmap } from './ip-ranges.ts';

/** First and last address of each closed IPv4 range, from the IANA registry, written the other way round. */
const CLOSED_V4 = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.0.0', '192.0.0.255'],
  ['192.0.2.0', '192.0.2.255'],
  ['192.88.99.0', '192.88.99.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255'],
  ['224.0.0.0', '255.255.255.255'],
] as const;

/** First and last address, as hexadecimal numbers, of each closed range inside 2000::/3. */
const CLOSED_V6 = [
  ['20010000000000000000000000000000', '200101ffffffffffffffffffffffffff'],
  ['20010db8000000000000000000000000', '20010db8ffffffffffffffffffffffff'],
  ['20020000000000000000000000000000', '2002ffffffffffffffffffffffffffff'],
  ['3fff0000000000000000000000000000', '3fff0fffffffffffffffffffffffffff'],
] as const;

function v4Number(text: string): number {
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function naiveV4Open(value: number): boolean {
  return !CLOSED_V4.some(([first, last]) => value >= v4Number(first) && value <= v4Number(last));
}

function naiveV6Open(value: bigint): boolean {
  const top96 = value >> 32n;
  const low32 = Number(value & 0xffff_ffffn);
  if (top96 === 0xffffn || top96 === 0x0064_ff9b_0000_0000_0000_0000n) return naiveV4Open(low32);
  if (value >> 125n !== 1n) return false;
  return !CLOSED_V6.some(([first, last]) => value >= BigInt(`0x${first}`) && value <= BigInt(`0x${last}`));
}

function v4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
}

function v6Groups(value: bigint): string[] {
  const hex = value.toString(16).padStart(32, '0');
  return Array.from({ length: 8 }, (_, index) => hex.slice(index * 4, index * 4 + 4));
}

/** Numbers near the edges of the ranges as well as anywhere. */
const anyV4 = fc.oneof(
  fc.nat(0xffff_ffff),
  fc
    .tuple(fc.constantFrom(...CLOSED_V4.flat()), fc.integer({ min: -2, max: 2 }))
    .map(([edge, off]) => (v4Number(edge) + off + 2 ** 32) % 2 ** 32),
);
const anyV6 = fc.oneof(
  fc.bigInt(0n, 2n ** 128n - 1n),
  fc.bigInt(2n ** 125n, 2n ** 126n - 1n),
  fc
    .tuple(fc.constantFrom(...CLOSED_V6.flat()), fc.bigInt(-2n, 2n))
    .map(([edge, off]) => BigInt(`0x${edge}`) + off),
  anyV4.map((low) => (0xffffn << 32n) + BigInt(low)),
  anyV4.map((low) => (0x0064_ff9b_0000_0000_0000_0000n << 32n) + BigInt(low)),
  anyV4.map((low) => BigInt(low)),
);

function rangeOf(text: string): string | null {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`not an address: ${text}`);
  return specialRange(ip);
}

describe('specialRange', () => {
  test('agrees with a naive table on IPv4', () => {
    fc.assert(
      fc.property(anyV4, (value) => {
        expect(rangeOf(v4Text(value)) === null).toBe(naiveV4Open(value));
      }),
      { numRuns: 2_000 },
    );
  });

  test('agrees with a naive table on IPv6, however it is written', () => {
    fc.assert(
      fc.property(anyV6, fc.boolean(), (value, short) => {
        const full = v6Groups(value).join(':');
        const text = short ? new URL(`http://[${full}]/`).hostname.slice(1, -1) : full;
        expect(isIPv6(text)).toBe(true);
        expect(rangeOf(text) === null).toBe(naiveV6Open(value));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['93.184.215.14', null],
    ['2606:2800:21f:cb07:6820:80da:af6b:8b2c', null],
    ['::ffff:93.184.215.14', null],
    ['64:ff9b::93.184.215.14', null],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a00:1', 'private'],
    ['64:ff9b::10.0.0.1', 'private'],
    ['64:ff9b:1::5db8:d70e', 'NAT64 of a local network'],
    ['::127.0.0.1', 'IPv4-compatible'],
    ['::ffff:0:127.0.0.1', 'IPv4-translated'],
    ['2002:7f00:1::', '6to4'],
    ['2001:0:4136:e378:8000:63bf:3fff:fdd2', 'IETF protocol'],
    ['fd12:3456::1', 'private'],
    ['fe80::1', 'link-local'],
    ['ff02::1', 'multicast'],
    ['100::1', 'reserved'],
    ['5f00::1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['100.64.0.1', 'carrier-grade NAT'],
  ])('%s: %s', (text, range) => {
    expect(rangeOf(text)).toBe(range);
  });
});

describe('parsing', () => {
  test.each([
    'fe80::1%eth0',
    '1.2.3',
    '01.2.3.4',
    '1.2.3.4.5',
    '0x7f.0.0.1',
    '::g',
    '[::1]',
    '',
    'localhost',
  ])('%s is no address', (text) => {
    expect(parseIp(text)).toBeNull();
  });

  test.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8.5', '::/129', '10/8', 'x/8', '/8'])(
    '%s is no block',
    (text) => {
      expect(parseCidr(text)).toBeNull();
    },
  );

  test('a block contains what shares its prefix, bit for bit', () => {
    fc.assert(
      fc.property(anyV4, anyV4, fc.integer({ min: 0, max: 32 }), (block, value, bits) => {
        const cidr = parseCidr(`${v4Text(block)}/${bits}`);
        const ip = parseIp(v4Text(value));
        const shift = 2 ** (32 - bits);
        const same = Math.floor(block / shift) === Math.floor(value / shift);
        expect(cidr !== null && ip !== null && contains(cidr, ip)).toBe(same);
      }),
    );
  });

  test('a mapped block is the IPv4 block', () => {
    expect(parseCidr('::ffff:10.0.0.0/104')).toEqual(parseCidr('10.0.0.0/8'));
    expect(unmap(parseIp('::ffff:10.1.2.3') ?? new Uint8Array())).toEqual(parseIp('10.1.2.3'));
  });
});
