import { connect, type Socket } from 'node:net';

/** A connection on which a test writes bytes as it likes. */
export interface RawConnection {
  write(text: string | Uint8Array): void;
  /** All that has come back so far. */
  text(): string;
  /** Resolves with all that came back once `condition` holds for it, or once the other side has closed. */
  until(condition: (text: string) => boolean, limitMs?: number): Promise<string>;
  /** Resolves when the other side has closed. */
  closed: Promise<void>;
  destroy(): void;
}

/** Connects to the host and port of `url`. */
export async function openRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect(Number(port), hostname);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  let text = '';
  let isClosed = false;
  const watchers = new Set<() => void>();
  const notify = (): void => {
    for (const watcher of watchers) watcher();
  };
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    text += chunk;
    notify();
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      isClosed = true;
      notify();
      resolve();
    });
  });
  return {
    write: (bytes) => void socket.write(bytes),
    text: () => text,
    until: (condition, limitMs = 10_000) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!isClosed && !condition(text)) return;
          clearTimeout(timer);
          watchers.delete(check);
          resolve(text);
        };
        const timer = setTimeout(() => {
          watchers.delete(check);
          reject(new Error(`not answered within ${limitMs} ms; got: ${text}`));
        }, limitMs);
        watchers.add(check);
        check();
      }),
    closed,
    destroy: () => socket.destroy(),
  };
}
