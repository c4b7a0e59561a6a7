import { Client } from 'undici';
import type { buildConnector } from 'undici';

/** Opens a socket, and gives what ends the attempt while it lasts: a DNS lookup, a handshake, a tunnel. */
export type Connector = (
  to: buildConnector.Options,
  callback: buildConnector.Callback,
) => { destroy(): void } | null;

/** Receivers close idle connections after 5 s (Node), 15 s (Apache) or later; undici keeps less than they announce. */
const IDLE_MS = 4_000;
const MAX_ANNOUNCED_IDLE_MS = 60_000;
const MAX_ANSWER_HEADER_BYTES = 16 * 1024;
/** Idle connections to one origin. What a burst leaves above it is closed at once. */
const MAX_IDLE_PER_ORIGIN = 256;

/**
 * Connections kept alive per origin, the last used first, so that what a burst opened can run dry.
 *
 * undici's `Pool` is not used: a request that waits there for DNS or connect cannot be given up before
 * the connection stands, it looks through all its connections for each request, and it keeps one pool for
 * every origin ever used. How many connections are open is the caller's to bound: a queue in here would
 * eat up the attempt's time limit and blame the receiver.
 */
export class ConnectionPool {
  /** Idle connections by origin; origins in the order of their last release. */
  readonly #idle = new Map<string, Connection[]>();
  readonly #maxIdleOrigins: number;
  readonly #connect: Connector;
  #closed = false;

  constructor(maxIdleOrigins: number, connect: Connector) {
    this.#maxIdleOrigins = maxIdleOrigins;
    this.#connect = connect;
  }

  /** A connection that the caller must `release`, or `destroy` when its exchange ended badly. It may not be open yet. */
  acquire(origin: string): Connection {
    const connections = this.#idle.get(origin);
    const connection = connections?.pop();
    if (connection === undefined) return this.#open(origin);
    if (connections?.length === 0) this.#idle.delete(origin);
    connection.idle = false;
    return connection;
  }

  /** Takes back a connection whose exchange ended well. */
  release(connection: Connection): void {
    const connections = this.#idle.get(connection.origin) ?? [];
    if (this.#closed || connections.length >= MAX_IDLE_PER_ORIGIN) {
      connection.destroy();
      return;
    }
    connections.push(connection);
    connection.idle = true;
    // Deleted first, so that the order of the map is the order of the last use.
    this.#idle.delete(connection.origin);
    this.#idle.set(connection.origin, connections);
    if (this.#idle.size > this.#maxIdleOrigins) this.#closeOldestOrigin();
  }

  /** Origins with idle connections. */
  get idleOrigins(): number {
    return this.#idle.size;
  }

  /** Closes idle connections; those in use close when they are released. */
  close(): void {
    this.#closed = true;
    for (const connections of this.#idle.values()) {
      for (const connection of connections) connection.destroy();
    }
    this.#idle.clear();
  }

  #open(origin: string): Connection {
    const connection = new Connection(origin, this.#connect);
    connection.client.on('disconnect', () => this.#forget(connection));
    return connection;
  }

  #forget(connection: Connection): void {
    // In use, it may reconnect for an exchange whose request was not written yet: undici's client does.
    if (!connection.idle) return;
    connection.destroy();
    const connections = this.#idle.get(connection.origin);
    const index = connections?.indexOf(connection) ?? -1;
    if (index === -1) return;
    connections?.splice(index, 1);
    if (connections?.length === 0) this.#idle.delete(connection.origin);
  }

  #closeOldestOrigin(): void {
    for (const [origin, connections] of this.#idle) {
      this.#idle.delete(origin);
      for (const connection of connections) connection.destroy();
      return;
    }
  }
}

/** One HTTP/1.1 connection, used by one exchange at a time. */
export class Connection {
  readonly origin: string;
  readonly client: Client;
  /** Kept by the pool: nobody uses it now. */
  idle = false;
  /** One for all exchanges: to set it again costs a fraction of making one and taking it back. */
  #timer: NodeJS.Timeout | null = null;
  #timerMs = 0;
  #onTime: (() => void) | null = null;
  #connecting: { destroy(): void } | null = null;

  constructor(origin: string, connect: Connector) {
    this.origin = origin;
    this.client = new Client(origin, {
      connect: (to, callback) => {
        this.#connecting = connect(to, callback);
      },
      allowH2: false,
      pipelining: 1,
      // The exchange has one clock for everything; two more timers for each request would be waste.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: MAX_ANNOUNCED_IDLE_MS,
      maxHeaderSize: MAX_ANSWER_HEADER_BYTES,
    });
  }

  /** Calls `onTime` after `timeoutMs`, unless the clock is stopped or started again before. */
  startClock(timeoutMs: number, onTime: () => void): void {
    this.#onTime = onTime;
    if (this.#timer !== null && this.#timerMs === timeoutMs) {
      this.#timer.refresh();
      return;
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    // It may run on after the exchange; the socket keeps a process alive for as long as it must be.
    this.#timer = setTimeout(() => this.#onTime?.(), timeoutMs).unref();
    this.#timerMs = timeoutMs;
  }

  stopClock(): void {
    this.#onTime = null;
  }

  /** Closes it at once, whether open, connecting or still asking for an address. */
  destroy(): void {
    this.idle = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.client.destroyed) return;
    this.client.destroy(null, ignore);
    // Destroying the client leaves a socket that is not connected yet to go on.
    this.#connecting?.destroy();
  }
}

function ignore(): void {
  // undici's destroy() returns a promise when it gets no callback; nobody waits for it.
}
