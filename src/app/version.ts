import { readFileSync } from 'node:fs';
import { isRecord } from '../domain/json-record.ts';

/** The version in `package.json`, from `src` as from `dist`. */
export function readVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
      if (isRecord(found) && typeof found['version'] === 'string') return found['version'];
    } catch {
      // The other place has it.
    }
  }
  return '0.0.0';
}
