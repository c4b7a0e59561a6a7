import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// Every generator of this folder, so that a new one is run and checked without being listed anywhere.
const folder = fileURLToPath(new URL('.', import.meta.url));
const generators = readdirSync(folder).filter(
  (file) => /^generate-[\w-]+\.ts$/.test(file) && file !== 'generate-all.ts',
);
for (const generator of generators) {
  const { status } = spawnSync(process.execPath, [folder + generator, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  // Told by the generator itself; the others run all the same, so that one look shows everything.
  if (status !== 0) process.exitCode = 1;
}
