import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { ClientAddresses } from './client-address.ts';

function request(peer: string | undefined, forwarded?: string | string[]): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return { socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage;
}

describe('who is at the other end', () => {
  const untrusting = new ClientAddresses([]);
  const behindProxies = new ClientAddresses(['10.0.0.0/8', '192.0.2.1', 'fd00::/8']);

  test.each([
    ['203.0.113.5', undefined, '203.0.113.5'],
    ['::ffff:203.0.113.5', undefined, '203.0.113.5'],
    ['2001:db8::1', undefined, '2001:db8::1'],
    [undefined, undefined, null],
    ['10.0.0.1', '203.0.113.9', '10.0.0.1'],
  ])('without proxies it is the peer: %s, %s', (peer, forwarded, address) => {
    expect(untrusting.of(request(peer, forwarded))).toBe(address);
  });

  test.each([
    ['what a stranger writes counts for nothing', '203.0.113.5', '1.1.1.1', '203.0.113.5'],
    ['a proxy says who', '10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['also over a dual-stack socket', '::ffff:10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['also one alone, and by IPv6', 'fd00::7', '2001:db8::9, 192.0.2.1', '2001:db8::9'],
    ['the last that is no proxy', '10.0.0.1', '203.0.113.9, 10.2.3.4', '203.0.113.9'],
    ['not the first, which the caller wrote', '10.0.0.1', '1.1.1.1, 203.0.113.9, 10.2.3.4', '203.0.113.9'],
    ['nobody, then the peer', '10.0.0.1', undefined, '10.0.0.1'],
    ['proxies alone, then the peer', '10.0.0.1', '10.0.0.2', '10.0.0.1'],
    ['nonsense, then the peer', '10.0.0.1', '203.0.113.9, unknown', '10.0.0.1'],
    ['nonsense before what counts', '10.0.0.1', 'unknown, 203.0.113.9', '203.0.113.9'],
    ['an address with a port, then the peer', '10.0.0.1', '203.0.113.9:5678', '10.0.0.1'],
    ['mapped addresses are plain ones', '10.0.0.1', '::ffff:203.0.113.9', '203.0.113.9'],
    ['several headers are one list', '10.0.0.1', ['1.1.1.1', '203.0.113.9'], '203.0.113.9'],
    ['a zone is not for proxies', '10.0.0.1', 'fe80::1%eth0', 'fe80::1%eth0'],
  ])('%s', (_, peer, forwarded, address) => {
    expect(behindProxies.of(request(peer, forwarded))).toBe(address);
  });
});
