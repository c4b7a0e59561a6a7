import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { cleanEnv } from './gateway-process.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** A command that runs until it is told to end, in a process of its own. */
export interface LongCommand {
  /** Everything that it has said so far, both streams as they came. */
  text(): string;
  stdout(): string;
  /** Resolves when what was said fits. */
  says(expected: RegExp, limitMs?: number): Promise<void>;
  /** SIGINT, as Ctrl-C; gives the exit code. */
  interrupt(): Promise<number | null>;
  kill(): Promise<void>;
  /** The exit code, when it ends by itself. */
  ended(): Promise<number | null>;
}

export interface LongCommandOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function startCommand(args: readonly string[], options: LongCommandOptions): LongCommand {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: { ...cleanEnv(), NO_COLOR: '1', FORCE_COLOR: undefined, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
    stdout += piece;
  });
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const exited = once(child, 'close');
  const cleanUp = (): void => void child.kill('SIGKILL');
  process.once('exit', cleanUp);
  const code = async (): Promise<number | null> => {
    await exited;
    process.removeListener('exit', cleanUp);
    return child.exitCode;
  };
  return {
    text: () => text,
    stdout: () => stdout,
    says: (expected, limitMs = 15_000) => said(child, () => text, expected, limitMs),
    interrupt: () => {
      child.kill('SIGINT');
      return code();
    },
    kill: async () => {
      child.kill('SIGKILL');
      await code();
    },
    ended: code,
  };
}

function said(child: ChildProcess, text: () => string, expected: RegExp, limitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      child.stdout?.off('data', look);
      child.stderr?.off('data', look);
    };
    const timer = setTimeout(() => {
      done();
      reject(new Error(`no ${String(expected)} in: ${text()}`));
    }, limitMs);
    const look = (): void => {
      if (!expected.test(text())) return;
      done();
      resolve();
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    look();
  });
}

/** A line to the gateway that can be cut, or made to go dead without a word. */
export interface BadLine {
  readonly url: string;
  /** Ends every connection that there is. */
  cut(): void;
  /** From now on nothing passes on the connections that there are, and nobody is told. New ones are fine. */
  silence(): void;
  /** Connections that were made so far. */
  connections(): number;
  /** Everything from now on goes there, as when the gateway has come back elsewhere. */
  pointTo(port: number): void;
  close(): Promise<void>;
}

export async function startBadLine(target: number): Promise<BadLine> {
  let port = target;
  let made = 0;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    made += 1;
    const far = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on('error', () => undefined);
      one.on('data', (piece: Buffer) => {
        if (!silenced.has(one)) other.write(piece);
      });
      one.on('close', () => {
        open.delete(one);
        if (!silenced.has(one)) other.destroy();
      });
    }
  });
  const silenced = new WeakSet<Socket>();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => {
      for (const socket of open) socket.destroy();
    },
    silence: () => {
      for (const socket of open) silenced.add(socket);
    },
    connections: () => made,
    pointTo: (next) => {
      port = next;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
