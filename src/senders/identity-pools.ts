import { createHash } from 'node:crypto';

import type { TlsIdentity } from '../ports/sender.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type ConnectorOptions, makeConnector } from './connector.ts';

/** Identities with connections of their own; beyond it the least recently used closes its idle ones. */
const MAX_IDENTITIES = 256;
/** An identity belongs to one destination, seldom to a few. */
const MAX_IDLE_ORIGINS = 8;

/**
 * One pool of connections, and of TLS sessions, for each identity: what one destination's certificate has
 * opened is never used for another destination, even of the same host.
 */
export class IdentityPools {
  readonly #options: ConnectorOptions;
  /** By digest; in the order of the last use. */
  readonly #pools = new Map<string, ConnectionPool>();
  readonly #digests = new WeakMap<TlsIdentity, string>();

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** Throws when the certificate or key cannot be used. */
  poolOf(identity: TlsIdentity): ConnectionPool {
    const digest = this.#digestOf(identity);
    const pool =
      this.#pools.get(digest) ??
      new ConnectionPool(MAX_IDLE_ORIGINS, makeConnector({ ...this.#options, identity }));
    this.#pools.delete(digest);
    this.#pools.set(digest, pool);
    if (this.#pools.size > MAX_IDENTITIES) this.#closeOldest();
    return pool;
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close();
    this.#pools.clear();
  }

  /** Of the contents: the same identity can come as another object, after a change of the destination. */
  #digestOf(identity: TlsIdentity): string {
    const known = this.#digests.get(identity);
    if (known !== undefined) return known;
    const digest = createHash('sha256')
      .update(JSON.stringify([identity.cert, identity.key, identity.ca]))
      .digest('hex');
    this.#digests.set(identity, digest);
    return digest;
  }

  #closeOldest(): void {
    for (const [digest, pool] of this.#pools) {
      this.#pools.delete(digest);
      pool.close();
      return;
    }
  }
}
