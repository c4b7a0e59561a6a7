import { Socket } from 'node:net';
import { createSecureContext, getCACertificates } from 'node:tls';

import { buildConnector } from 'undici';

import type { SendError, SendResult } from '../domain/outcome.ts';
import type { OutboundRequest, Sender } from '../ports/sender.ts';
import { AddressForbiddenError } from './address-guard.ts';
import type { AddressGuard } from './address-guard.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { Connector } from './connection-pool.ts';
import { Exchange } from './exchange.ts';
import { proxyConnector } from './proxy-tunnel.ts';

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_IDLE_ORIGINS = 256;
const MAX_CACHED_URLS = 1_024;

export interface HttpSenderOptions {
  readonly addressGuard: AddressGuard;
  /** Origins to which connections are kept open for the next request; beyond it the oldest close. */
  readonly maxIdleOrigins?: number;
  /** Limit of DNS, connect and TLS together, within the request's own limit; exact to a second or so. */
  readonly connectTimeoutMs?: number;
  /** `http://user:password@proxy:3128`. Every connection is tunnelled; see `proxyConnector` for the guard's limits. */
  readonly proxyUrl?: string;
  /** PEM certificates trusted besides the system's. */
  readonly ca?: string;
}

/** A URL taken apart, or why it cannot be sent to. */
type Target =
  | { readonly refused: null; readonly origin: string; readonly path: string }
  | { readonly refused: SendError };

/**
 * Sends attempts over HTTP/1.1 with kept-alive connections.
 *
 * The address guard is asked before each new connection, also for literal addresses. A connection that is
 * kept alive was checked by the same guard when it was made, and the guard's lists never change, so reuse
 * opens nothing. A receiver that closes an idle connection in the very moment in which it is used again
 * shows as `connection_reset`: whether it has read the request cannot be known, so the request is never
 * repeated here; the delivery's retry policy does that, in the open.
 */
export class HttpSender implements Sender {
  readonly #guard: AddressGuard;
  readonly #pool: ConnectionPool;
  readonly #targets = new Map<string, Target>();

  constructor(options: HttpSenderOptions) {
    this.#guard = options.addressGuard;
    const maxIdleOrigins = options.maxIdleOrigins ?? DEFAULT_MAX_IDLE_ORIGINS;
    this.#pool = new ConnectionPool(maxIdleOrigins, makeConnector(options));
  }

  send(request: OutboundRequest): Promise<SendResult> {
    const target = this.#targetOf(request.url);
    if (target.refused !== null) return Promise.resolve(unsent(target.refused));
    if (namesHost(request.headers)) return Promise.resolve(unsent('invalid_request'));
    return new Promise((resolve) => {
      const connection = this.#pool.acquire(target.origin);
      const exchange = new Exchange(request.timeoutMs, {
        settle: resolve,
        release: () => this.#pool.release(connection),
        discard: () => connection.destroy(),
      });
      // What dispatch finds wrong with the request comes back through `onResponseError`.
      connection.client.dispatch(
        {
          method: 'POST',
          path: target.path,
          headers: [...request.headers],
          body: request.body,
        },
        exchange,
      );
    });
  }

  /**
   * Closes idle connections. Sends that are under way go on to their own time limit, and their connections
   * close then.
   */
  close(): Promise<void> {
    this.#pool.close();
    return Promise.resolve();
  }

  #targetOf(url: string): Target {
    const known = this.#targets.get(url);
    if (known !== undefined) return known;
    if (this.#targets.size >= MAX_CACHED_URLS) this.#targets.clear();
    const target = this.#examine(url);
    this.#targets.set(url, target);
    return target;
  }

  #examine(url: string): Target {
    const parsed = URL.parse(url);
    if (parsed === null || !/^https?:$/.test(parsed.protocol)) return { refused: 'invalid_request' };
    if (this.#guard.checkUrl(url) !== null) return { refused: 'address_forbidden' };
    return { refused: null, origin: parsed.origin, path: parsed.pathname + parsed.search };
  }
}

function makeConnector(options: HttpSenderOptions): Connector {
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

/** The sender writes `host` from the URL that the guard saw; another one would reach another tenant's site. */
function namesHost(headers: readonly string[]): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index];
    if (name?.length === 4 && name.toLowerCase() === 'host') return true;
  }
  return false;
}

function unsent(error: SendError): SendResult {
  return { status: null, error, headers: [], body: '', durationMs: 0 };
}
