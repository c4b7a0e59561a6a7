import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { cleanEnv } from './gateway-process.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface CliOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Standard input; absent = empty. */
  readonly input?: string;
  readonly cwd?: string;
}

export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON. */
  json(): unknown;
}

/** Runs one command to its end, in a process of its own, as a person without settings would. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...cleanEnv(), NO_COLOR: '1', FORCE_COLOR: undefined, ...options.env },
    stdio: 'pipe',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.end(options.input ?? '');
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr, json: () => JSON.parse(stdout) as unknown };
}
