import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Who is at the other end, seen through the proxies that the operator trusts. */
export class ClientAddresses {
  readonly #trusted = new BlockList();
  readonly #anyTrusted: boolean;

  constructor(trustedProxies: readonly string[]) {
    this.#anyTrusted = trustedProxies.length > 0;
    for (const block of trustedProxies) {
      const [address = '', bits] = block.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(bits), family);
    }
  }

  /**
   * The last address of `X-Forwarded-For` that is not a trusted proxy's, when the connection itself
   * comes from one; else the connection's. What anyone else writes into the header counts for nothing.
   */
  of(request: IncomingMessage): string | null {
    const peer = unmapped(request.socket.remoteAddress ?? '') || null;
    if (!this.#anyTrusted || peer === null || !this.#isTrusted(peer)) return peer;
    const header = request.headers['x-forwarded-for'];
    const hops = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',');
    for (const hop of hops.toReversed()) {
      const address = plain(hop.trim());
      if (address === null) return peer;
      if (!this.#isTrusted(address)) return address;
    }
    return peer;
  }

  #isTrusted(address: string): boolean {
    return this.#trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
}

function plain(written: string): string | null {
  const address = unmapped(written);
  return isIP(address) === 0 ? null : address;
}

/** IPv4 addresses of dual-stack sockets come as `::ffff:1.2.3.4`. */
function unmapped(address: string): string {
  return address.startsWith('::') ? address.replace(/^::ffff:(?=\d+\.)/i, '') : address;
}
