import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { domainToASCII } from 'node:url';
import { callbackify } from 'node:util';

import {
  contains,
  isMetadataService,
  nat64Target,
  parseCidr,
  parseIp,
  reachableThrough,
  specialRange,
  unmap,
} from './ip-ranges.ts';
import type { Cidr, IpBytes } from './ip-ranges.ts';

/** All addresses of a name, as the operating system orders them. Rejects when there are none. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

export interface AddressGuardOptions {
  /** Blocks and single addresses that may be reached though they are special: `10.0.0.0/8`, `::1`. */
  readonly allowPrivate?: readonly string[];
  /** When not empty, the only hosts that may be reached: `example.com`, `*.example.com`. */
  readonly allowHosts?: readonly string[];
  /** Hosts that may not be reached; stronger than `allowHosts`. */
  readonly denyHosts?: readonly string[];
  /** Whether plain http may be used; absent = yes. */
  readonly allowHttp?: boolean;
  readonly resolve?: Resolve;
}

/** A destination that may not be reached. `message` says why and is for the operator's log. */
export class AddressForbiddenError extends Error {
  readonly code = 'ADDRESS_FORBIDDEN';
}

/** Names under which clouds serve credentials; through a proxy the name is all that we know for sure. */
const METADATA_HOSTS: ReadonlySet<string> = new Set([
  'instance-data',
  'instance-data.ec2.internal',
  'metadata',
  'metadata.azure.internal',
  'metadata.goog',
  'metadata.google.internal',
  'metadata.tencentyun.com',
]);

/**
 * Decides which addresses a destination may have (server-side request forgery).
 *
 * `checkUrl` is for registration: it sees syntax, host names and literal addresses. `lookup` is for the
 * moment of connecting: it resolves a name once, checks every answer and hands exactly those addresses to
 * the socket, so that a name which changes its answer between check and use gains nothing. One forbidden
 * answer among many refuses the name: which of them gets connected is otherwise up to luck.
 *
 * The lists are fixed for the life of a guard. To change them, make a new guard and a new sender:
 * connections that were kept alive under the old lists end with the old sender.
 */
export class AddressGuard {
  /** Whether plain http may be used. */
  readonly allowHttp: boolean;
  readonly #allowPrivate: readonly Cidr[];
  readonly #allowHosts: readonly string[];
  readonly #denyHosts: readonly string[];
  readonly #resolve: Resolve;
  readonly #resolving = new Map<string, Promise<readonly LookupAddress[]>>();

  /** Throws for an entry that is no block, no address or no host name, naming it. */
  constructor(options: AddressGuardOptions = {}) {
    this.#allowPrivate = (options.allowPrivate ?? []).map(requireCidr);
    this.#allowHosts = (options.allowHosts ?? []).map(requireHostPattern);
    this.#denyHosts = (options.denyHosts ?? []).map(requireHostPattern);
    this.allowHttp = options.allowHttp ?? true;
    this.#resolve = options.resolve ?? resolveBySystem;
  }

  /**
   * Why no delivery can go to `url`, or `null`. It asks no name server: a name that passes here may still
   * resolve to a forbidden address when the delivery connects.
   */
  checkUrl(url: string): string | null {
    const parsed = URL.parse(url);
    if (parsed === null) return 'is not a valid URL';
    if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') return 'must be an http or https URL';
    if (parsed.protocol === 'http:' && !this.allowHttp) {
      return 'must be an https URL: over http the body could be read on the way (RINGBACK_ALLOW_HTTP_DESTINATIONS=true allows it)';
    }
    if (parsed.username !== '' || parsed.password !== '') return 'must not contain a user name or password';
    return this.checkHost(parsed.hostname);
  }

  /**
   * Why `hostname` may not be reached, or `null`. Takes what the WHATWG URL parser gives, which has already
   * turned `0x7f.1`, `2130706433` and `017700000001` into `127.0.0.1`.
   */
  checkHost(hostname: string): string | null {
    const host = normalizeHost(hostname);
    if (host === '') return 'has no host';
    if (this.#denyHosts.some((pattern) => matchesHost(pattern, host))) return `${host} is on the deny-list`;
    const listed = this.#allowHosts.some((pattern) => matchesHost(pattern, host));
    if (this.#allowHosts.length > 0 && !listed) return `${host} is not on the allow-list`;
    if (METADATA_HOSTS.has(host) && !this.#allowHosts.includes(host)) {
      return `${host} is a cloud metadata service`;
    }
    if (host === 'localhost' || host.endsWith('.localhost')) {
      // RFC 6761, 6.3: always loopback, of either family.
      return this.checkAddress('127.0.0.1') === null ? null : this.checkAddress('::1');
    }
    return parseIp(host) === null && !host.includes(':') ? null : this.checkAddress(host);
  }

  /** Why the address may not be reached, or `null`. */
  checkAddress(address: string): string | null {
    const parsed = parseIp(address);
    if (parsed === null) return `${address} is not an IP address`;
    const ip = unmap(parsed);
    if (
      reachableThrough(ip).some((reached) => isMetadataService(reached) && !this.#isListedExactly(reached))
    ) {
      return `${address} is a cloud metadata service`;
    }
    const range = specialRange(ip);
    if (range === null || this.#isAllowed(ip)) return null;
    return `${address} is ${range}`;
  }

  /**
   * The addresses of `hostname`, each checked. Rejects with `AddressForbiddenError`, or with the name
   * server's error. Calls for the same name while one is under way share its answer: lookups run on a few
   * threads, and a dead name server must not take all of them for one destination.
   */
  async resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const refusal = this.checkHost(hostname);
    if (refusal !== null) throw new AddressForbiddenError(refusal);
    const family = isIP(hostname);
    if (family !== 0) return [{ address: hostname, family }];
    const addresses = await this.#resolveShared(hostname);
    for (const { address } of addresses) {
      const reason = this.checkAddress(address);
      if (reason !== null) throw new AddressForbiddenError(`${hostname}: ${reason}`);
    }
    return addresses;
  }

  /** `resolve` in the form that `net.connect` wants. It is not called for literal addresses: see `checkHost`. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const answer = (error: Error | null, addresses?: readonly LookupAddress[]): void => {
      const first = addresses?.[0];
      if (addresses === undefined || first === undefined) callback(error ?? noAddresses(hostname), '', 0);
      else if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    };
    callbackify((name: string) => this.resolve(name))(hostname, answer);
  };

  #resolveShared(hostname: string): Promise<readonly LookupAddress[]> {
    const underWay = this.#resolving.get(hostname);
    if (underWay !== undefined) return underWay;
    const resolving = this.#resolve(hostname).finally(() => this.#resolving.delete(hostname));
    this.#resolving.set(hostname, resolving);
    return resolving;
  }

  #isAllowed(ip: IpBytes): boolean {
    const target = nat64Target(ip);
    return this.#allowPrivate.some(
      (cidr) => contains(cidr, ip) || (target !== null && contains(cidr, target)),
    );
  }

  /** Blocks do not open a metadata service, else `169.254.0.0/16` would give a machine's credentials away. */
  #isListedExactly(ip: IpBytes): boolean {
    return this.#allowPrivate.some((cidr) => cidr.prefixBits === ip.length * 8 && contains(cidr, ip));
  }
}

function resolveBySystem(hostname: string): Promise<readonly LookupAddress[]> {
  // getaddrinfo, not a DNS query of our own: /etc/hosts and search domains are how containers find each other.
  return systemLookup(hostname, { all: true });
}

function noAddresses(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`no address for ${hostname}`), { code: 'ENOTFOUND' });
}

function normalizeHost(hostname: string): string {
  const bare = hostname.startsWith('[') && hostname.endsWith(']') ? hostname.slice(1, -1) : hostname;
  return bare.toLowerCase().replace(/\.+$/, '');
}

function matchesHost(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

function requireCidr(text: string): Cidr {
  const cidr = parseCidr(text.trim());
  if (cidr === null) throw new Error(`not an address or a block of addresses such as 10.0.0.0/8: ${text}`);
  return cidr;
}

function requireHostPattern(text: string): string {
  const wild = text.startsWith('*.');
  const name = wild ? text.slice(2) : text;
  const host = normalizeHost(name);
  const ascii = parseIp(host) === null ? domainToASCII(host) : host;
  if (ascii === '' || ascii.includes('*')) {
    throw new Error(`not a host name or a pattern such as *.example.com: ${text}`);
  }
  return wild ? `*.${ascii}` : ascii;
}
