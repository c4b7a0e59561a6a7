import { Socket } from 'node:net';
import { callbackify } from 'node:util';

import { Client } from 'undici';
import type { buildConnector } from 'undici';

import type { AddressGuard } from './address-guard.ts';
import type { Connector } from './connection-pool.ts';

export interface ProxyTunnelOptions {
  readonly proxyUrl: string;
  readonly addressGuard: AddressGuard;
  /** How long the proxy may take to answer. */
  readonly connectTimeoutMs: number;
  /** TLS to the destination, over the tunnel's socket. */
  readonly connectTls: buildConnector.connector;
  /** Connects to the proxy itself. The guard does not apply: the operator chose it. */
  readonly connectProxy: buildConnector.connector;
}

interface Proxy {
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The proxy could not be reached or would not connect. The receiver is not to blame. */
class ProxyError extends Error {
  readonly code = 'PROXY_FAILED';
}

/**
 * Opens connections through an HTTP proxy, each as a tunnel (`CONNECT`, RFC 9110, 9.3.6), for http
 * destinations too: so the proxy never sees a body or a secret, and one connection leads to one destination.
 *
 * The guard resolves and checks the name first, but the proxy is given the name, since proxies decide by
 * name, and resolves it again: a name that changes its answer in between gets through. Only the proxy's own
 * rules can close that.
 *
 * undici's `ProxyAgent` is not used: it turns the header list into an object, which loses repeated names,
 * and a tunnel that is being opened cannot be given up.
 */
export function proxyConnector(options: ProxyTunnelOptions): Connector {
  const proxy = parseProxyUrl(options.proxyUrl);
  return (to, callback) => {
    const client = new Client(proxy.origin, {
      connect: options.connectProxy,
      allowH2: false,
      headersTimeout: options.connectTimeoutMs,
    });
    let tunnel: Socket | null = null;
    const opened = (error: Error | null, socket?: Socket): void => {
      if (socket === undefined) {
        client.destroy(null, () => callback(error ?? new ProxyError(), null));
        return;
      }
      tunnel = socket;
      if (to.protocol === 'https:') options.connectTls({ ...to, httpSocket: socket }, callback);
      else callback(null, socket);
    };
    callbackify(async () => {
      await options.addressGuard.resolve(to.hostname);
      return openTunnel(client, to, proxy);
    })(opened);
    return {
      destroy: () => {
        client.destroy(null, () => tunnel?.destroy());
      },
    };
  };
}

async function openTunnel(client: Client, to: buildConnector.Options, proxy: Proxy): Promise<Socket> {
  const port = to.port === '' ? (to.protocol === 'https:' ? '443' : '80') : to.port;
  const host = to.hostname.includes(':') ? `[${to.hostname}]` : to.hostname;
  const authority = `${host}:${port}`;
  try {
    const headers = { ...proxy.headers, host: authority };
    const { socket, statusCode } = await client.connect({ path: authority, headers });
    if (statusCode === 200 && socket instanceof Socket) return socket;
    socket.destroy();
    throw new ProxyError(`the proxy answered ${statusCode}`);
  } catch (error) {
    // Wrapped also because undici's client would try for ever after UND_ERR_SOCKET from a connector.
    if (error instanceof Error && 'code' in error && String(error.code).endsWith('_TIMEOUT')) throw error;
    throw new ProxyError('no tunnel through the proxy', { cause: error });
  }
}

/** Throws for anything but an http or https URL, without naming it: it may hold a password. */
function parseProxyUrl(proxyUrl: string): Proxy {
  const url = URL.parse(proxyUrl);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error('the proxy must be an http or https URL');
  if (url.username === '') return { origin: url.origin, headers: {} };
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  return { origin: url.origin, headers: { 'proxy-authorization': authorization } };
}
