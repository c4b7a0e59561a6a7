import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const START_LIMIT_MS = 20_000;

export interface GatewayOptions {
  /** After `dev --port 0 --data-dir DIR`; name `dev` or `start` first to choose the profile. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A directory that the caller made and removes; absent = a temporary one, removed by `stop`. */
  readonly dataDir?: string;
}

export interface ApiAnswer {
  readonly status: number;
  /** Parsed when it is JSON, else the text. */
  readonly body: unknown;
  readonly headers: Headers;
}

export interface GatewayProcess {
  readonly url: string;
  readonly adminKey: string;
  readonly dataDir: string;
  readonly pid: number;
  /** What the process has written so far. */
  stdout(): string;
  stderr(): string;
  api(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<ApiAnswer>;
  /** SIGTERM; gives the exit code. Also removes the data directory when this file made it. */
  stop(): Promise<number>;
  /** `kill -9`. The data directory stays, so that another process can go on with it. */
  kill(): Promise<void>;
}

/** A real gateway in a process of its own, ready for requests. Rejects with its output when it does not start. */
export async function startGatewayProcess(options: GatewayOptions = {}): Promise<GatewayProcess> {
  const ownDir = options.dataDir === undefined;
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'ringback-e2e-'));
  const child = spawn(process.execPath, [MAIN, ...serverArgs(options.args ?? [], dataDir)], {
    // Not the checkout: a developer's ringback.yaml must not decide what a test sees.
    cwd: dataDir,
    env: { ...cleanEnv(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = collectOutput(child);
  const exited = once(child, 'exit');
  // A test that fails before `stop` must leave neither a process nor a directory.
  const cleanUp = (): void => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    if (ownDir) rmSync(dataDir, { recursive: true, force: true });
  };
  process.once('exit', cleanUp);
  let url;
  try {
    url = await startedUrl(child, output);
  } catch (error) {
    cleanUp();
    process.removeListener('exit', cleanUp);
    throw error;
  }
  const adminKey = readAdminKey(dataDir, options.env);
  return {
    url,
    adminKey,
    dataDir,
    pid: child.pid ?? 0,
    stdout: () => output.out,
    stderr: () => output.err,
    api: (method, path, body, headers) => callApi(url, adminKey, method, path, body, headers),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
      cleanUp();
      process.removeListener('exit', cleanUp);
      return child.exitCode ?? -1;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The environment without settings of whoever runs the tests. */
export function cleanEnv(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RINGBACK_')));
}

function serverArgs(args: readonly string[], dataDir: string): string[] {
  const named = args[0] === 'dev' || args[0] === 'start';
  const profile = named ? String(args[0]) : 'dev';
  return [profile, '--port', '0', '--data-dir', dataDir, ...(named ? args.slice(1) : args)];
}

function collectOutput(child: ChildProcess): { out: string; err: string } {
  const output = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.err += text));
  return output;
}

function startedUrl(child: ChildProcess, output: { out: string; err: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(`the gateway ${why}\nstdout: ${output.out}\nstderr: ${output.err}`));
    };
    const timer = setTimeout(() => fail(`was not ready within ${START_LIMIT_MS} ms`), START_LIMIT_MS);
    child.once('error', (error) => fail(`did not run: ${error.message}`));
    // Not 'exit': the last lines, which say why, may come after it.
    child.once('close', (code, signal) => fail(`ended with ${code ?? signal} before it was ready`));
    child.stdout?.on('data', () => {
      const url = urlOfStartedLine(output.out);
      if (url === null) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}

function urlOfStartedLine(out: string): string | null {
  const end = out.lastIndexOf('\n');
  for (const line of out.slice(0, end + 1).split('\n')) {
    if (!line.includes('"gateway.started"')) continue;
    const parsed = JSON.parse(line) as { url?: string };
    if (parsed.url !== undefined) return parsed.url;
  }
  return null;
}

function readAdminKey(dataDir: string, env: GatewayOptions['env']): string {
  const file = join(dataDir, 'admin.key');
  return env?.['RINGBACK_API_KEY'] ?? (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');
}

async function callApi(
  url: string,
  key: string,
  method: string,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<ApiAnswer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
}
