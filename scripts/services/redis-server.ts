import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A Redis of a test: it keeps nothing on disk. */
export interface RedisServer {
  /** The path of its Unix socket: no port of the machine is used. */
  readonly socket: string;
  /** Stops the server and removes its directory. */
  remove(): Promise<void>;
}

/** Whether the machine has a Redis, after trying to install one where that is allowed. */
export function hasRedis(): boolean {
  if (isInstalled() || process.getuid?.() !== 0) return isInstalled();
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return isInstalled();
}

function isInstalled(): boolean {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Starts a Redis and resolves when it accepts connections. */
export async function makeRedis(): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'ringback-redis-'));
  const socket = join(directory, 'redis.sock');
  const settings = ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', directory];
  const child = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const remove = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  for await (const line of createInterface({ input: child.stdout })) {
    if (!/ready to accept connections/i.test(line)) continue;
    child.stdout.resume();
    return { socket, remove };
  }
  await remove();
  throw new Error('redis-server ended before it was ready');
}
