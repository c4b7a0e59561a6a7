import type { SendError, SendResult } from '../domain/outcome.ts';
import type { OutboundRequest, Sender, TlsIdentity } from '../ports/sender.ts';
import type { AddressGuard } from './address-guard.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type ConnectorOptions, makeConnector } from './connector.ts';
import { Exchange } from './exchange.ts';
import { IdentityPools } from './identity-pools.ts';

const DEFAULT_MAX_IDLE_ORIGINS = 256;
const MAX_CACHED_URLS = 1_024;

export interface HttpSenderOptions extends ConnectorOptions {
  /** Origins to which connections are kept open for the next request; beyond it the oldest close. */
  readonly maxIdleOrigins?: number;
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
  readonly #identityPools: IdentityPools;
  readonly #targets = new Map<string, Target>();

  constructor(options: HttpSenderOptions) {
    this.#guard = options.addressGuard;
    const maxIdleOrigins = options.maxIdleOrigins ?? DEFAULT_MAX_IDLE_ORIGINS;
    this.#pool = new ConnectionPool(maxIdleOrigins, makeConnector(options));
    this.#identityPools = new IdentityPools(options);
  }

  send(request: OutboundRequest): Promise<SendResult> {
    const target = this.#targetOf(request.url);
    if (target.refused !== null) return Promise.resolve(unsent(target.refused));
    if (namesHost(request.headers)) return Promise.resolve(unsent('invalid_request'));
    const pool = this.#poolFor(request.tls);
    if (pool === null) return Promise.resolve(unsent('tls_error'));
    return new Promise((resolve) => {
      const connection = pool.acquire(target.origin);
      const exchange = new Exchange({
        settle: resolve,
        release: () => {
          connection.stopClock();
          pool.release(connection);
        },
        discard: () => connection.destroy(),
      });
      connection.startClock(request.timeoutMs, () => exchange.expire());
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
    this.#identityPools.close();
    return Promise.resolve();
  }

  #poolFor(identity: TlsIdentity | undefined): ConnectionPool | null {
    if (identity === undefined) return this.#pool;
    try {
      return this.#identityPools.poolOf(identity);
    } catch {
      // It was examined when the destination was made, but another OpenSSL may refuse it.
      return null;
    }
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
    if (parsed.protocol === 'http:' && !this.#guard.allowHttp) return { refused: 'https_required' };
    if (this.#guard.checkUrl(url) !== null) return { refused: 'address_forbidden' };
    return { refused: null, origin: parsed.origin, path: parsed.pathname + parsed.search };
  }
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
