import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { vi } from 'vitest';
import { cleanEnv } from '../gateway-process.ts';

/** A receiver of `examples/` as its reader would run it. */
export interface ExampleProgram {
  readonly url: string;
  /** The lines that it has written so far. */
  lines(): string[];
  /** Resolves when a line begins so. */
  said(beginning: string): Promise<void>;
  /** In good order, so that what it started ends as well. */
  stop(): Promise<void>;
  /** `kill -9`. */
  kill(): Promise<void>;
}

/** Starts a program and waits until it says where it listens. */
export async function startExample(
  [program, ...args]: readonly [program: string, ...args: string[]],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<ExampleProgram> {
  const child: ChildProcess = spawn(program, args, { cwd, env: { ...cleanEnv(), ...env } });
  const exited = once(child, 'exit');
  const output = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.err += text));
  const lines = (): string[] => output.out.split('\n');
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  const stop = (): Promise<void> => end('SIGTERM');
  try {
    const url = await vi.waitFor(
      () => {
        const found = /listen(?:s|ing) on (http:\S+)/.exec(output.out)?.[1];
        if (found === undefined) throw new Error(`it does not listen: ${output.out}${output.err}`);
        return found;
      },
      { timeout: 15_000, interval: 25 },
    );
    return {
      url,
      lines,
      stop,
      kill: () => end('SIGKILL'),
      said: (beginning) =>
        vi.waitFor(
          () => {
            if (!lines().some((line) => line.startsWith(beginning))) {
              throw new Error(`it did not say "${beginning}": ${output.out}${output.err}`);
            }
          },
          { timeout: 10_000, interval: 10 },
        ),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
