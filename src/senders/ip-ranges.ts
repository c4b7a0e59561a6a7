import { isIPv4, isIPv6 } from 'node:net';

/** An address as bytes: 4 for IPv4, 16 for IPv6. */
export type IpBytes = Uint8Array;

/** A block of addresses: all whose first `prefixBits` equal those of `bytes`. */
export interface Cidr {
  readonly bytes: IpBytes;
  readonly prefixBits: number;
}

/** Bytes of a textual address; `null` for anything else, also for one with a zone id (`fe80::1%eth0`). */
export function parseIp(text: string): IpBytes | null {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  // A zone id names an interface of this machine: nothing outside it can have one.
  return isIPv6(text) && !text.includes('%') ? parseIpv6(text) : null;
}

function parseIpv6(text: string): IpBytes {
  const [head = '', tail] = text.split('::');
  const headBytes = groupBytes(head);
  const tailBytes = tail === undefined ? [] : groupBytes(tail);
  const bytes = new Uint8Array(16);
  bytes.set(headBytes, 0);
  bytes.set(tailBytes, 16 - tailBytes.length);
  return bytes;
}

function groupBytes(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** A block from `10.0.0.0/8`, `fd00::/8` or a single address; `null` when it is none of them. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  const bytes = parseIp(slash === -1 ? text : text.slice(0, slash));
  if (bytes === null) return null;
  const bits = bytes.length * 8;
  if (slash === -1) return unmapCidr({ bytes, prefixBits: bits });
  const digits = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(digits) || Number(digits) > bits) return null;
  return unmapCidr({ bytes, prefixBits: Number(digits) });
}

/** Whether `ip` lies in the block. Blocks of the other family contain nothing: `unmap` first. */
export function contains(cidr: Cidr, ip: IpBytes): boolean {
  if (cidr.bytes.length !== ip.length) return false;
  let bits = cidr.prefixBits;
  for (let index = 0; bits > 0; index += 1, bits -= 8) {
    const mask = bits >= 8 ? 0xff : 0xff & (0xff << (8 - bits));
    if (((cidr.bytes[index] ?? 0) & mask) !== ((ip[index] ?? 0) & mask)) return false;
  }
  return true;
}

/** `::ffff:a.b.c.d` as the IPv4 address that the kernel connects to; anything else as it is. */
export function unmap(ip: IpBytes): IpBytes {
  return ip.length === 16 && contains(IPV4_MAPPED, ip) ? ip.subarray(12) : ip;
}

function unmapCidr(cidr: Cidr): Cidr {
  if (cidr.prefixBits < 96 || unmap(cidr.bytes) === cidr.bytes) return cidr;
  return { bytes: unmap(cidr.bytes), prefixBits: cidr.prefixBits - 96 };
}

/**
 * Which special-purpose range an address lies in, or `null` when it is globally reachable.
 *
 * IPv4 and the exceptions in IPv6 follow the IANA special-purpose address registries (RFC 6890). IPv6 is
 * refused by default: only `2000::/3` is handed out (RFC 4291, 2.4), so that a range invented later is
 * closed until someone opens it.
 */
export function specialRange(ip: IpBytes): string | null {
  const address = unmap(ip);
  if (address.length === 4) return nameOf(IPV4_RANGES, address);
  if (contains(NAT64, address)) return nameOf(IPV4_RANGES, address.subarray(12));
  const name = nameOf(IPV6_RANGES, address);
  if (name !== null) return name;
  return contains(GLOBAL_UNICAST, address) ? null : 'reserved';
}

/** The IPv4 address that a NAT64 address (RFC 6052) reaches, otherwise `null`. */
export function nat64Target(ip: IpBytes): IpBytes | null {
  return ip.length === 16 && contains(NAT64, ip) ? ip.subarray(12) : null;
}

/** Every IPv4 address that a gateway on the path could take out of `ip`, and `ip` itself. */
export function reachableThrough(ip: IpBytes): readonly IpBytes[] {
  const address = unmap(ip);
  if (address.length === 4) return [address];
  const last = address.subarray(12);
  if (contains(SIX_TO_FOUR, address)) return [address, address.subarray(2, 6)];
  // Teredo (RFC 4380, 4): the server in clear, the client with every bit turned.
  if (contains(TEREDO, address)) return [address, address.subarray(4, 8), last.map((byte) => byte ^ 0xff)];
  if (IPV4_IN_LAST_BITS.some((cidr) => contains(cidr, address))) return [address, last];
  return [address];
}

/** Whether the address is where a cloud gives credentials to its machines. */
export function isMetadataService(ip: IpBytes): boolean {
  return METADATA_SERVICES.some((cidr) => contains(cidr, ip));
}

function nameOf(ranges: readonly (readonly [Cidr, string])[], ip: IpBytes): string | null {
  return ranges.find(([cidr]) => contains(cidr, ip))?.[1] ?? null;
}

function block(text: string): Cidr {
  const slash = text.indexOf('/');
  const bytes = parseIp(text.slice(0, slash));
  if (bytes === null) throw new Error(`not a block of addresses: ${text}`);
  return { bytes, prefixBits: Number(text.slice(slash + 1)) };
}

const IPV4_MAPPED = block('::ffff:0:0/96');
const NAT64 = block('64:ff9b::/96');
const NAT64_LOCAL = block('64:ff9b:1::/48');
const SIX_TO_FOUR = block('2002::/16');
const TEREDO = block('2001::/32');
const IPV4_COMPATIBLE = block('::/96');
const IPV4_TRANSLATED = block('::ffff:0:0:0/96');
const GLOBAL_UNICAST = block('2000::/3');
const IPV4_IN_LAST_BITS = [NAT64, NAT64_LOCAL, IPV4_COMPATIBLE, IPV4_TRANSLATED];

const IPV4_RANGES: readonly (readonly [Cidr, string])[] = [
  [block('0.0.0.0/8'), 'unspecified'],
  [block('10.0.0.0/8'), 'private'],
  [block('100.64.0.0/10'), 'carrier-grade NAT'],
  [block('127.0.0.0/8'), 'loopback'],
  [block('169.254.0.0/16'), 'link-local'],
  [block('172.16.0.0/12'), 'private'],
  [block('192.0.0.0/24'), 'reserved'],
  [block('192.0.2.0/24'), 'documentation'],
  [block('192.88.99.0/24'), '6to4 relay'],
  [block('192.168.0.0/16'), 'private'],
  [block('198.18.0.0/15'), 'benchmarking'],
  [block('198.51.100.0/24'), 'documentation'],
  [block('203.0.113.0/24'), 'documentation'],
  [block('224.0.0.0/4'), 'multicast'],
  [block('255.255.255.255/32'), 'broadcast'],
  [block('240.0.0.0/4'), 'reserved'],
];

/** What `2000::/3` does not hold is refused anyway; those are here for the name that people read. */
const IPV6_RANGES: readonly (readonly [Cidr, string])[] = [
  [block('::/128'), 'unspecified'],
  [block('::1/128'), 'loopback'],
  [IPV4_COMPATIBLE, 'IPv4-compatible'],
  [IPV4_TRANSLATED, 'IPv4-translated'],
  [NAT64_LOCAL, 'NAT64 of a local network'],
  // Teredo, benchmarking, ORCHID and what else IETF protocols were given.
  [block('2001::/23'), 'IETF protocol'],
  [block('2001:db8::/32'), 'documentation'],
  [SIX_TO_FOUR, '6to4'],
  [block('3fff::/20'), 'documentation'],
  [block('fc00::/7'), 'private'],
  [block('fe80::/10'), 'link-local'],
  [block('fec0::/10'), 'private'],
  [block('ff00::/8'), 'multicast'],
];

const METADATA_SERVICES: readonly Cidr[] = [
  block('169.254.169.254/32'), // AWS, Google Cloud, Azure, Oracle, DigitalOcean, OpenStack
  block('169.254.170.2/32'), // AWS ECS task credentials
  block('169.254.170.23/32'), // AWS EKS pod identity
  block('169.254.42.42/32'), // Scaleway
  block('169.254.0.23/32'), // Tencent Cloud
  block('100.100.100.200/32'), // Alibaba Cloud
  block('168.63.129.16/32'), // Azure: a public address that only its virtual machines reach
  block('192.0.0.192/32'), // Oracle Cloud, first generation
  block('fd00:ec2::254/128'), // AWS
  block('fd00:ec2::23/128'), // AWS EKS pod identity
  block('fd20:ce::254/128'), // Google Cloud
  block('fd00:42::42/128'), // Scaleway
];
