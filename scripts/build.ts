import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, globSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Builds `dist`, what the published package is made of: JavaScript with types, and the data beside it. */
const root = fileURLToPath(new URL('..', import.meta.url));
const from = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

// What an earlier build left would be published as well.
rmSync(from('dist'), { recursive: true, force: true });
const compiler = from('node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [compiler, '--project', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

// Read at run time from beside the code, where tsc does not put it.
for (const [pattern, lack] of [
  ['src/stores/*/migrations/*.sql', 'no migrations were found: the package would not start'],
  ['packages/client/src/simulate/payloads/*.json', 'no payloads were found: nothing could be simulated'],
] as const) {
  const data = globSync(pattern, { cwd: root });
  if (data.length === 0) throw new Error(lack);
  for (const file of data) cpSync(from(file), from(`dist/${file}`), { recursive: true });
}
chmodSync(from('dist/src/cli/main.js'), 0o755);
