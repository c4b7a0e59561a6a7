import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Writes a generated file, or with `--check` says whether it is up to date and changes nothing.
 *
 * `target` is relative to the repository's root.
 */
export function writeOrCheck(target: string, wanted: string): void {
  const path = fileURLToPath(new URL(`../${target}`, import.meta.url));
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, wanted);
    return;
  }
  if (present(path) === wanted) return;
  console.error(`${target} is out of date; run: node scripts/${basename(process.argv[1] ?? '')}`);
  process.exitCode = 1;
}

function present(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // A missing file is as out of date as an old one.
    return null;
  }
}
