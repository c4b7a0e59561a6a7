import { Socket } from 'node:net';
import { createSecureContext, getCACertificates } from 'node:tls';

import { buildConnector } from 'undici';

import { AddressForbiddenError } from './address-guard.ts';
import type { AddressGuard } from './address-guard.ts';
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
}

/** What opens every connection to a destination: guarded, over TLS or not, straight or through the proxy. */
export function makeConnector(options: ConnectorOptions): Connector {
  const { addressGuard, ca, proxyUrl } = options;
  const connectTimeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  const common = {
    timeout: connectTimeoutMs,
    allowH2: false,
    // Said here so that NODE_TLS_REJECT_UNAUTHORIZED=0 cannot switch it off.
    rejectUnauthorized: true,
    // Made once: parsing the system's certificates takes milliseconds.
    ...(ca === undefined
      ? {}
      : { secureContext: createSecureContext({ ca: [...getCACertificates('default'), ca] }) }),
  };
  const connect = buildConnector({ ...common, lookup: addressGuard.lookup });
  if (proxyUrl === undefined) return guardedConnector(addressGuard, connect);
  const connectProxy = buildConnector(common);
  return proxyConnector({ proxyUrl, addressGuard, connectTimeoutMs, connectTls: connect, connectProxy });
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
