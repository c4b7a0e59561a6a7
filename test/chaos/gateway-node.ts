import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, globSync, openSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Order, Told } from './gateway-entry.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ENTRY = fileURLToPath(new URL('./gateway-entry.ts', import.meta.url));
const PRELOAD = new URL('./statement-death.ts', import.meta.url).href;
const START_LIMIT_MS = 60_000;
const LOG_LIMIT_BYTES = 5 * 1024 * 1024;

/** Whether `dist` holds what `src` says: it starts in half of the time. */
export function isCompiledFresh(): boolean {
  const main = join(ROOT, 'dist/src/cli/main.js');
  if (!existsSync(main)) return false;
  const compiledAt = statSync(main).mtimeMs;
  return globSync('{src,packages/client/src}/**/*.{ts,sql}', { cwd: ROOT })
    .filter((file) => !file.endsWith('.test.ts'))
    .every((file) => statSync(join(ROOT, file)).mtimeMs <= compiledAt);
}

export interface NodeOptions {
  readonly name: string;
  readonly dataDir: string;
  readonly isCompiled: boolean;
  readonly env: Readonly<Record<string, string>>;
}

/** One gateway process that may be killed at any time and started again. */
export class GatewayNode {
  readonly name: string;
  /** Where its store is; logs stay where they were. */
  dataDir: string;
  url = '';
  /** True while someone means it to be down, so that its end is no fault of its own. */
  mayEnd = false;
  readonly #options: NodeOptions;
  #child: ChildProcess | null = null;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.name = options.name;
    this.dataDir = options.dataDir;
  }

  get isRunning(): boolean {
    return isAlive(this.#child);
  }

  /** How the last process ended, for people. */
  get end(): string {
    return `exit code ${this.#child?.exitCode}, signal ${this.#child?.signalCode}`;
  }

  /** Whether the present process has been ready. Before that, nothing in it hears a signal. */
  hasServed = false;

  /** Where the statement to die before is written down. */
  get deathFile(): string {
    return join(this.#options.dataDir, `death-${this.name}`);
  }

  get logFile(): string {
    return join(this.#options.dataDir, `gateway-${this.name}.log`);
  }

  /** Resolves true when it serves, false when it died before: some harms make it so. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<boolean> {
    if (this.isRunning) return true;
    if (existsSync(this.logFile) && statSync(this.logFile).size > LOG_LIMIT_BYTES) rmSync(this.logFile);
    const log = openSync(this.logFile, 'a');
    const child = fork(ENTRY, [], {
      cwd: this.dataDir,
      execArgv: ['--import', PRELOAD],
      env: {
        ...withoutSettings(process.env),
        RINGBACK_PORT: '0',
        RINGBACK_DATA_DIR: this.dataDir,
        RINGBACK_LOG_LEVEL: process.env['CHAOS_LOG_LEVEL'] ?? 'warn',
        RINGBACK_LOG_FORMAT: 'json',
        RINGBACK_DRAIN_TIMEOUT: '2s',
        CHAOS_NODE: this.name,
        CHAOS_COMPILED: this.#options.isCompiled ? '1' : '0',
        CHAOS_DEATH_FILE: this.deathFile,
        ...this.#options.env,
        ...env,
      },
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#child = child;
    this.hasServed = false;
    this.mayEnd = false;
    const url = await new Promise<string | null>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name} was not ready in time`)), START_LIMIT_MS);
      child.on('message', (told: Told) => 'started' in told && resolve(told.started));
      child.once('exit', () => resolve(null));
      void once(child, 'exit').then(() => clearTimeout(timer));
      child.once('message', () => clearTimeout(timer));
    });
    if (url !== null) this.url = url;
    this.hasServed = url !== null;
    return url !== null;
  }

  /** Asks the process for something; `null` when it died meanwhile. */
  async order(order: Order): Promise<number | null> {
    const child = this.#child;
    if (child === null || !this.isRunning) return null;
    const answered = new Promise<Told | null>((resolve) => {
      child.once('message', resolve);
      child.once('exit', () => resolve(null));
    });
    child.send(order, () => {});
    const told = await answered;
    return told !== null && 'done' in told ? told.done : null;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.isRunning) this.#child?.kill(signal);
  }

  /** `kill -9`. */
  kill(): Promise<void> {
    this.mayEnd = true;
    return killed(this.#child);
  }

  /** SIGTERM; answers the exit code, or by which signal it ended: SIGALRM when it took too long. */
  async stop(limitMs = 15_000): Promise<number | NodeJS.Signals> {
    this.mayEnd = true;
    // Another harm may start the next process at the very moment at which this one ends.
    const child = this.#child;
    if (!isAlive(child)) return 0;
    child.kill('SIGTERM');
    await Promise.race([ended(child), delay(limitMs, undefined, { ref: false })]);
    if (!isAlive(child)) return exitOf(child);
    await killed(child);
    return 'SIGALRM';
  }

  /** Resolves when the process that runs now is gone. */
  ended(): Promise<void> {
    return ended(this.#child);
  }
}

function isAlive(child: ChildProcess | null): child is ChildProcess {
  return child !== null && child.exitCode === null && child.signalCode === null;
}

function exitOf(child: ChildProcess): number | NodeJS.Signals {
  return child.exitCode ?? child.signalCode ?? 0;
}

async function ended(child: ChildProcess | null): Promise<void> {
  if (isAlive(child)) await once(child, 'exit');
}

function killed(child: ChildProcess | null): Promise<void> {
  child?.kill('SIGKILL');
  return ended(child);
}

function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !/^(RINGBACK|CHAOS)_/.test(name));
  return Object.fromEntries(kept);
}
