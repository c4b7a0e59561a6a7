import { readFileSync } from 'node:fs';

/** The version in `package.json`, from `src` as from `dist`. */
export function readVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version?: string };
      if (found.version !== undefined) return found.version;
    } catch {
      // The other place has it.
    }
  }
  return '0.0.0';
}
