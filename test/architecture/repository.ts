import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository's root, with a slash at the end. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export function readText(path: string): string {
  return readFileSync(ROOT + path, 'utf8');
}

/** What a program printed, and how it ended. Never throws for the latter. */
export function run(command: string, args: readonly string[], options: { cwd: string; timeoutMs?: number }) {
  const { stdout, stderr, status } = spawnSync(command, args, {
    cwd: options.cwd,
    encoding: 'utf8',
    timeout: options.timeoutMs ?? 60_000,
    maxBuffer: 64 * 1024 * 1024,
    // Vitest's own variables would make a child think that it is a test as well.
    env: { ...process.env, NODE_OPTIONS: '', VITEST: '', NODE_ENV: '' },
  });
  return { stdout, stderr, status };
}
