import { Socket } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

import { buildConnector } from 'undici';

import { AddressForbiddenError } from './address-guard.ts';
import type { AddressGuard } from './address-guard.ts';
import type { TlsIdentity } from '../ports/sender.ts';
import type { Connector } from './connection-pool.ts';
import { proxyConnector } from './proxy-tunnel.ts';

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;

export interface ConnectorOptions {
  readonly addressGuard: AddressGuard;
  /** Limit of DNS, connect and TLS together, within the request's own limit; exact to a second or so. */
  readonly connectTimeoutMs?: number;
  /** `http://user:password@proxy:3128`. Every connection is tunnelled; see `proxyConnector` for the guard's limits. */
  readonly proxyUrl?: string;
  /** PEM certificates trusted besides the system's. */
  readonly ca?: string;
  /** Who we are on connections to destinations; the proxy is not shown it. */
  readonly identity?: TlsIdentity;
}

const READ_BYTES = 64 * 1024;

/**
 * One buffer into which all connections read. Without it Node takes 64 KiB from the allocator for each read
 * and gives nearly all of it back, which cost more than parsing the answer.
 */
const SHARED_READ = {
  buffer: Buffer.allocUnsafeSlow(READ_BYTES),
  callback(this: Socket, bytes: number, buffer: Uint8Array): boolean {
    return this.push(Buffer.from(buffer.subarray(0, bytes)));
  },
};

/** What opens every connection to a destination: guarded, over TLS or not, straight or through the proxy. */
export function makeConnector(options: ConnectorOptions): Connector {
  const { addressGuard, proxyUrl } = options;
  const connectTimeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  const common = {
    timeout: connectTimeoutMs,
    allowH2: false,
    // Said here so that NODE_TLS_REJECT_UNAUTHORIZED=0 cannot switch it off.
    rejectUnauthorized: true,
    onread: SHARED_READ,
  };
  const connect = buildConnector({
    ...common,
    ...secureContext(options.ca, options.identity),
    lookup: addressGuard.lookup,
  });
  if (proxyUrl === undefined) return guardedConnector(addressGuard, connect);
  const connectProxy = buildConnector({ ...common, ...secureContext(options.ca, undefined) });
  return proxyConnector({ proxyUrl, addressGuard, connectTimeoutMs, connectTls: connect, connectProxy });
}

/** Made once for all connections: parsing the system's certificates takes milliseconds. */
function secureContext(
  ca: string | undefined,
  identity: TlsIdentity | undefined,
): { secureContext?: SecureContext } {
  if (ca === undefined && identity === undefined) return {};
  const trusted = ca === undefined ? undefined : [...getCACertificates('default'), ca];
  return {
    secureContext: createSecureContext({
      ca: identity?.ca ?? trusted,
      cert: identity?.cert ?? undefined,
      key: identity?.key ?? undefined,
    }),
  };
}

/** undici's connector with the guard in front: `net.connect` asks `lookup` for names, but not for literals. */
function guardedConnector(guard: AddressGuard, connect: buildConnector.connector): Connector {
  return (to, callback) => {
    const refusal = guard.checkHost(to.hostname);
    if (refusal === null) {
      // Its type says void, but it returns the socket that is being connected.
      const socket: unknown = connect(to, callback);
      return socket instanceof Socket ? socket : null;
    }
    // Not at once: undici's client is in the middle of starting the connection.
    queueMicrotask(() => callback(new AddressForbiddenError(refusal), null));
    return null;
  };
}
