import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PARTS = new URL('./', import.meta.url);
const MAIN = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
/** As `npm start` does. */
const COMPILE_CACHE = new URL('../../../scripts/compile-cache.mjs', import.meta.url).href;

/** A child process whose first line of output is its port. */
export interface Part {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

export async function startPart(file: string, env: Record<string, string> = {}): Promise<Part> {
  const child = spawn(process.execPath, [new URL(file, PARTS).pathname], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await firstLine(child, () => true);
  return { url: `http://127.0.0.1:${port}`, stop: () => end(child) };
}

export interface BenchGateway {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  /** Milliseconds from spawning the process to its first 200 of /readyz. */
  readonly startMs: number;
  api(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

/** The real gateway as a process of its own, logging as in production but to nowhere. */
export async function startGateway(
  env: Readonly<Record<string, string>> = {},
  dataDir = mkdtempSync(join(tmpdir(), 'ringback-bench-')),
): Promise<BenchGateway> {
  const startedAt = performance.now();
  const child = spawn(
    process.execPath,
    ['--import', COMPILE_CACHE, MAIN, 'dev', '--port', '0', '--data-dir', dataDir],
    {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const line = await firstLine(child, (text) => text.includes('gateway.started'));
  const { url } = JSON.parse(line) as { url: string };
  await fetch(`${url}/readyz`);
  const startMs = performance.now() - startedAt;
  const key = readFileSync(join(dataDir, 'admin.key'), 'utf8').trim();
  return {
    url,
    pid: child.pid ?? 0,
    dataDir,
    startMs,
    api: async (method, path, body) => {
      const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = (await response.json()) as Record<string, unknown>;
      if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
      return answer;
    },
    stop: async () => {
      await end(child);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Resident memory in MiB. */
export function residentMiB(pid: number): number {
  try {
    const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib) / 1024;
  } catch {
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024;
  }
}

function firstLine(child: ChildProcess, wanted: (line: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error('the process has no output to read');
    const lines = createInterface({ input: child.stdout });
    child.once('exit', (code) => reject(new Error(`the process ended with ${code} before it was ready`)));
    lines.on('line', (line) => {
      if (wanted(line)) resolve(line);
    });
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 30_000).unref();
  });
}
