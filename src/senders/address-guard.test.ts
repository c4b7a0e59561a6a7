import type { LookupAddress } from 'node:dns';
import { promisify } from 'node:util';

import { afterEach, describe, expect, test, vi } from 'vitest';

import { onHttp } from '../../test/e2e/receivers/hostile-receivers.ts';
import type { HostileReceiver } from '../../test/e2e/receivers/hostile-receivers.ts';
import type { SendResult } from '../domain/outcome.ts';
import { AddressForbiddenError, AddressGuard } from './address-guard.ts';
import { HttpSender } from './http-sender.ts';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function receiver(): Promise<HostileReceiver> {
  const started = await onHttp((_request, response) => response.end('reached'));
  cleanups.push(() => started.close());
  return started;
}

function sendThrough(addressGuard: AddressGuard, url: string): Promise<SendResult> {
  const sender = new HttpSender({ addressGuard });
  cleanups.push(() => sender.close());
  return sender.send({ url, headers: [], body: Buffer.from('{}'), timeoutMs: 2_000 });
}

function v4(address: string): LookupAddress {
  return { address, family: 4 };
}

function v6(address: string): LookupAddress {
  return { address, family: 6 };
}

describe('checkUrl', () => {
  const guard = new AddressGuard();

  test.each([
    'https://example.com/hook',
    'http://example.com:8080/hook?x=1',
    'https://93.184.215.14/',
    'https://[2606:2800:21f:cb07::1]:8443/',
    'https://EXAMPLE.com./',
    'https://bücher.example/',
  ])('%s is accepted', (url) => {
    expect(guard.checkUrl(url)).toBeNull();
  });

  test.each([
    ['example.com/hook', 'is not a valid URL'],
    ['http://', 'is not a valid URL'],
    ['http://[fe80::1%25eth0]/', 'is not a valid URL'],
    ['http://1.2.3.4.5/', 'is not a valid URL'],
    ['ftp://example.com/', 'must be an http or https URL'],
    ['file:///etc/passwd', 'must be an http or https URL'],
    ['javascript:alert(1)', 'must be an http or https URL'],
    ['https://user@example.com/', 'must not contain a user name or password'],
    ['https://:secret@example.com/', 'must not contain a user name or password'],
    ['http://example.com@127.0.0.1/', 'must not contain a user name or password'],
    ['http://localhost:3000/', '::1 is loopback'],
    ['http://api.LOCALHOST./', '::1 is loopback'],
    ['http://metadata.google.internal/', 'metadata.google.internal is a cloud metadata service'],
    ['http://METADATA.google.internal./', 'metadata.google.internal is a cloud metadata service'],
    ['http://169.254.169.254/latest/meta-data/', '169.254.169.254 is a cloud metadata service'],
    ['http://168.63.129.16/', '168.63.129.16 is a cloud metadata service'],
    ['http://100.100.100.200/', '100.100.100.200 is a cloud metadata service'],
    ['http://[fd00:ec2::254]/', 'fd00:ec2::254 is a cloud metadata service'],
    ['http://[::ffff:169.254.169.254]/', '::ffff:a9fe:a9fe is a cloud metadata service'],
    ['http://[64:ff9b::169.254.169.254]/', '64:ff9b::a9fe:a9fe is a cloud metadata service'],
    ['http://[2002:a9fe:a9fe::]/', '2002:a9fe:a9fe:: is a cloud metadata service'],
  ])('%s: %s', (url, reason) => {
    expect(guard.checkUrl(url)).toBe(reason);
  });

  // The URL parser turns every way to write an IPv4 address into the dotted one (WHATWG URL, "IPv4 parser").
  test.each([
    '127.1',
    '127.0.1',
    '2130706433',
    '0x7f000001',
    '0x7F.0.0.0x1',
    '017700000001',
    '0177.0.0.01',
    '127.0.0.1.',
    '１２７.０.０.１',
    '127。0。0。1',
    '%31%32%37.0.0.1',
    '1\t27.0.0.1',
  ])('http://%s/ is loopback', (host) => {
    expect(guard.checkUrl(`http://${host}/`)).toBe('127.0.0.1 is loopback');
  });

  test.each(['[::1]', '[0:0:0:0:0:0:0:1]', '[::0001]'])('http://%s/ is loopback', (host) => {
    expect(guard.checkUrl(`http://${host}/`)).toBe('::1 is loopback');
  });
});

describe('the lists', () => {
  test('allowPrivate opens blocks and addresses, of the family they name', () => {
    const guard = new AddressGuard({ allowPrivate: ['10.0.0.0/8', '127.0.0.1', 'fd12::/16'] });
    expect(guard.checkAddress('10.255.0.1')).toBeNull();
    expect(guard.checkAddress('::ffff:10.0.0.1')).toBeNull();
    expect(guard.checkAddress('64:ff9b::10.0.0.1')).toBeNull();
    expect(guard.checkAddress('127.0.0.1')).toBeNull();
    expect(guard.checkAddress('fd12::1')).toBeNull();
    expect(guard.checkUrl('http://localhost/')).toBeNull();
    expect(guard.checkAddress('127.0.0.2')).toBe('127.0.0.2 is loopback');
    expect(guard.checkAddress('192.168.0.1')).toBe('192.168.0.1 is private');
    expect(guard.checkAddress('::1')).toBe('::1 is loopback');
    expect(guard.checkAddress('2002:a00:1::')).toBe('2002:a00:1:: is 6to4');
  });

  test('no block opens a metadata service, its exact address does', () => {
    const wide = new AddressGuard({ allowPrivate: ['0.0.0.0/0', '::/0'] });
    for (const address of ['169.254.169.254', '168.63.129.16', 'fd00:ec2::254', '::ffff:169.254.169.254']) {
      expect(wide.checkAddress(address)).toBe(`${address} is a cloud metadata service`);
    }
    expect(wide.checkAddress('2001:0:a9fe:a9fe::1')).toBe('2001:0:a9fe:a9fe::1 is a cloud metadata service');
    expect(wide.checkAddress('2001:0:102:304::5601:5601')).toBe(
      '2001:0:102:304::5601:5601 is a cloud metadata service',
    );
    expect(wide.checkAddress('169.254.1.1')).toBeNull();
    const exact = new AddressGuard({ allowPrivate: ['169.254.169.254/32'] });
    expect(exact.checkAddress('169.254.169.254')).toBeNull();
    expect(exact.checkAddress('::ffff:169.254.169.254')).toBeNull();
    expect(exact.checkAddress('169.254.169.253')).toBe('169.254.169.253 is link-local');
  });

  test('allowHosts closes all others, denyHosts is stronger', () => {
    const guard = new AddressGuard({
      allowHosts: ['example.com', '*.Example.com', 'bücher.example', '93.184.215.14'],
      denyHosts: ['evil.example.com', '*.evil.example.com'],
    });
    for (const host of [
      'example.com',
      'EXAMPLE.com.',
      'a.b.example.com',
      'xn--bcher-kva.example',
      '93.184.215.14',
    ]) {
      expect(guard.checkUrl(`https://${host}/`)).toBeNull();
    }
    expect(guard.checkUrl('https://notexample.com/')).toBe('notexample.com is not on the allow-list');
    expect(guard.checkUrl('https://1.1.1.1/')).toBe('1.1.1.1 is not on the allow-list');
    expect(guard.checkUrl('https://evil.example.com/')).toBe('evil.example.com is on the deny-list');
    expect(guard.checkUrl('https://a.evil.example.com./')).toBe('a.evil.example.com is on the deny-list');
  });

  test('an allowed host name does not open its private address', async () => {
    const guard = new AddressGuard({
      allowHosts: ['intranet.example'],
      resolve: () => Promise.resolve([v4('10.0.0.1')]),
    });
    expect(guard.checkUrl('http://intranet.example/')).toBeNull();
    expect(await sendThrough(guard, 'http://intranet.example/')).toMatchObject({
      error: 'address_forbidden',
    });
  });

  test.each([
    [{ allowPrivate: ['10.0.0.0/33'] }, '10.0.0.0/33'],
    [{ allowPrivate: ['intranet'] }, 'intranet'],
    [{ allowHosts: ['*'] }, '*'],
    [{ allowHosts: [''] }, 'such as *.example.com: '],
    [{ denyHosts: ['a.*.example'] }, 'a.*.example'],
  ])('%j is refused', (options, named) => {
    expect(() => new AddressGuard(options)).toThrow(named);
  });
});

describe('at connect time', () => {
  test.each([
    [[v4('127.0.0.1')]],
    [[v6('::1')]],
    [[v6('::ffff:127.0.0.1')]],
    [[v4('93.184.215.14'), v4('10.0.0.1')]],
    [[v6('2606:2800:21f::1'), v4('169.254.169.254')]],
  ])('a name that resolves to %j is address_forbidden', async (addresses) => {
    const target = await receiver();
    const guard = new AddressGuard({ resolve: () => Promise.resolve(addresses) });
    expect(await sendThrough(guard, `http://rebind.example:${target.port}/`)).toEqual({
      status: null,
      error: 'address_forbidden',
      headers: [],
      body: '',
      durationMs: expect.any(Number),
    });
    expect(target.connections()).toBe(0);
  });

  test('a literal is checked by the connector too, which asks no resolver for it', async () => {
    const target = await receiver();
    const resolve = vi.fn(() => Promise.resolve([v4('127.0.0.1')]));
    const guard = new AddressGuard({ resolve });
    // As if registration had let it pass.
    vi.spyOn(guard, 'checkUrl').mockReturnValue(null);
    for (const host of ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '2130706433']) {
      const result = await sendThrough(guard, `http://${host}:${target.port}/`);
      expect(result).toMatchObject({ status: null, error: 'address_forbidden' });
    }
    expect(target.connections()).toBe(0);
    expect(resolve).not.toHaveBeenCalled();
  });

  test('DNS rebinding: the address that was checked is the one that is connected', async () => {
    const target = await receiver();
    const answers = [[v4('127.0.0.1')], [v4('127.0.0.2')], [v4('10.0.0.1')]];
    const resolve = vi.fn(() => Promise.resolve(answers.shift() ?? []));
    const guard = new AddressGuard({ allowPrivate: ['127.0.0.1'], resolve });
    const url = `http://rebind.example:${target.port}/`;
    // First answer allowed and connected, although a second lookup would give another address.
    expect(await sendThrough(guard, url)).toMatchObject({ status: 200, body: 'reached' });
    expect(resolve).toHaveBeenCalledTimes(1);
    // The name has changed: each new connection is checked anew.
    expect(await sendThrough(guard, url)).toMatchObject({ status: null, error: 'address_forbidden' });
    expect(await sendThrough(guard, url)).toMatchObject({ status: null, error: 'address_forbidden' });
    expect(resolve).toHaveBeenCalledTimes(3);
    expect(target.connections()).toBe(1);
  });

  test('a kept-alive connection asks no second time', async () => {
    const target = await receiver();
    const resolve = vi.fn(() => Promise.resolve([v4('127.0.0.1')]));
    const guard = new AddressGuard({ allowPrivate: ['127.0.0.1'], resolve });
    const sender = new HttpSender({ addressGuard: guard });
    cleanups.push(() => sender.close());
    const url = `http://kept.example:${target.port}/`;
    for (let index = 0; index < 3; index += 1) {
      const result = await sender.send({ url, headers: [], body: Buffer.from('{}'), timeoutMs: 2_000 });
      expect(result).toMatchObject({ status: 200 });
    }
    expect(resolve).toHaveBeenCalledTimes(1);
    expect(target.connections()).toBe(1);
  });

  test('another address of the name is tried when one does not answer', async () => {
    const target = await receiver();
    const guard = new AddressGuard({
      allowPrivate: ['127.0.0.0/8'],
      resolve: () => Promise.resolve([v4('127.0.0.9'), v4('127.0.0.1')]),
    });
    expect(await sendThrough(guard, `http://two.example:${target.port}/`)).toMatchObject({ status: 200 });
  });

  test.each([
    ['ENOTFOUND', 'dns_failure'],
    ['EAI_AGAIN', 'dns_failure'],
  ])('a name server that says %s gives %s', async (code, error) => {
    const resolve = (): Promise<never> => Promise.reject(Object.assign(new Error(code), { code }));
    expect(await sendThrough(new AddressGuard({ resolve }), 'http://gone.example/')).toMatchObject({ error });
  });

  test('an empty answer is dns_failure', async () => {
    const guard = new AddressGuard({ resolve: () => Promise.resolve([]) });
    expect(await sendThrough(guard, 'http://empty.example/')).toMatchObject({ error: 'dns_failure' });
  });

  test('lookups of one name under way at once share one answer', async () => {
    const answer = Promise.withResolvers<LookupAddress[]>();
    const resolve = vi.fn(() => answer.promise);
    const guard = new AddressGuard({ resolve });
    const both = Promise.all([guard.resolve('a.example'), guard.resolve('a.example')]);
    answer.resolve([v4('93.184.215.14')]);
    expect(await both).toEqual([[v4('93.184.215.14')], [v4('93.184.215.14')]]);
    expect(resolve).toHaveBeenCalledTimes(1);
    await guard.resolve('a.example');
    expect(resolve).toHaveBeenCalledTimes(2);
  });

  test('lookup without `all` gives the first address', async () => {
    const guard = new AddressGuard({ resolve: () => Promise.resolve([v4('93.184.215.14'), v6('2606::1')]) });
    const lookup = promisify(guard.lookup);
    expect(await lookup('a.example', {})).toBe('93.184.215.14');
  });

  test('the error says why, for the log', async () => {
    const guard = new AddressGuard({ resolve: () => Promise.resolve([v4('10.0.0.1')]) });
    await expect(guard.resolve('a.example')).rejects.toThrow(
      new AddressForbiddenError('a.example: 10.0.0.1 is private'),
    );
  });
});
