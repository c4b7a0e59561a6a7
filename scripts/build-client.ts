import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Provider } from '../packages/client/src/verify/provider.ts';
import { providers } from '../packages/client/src/verify/provider-table.ts';

/**
 * Builds `packages/client/dist`, the folder that is published as `@ringback/client`: JavaScript with
 * types, one module for each provider, and a package.json whose exports name these instead of the
 * sources that the workspace uses.
 */
const folder = new URL('../packages/client/', import.meta.url);
const dist = new URL('dist/', folder);
const inDist = (path: string): string => fileURLToPath(new URL(path, dist));

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

rmSync(dist, { recursive: true, force: true });
compile();
mkdirSync(new URL('providers/', dist));
for (const [id, provider] of Object.entries(providers)) writeProvider(id, provider);
writeFileSync(inDist('package.json'), `${JSON.stringify(publishedManifest(), null, 2)}\n`);
for (const file of ['LICENSE', 'NOTICE']) cpSync(new URL(`../../${file}`, folder), inDist(file));
cpSync(new URL('README.md', folder), inDist('README.md'));

function compile(): void {
  const compiler = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
  const project = fileURLToPath(new URL('tsconfig.build.json', folder));
  const { status } = spawnSync(process.execPath, [compiler, '--project', project], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function publishedManifest(): Record<string, unknown> {
  const source = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as Manifest;
  const { private: _ofTheWorkspace, scripts: _ofTheWorkspaceToo, exports, ...fields } = source;
  const built = Object.entries(exports).map(([entry, file]) => [
    entry,
    file.endsWith('.ts') ? conditions(file.replace('./src/', './').replace(/\.ts$/, '')) : file,
  ]);
  return {
    ...fields,
    exports: { ...Object.fromEntries(built), './providers/*': conditions('./providers/*') },
  };
}

function conditions(path: string): Readonly<Record<string, string>> {
  return { types: `${path}.d.ts`, default: `${path}.js` };
}

/** One provider with the code that its scheme takes, and no other. */
function writeProvider(id: string, { scheme, ...provider }: Provider): void {
  const name = id.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  const lines: string[] = [];
  const members = [`id: ${JSON.stringify(id)}`, `provider: ${JSON.stringify(provider)}`];
  if (scheme !== undefined && scheme.kind !== 'none') {
    const { from, prepare } = codeOf(scheme);
    lines.push(`import { ${prepare} } from '../verify/${from}.js';`);
    if (scheme.kind === 'custom') members.push(`prepare: ${prepare}`);
    else {
      lines.push(`const scheme = ${JSON.stringify(scheme)};`);
      members.push(`prepare: (credentials) => ${prepare}(scheme, credentials)`);
    }
  }
  if (provider.handshakes !== undefined) {
    lines.push(`import { compileHandshakes } from '../verify/handshake.js';`);
    members.push('compileHandshakes');
  }
  lines.push(`export const ${name} = { ${members.join(', ')} };`);
  writeFileSync(inDist(`providers/${id}.js`), `${lines.join('\n')}\n`);
  const type = `import type { ProviderModule } from '../verify/prepare-provider.js';`;
  const declaration = `/** The provider \`${id}\`, for \`@ringback/client/lean\`. */\nexport declare const ${name}: ProviderModule;`;
  writeFileSync(inDist(`providers/${id}.d.ts`), `${type}\n${declaration}\n`);
}

type WithCode = Exclude<NonNullable<Provider['scheme']>, { kind: 'none' }>;

function codeOf(scheme: WithCode): { readonly from: string; readonly prepare: string } {
  if (scheme.kind !== 'custom') {
    const from = scheme.kind === 'jwt' || scheme.kind === 'token' ? scheme.kind : 'signed-content';
    return { from, prepare: `prepare${capital(scheme.kind)}` };
  }
  const prepare = `prepare${scheme.fn.split('-').map(capital).join('')}`;
  return { from: `custom/${scheme.fn}`, prepare };
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
