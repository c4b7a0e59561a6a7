import { Socket } from 'node:net';

/** Ending waits that long for what is under way and for the server's farewell. */
const END_LIMIT_MS = 3_000;

/**
 * The sockets of connections that end together, so that their end can do without an answer: the driver
 * waits until the server has closed each, which over a network that has fallen silent takes until TCP gives
 * up, minutes later.
 */
export class Sockets {
  readonly #open = new Set<Socket>();
  #gaveUp = false;

  /** Makes the socket of one more connection; for the driver's option of the same name. */
  readonly stream = (): Socket => {
    const socket = new Socket();
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    // What was waiting for a connection may still begin one; it is not to wait for that.
    if (this.#gaveUp) setImmediate(() => socket.destroy());
    return socket;
  };

  /** Runs `ending`. When that takes longer than three seconds, calls `onGivingUp` and cuts the connections. */
  async end(ending: () => Promise<unknown>, onGivingUp: () => void = () => {}): Promise<void> {
    const timer = setTimeout(() => {
      this.#gaveUp = true;
      onGivingUp();
      for (const socket of this.#open) socket.destroy();
    }, END_LIMIT_MS);
    try {
      await ending();
    } finally {
      clearTimeout(timer);
    }
  }
}
