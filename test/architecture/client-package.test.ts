import { createHmac } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContext, Script } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { providers } from '../../packages/client/src/verify/provider-table.ts';
import { DELIVERY_SECRET, deliveryHeaders } from '../support/signed-delivery.ts';
import { ROOT, readText, run } from './repository.ts';

const GUIDE = 'docs/guides/receive-webhooks.md';
const DIST = join(ROOT, 'packages/client/dist');

/** A program that has the package from its tarball, and nothing else. */
let program = '';
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-client-'));
  const build = run(process.execPath, ['scripts/build-client.ts'], { cwd: ROOT, timeoutMs: 120_000 });
  if (build.status !== 0) throw new Error(`the build failed: ${build.stdout}${build.stderr}`);
  const pack = run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: DIST });
  if (pack.status !== 0) throw new Error(`npm pack failed: ${pack.stderr}`);
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? 'none';
  program = join(folder, 'program');
  mkdirSync(program);
  writeFileSync(join(program, 'package.json'), '{ "private": true, "type": "module" }\n');
  const args = ['install', '--no-audit', '--no-fund', '--offline', join(folder, tarball)];
  const install = run('npm', args, { cwd: program, timeoutMs: 120_000 });
  if (install.status !== 0) throw new Error(`npm install failed: ${install.stderr}`);
}, 300_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

let written = 0;

function write(code: string, extension = 'js'): string {
  written += 1;
  const file = join(program, `program-${written}.${extension}`);
  writeFileSync(file, code);
  return file;
}

interface Bundle {
  readonly code: string;
  readonly gzipBytes: number;
}

/** What a bundler makes of a program for the edge: one minified file without anything to import. */
async function bundle(code: string, format: 'esm' | 'iife' = 'esm'): Promise<Bundle> {
  const warnings: string[] = [];
  const build = await rolldown({
    input: write(code),
    platform: 'browser',
    onLog: (_level, log) => warnings.push(log.message),
  });
  const { output } = await build.generate({ format, minify: true, name: 'program' });
  await build.close();
  // An import that cannot be resolved for the edge, such as a builtin of Node.js, is a warning.
  expect(warnings).toEqual([]);
  const [chunk] = output;
  expect(output.flatMap((part) => (part.type === 'chunk' ? part.imports : []))).toEqual([]);
  return { code: chunk.code, gzipBytes: gzipSync(chunk.code, { level: 9 }).length };
}

/** What the compiler says of a program that uses the package. */
function check(code: string, libraries: string, types: string): string {
  const file = write(code, 'ts');
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const options = `--noEmit --strict --module nodenext --target es2022 --lib ${libraries} --types ${types}`;
  const args = [compiler, ...options.split(' '), '--exactOptionalPropertyTypes', file];
  const { stdout, stderr } = run(process.execPath, args, { cwd: program });
  return stdout + stderr;
}

describe('the published client', () => {
  it('holds its entries and providers, with neither sources nor tests nor dependencies', () => {
    const list = run('npm', ['pack', '--ignore-scripts', '--dry-run', '--json'], { cwd: DIST });
    const [packed] = JSON.parse(list.stdout) as { files: { path: string }[] }[];
    const files = packed?.files.map(({ path }) => path) ?? [];
    expect(files).toEqual(
      expect.arrayContaining(['LICENSE', 'NOTICE', 'README.md', 'client.js', 'client.d.ts']),
    );
    expect(files.filter((file) => /\.test\.|\.jsonl?$|(?<!\.d)\.ts$/.test(file))).toEqual(['package.json']);
    const manifest = JSON.parse(readFileSync(join(DIST, 'package.json'), 'utf8')) as Record<string, unknown>;
    expect(Object.keys(manifest).filter((field) => /dependencies|private|scripts/i.test(field))).toEqual([]);
  });

  it('says the version of the gateway that it was tested with', () => {
    const { version } = JSON.parse(readText('package.json')) as { version: string };
    expect(JSON.parse(readText('packages/client/package.json'))).toMatchObject({ version });
  });

  it('offers each entry, and a module for each provider that works', () => {
    const { exports } = JSON.parse(readText('packages/client/package.json')) as {
      exports: Record<string, string>;
    };
    const entries = Object.keys(exports).filter((entry) => entry !== './package.json');
    const names = [
      ...entries.map((entry) => entry.slice(2)),
      ...Object.keys(providers).map((id) => `providers/${id}`),
    ];
    const imports = names.map((name) => JSON.stringify(`@ringback/client${name === '' ? '' : `/${name}`}`));
    const code = `
      for (const name of [${imports.join()}]) {
        const module = await import(name);
        if (Object.keys(module).length === 0) throw new Error(name + ' exports nothing');
        if (!name.includes('/providers/')) continue;
        const [[, provider], ...more] = Object.entries(module);
        if (more.length > 0 || !name.endsWith('/' + provider.id)) throw new Error(name + ' is not one provider');
      }`;
    const { stderr, status } = run(process.execPath, [write(code)], { cwd: program });
    expect([stderr, status]).toEqual(['', 0]);
  });

  it('verifies with the module of a provider', () => {
    const body = '{"action":"opened"}';
    const signature = `sha256=${createHmac('sha256', 's3cret').update(body).digest('hex')}`;
    const code = `
      import { verify } from '@ringback/client/lean';
      import { github } from '@ringback/client/providers/github';
      const request = (signature) => new Request('https://example.com/', { method: 'POST', body: ${JSON.stringify(body)},
        headers: { 'x-github-event': 'issues', 'x-hub-signature-256': signature } });
      const options = { provider: github, secret: 's3cret' };
      const results = [await verify(request('${signature}'), options), await verify(request('sha256=00'), options)];
      process.stdout.write(JSON.stringify(results));`;
    const { stdout, stderr } = run(process.execPath, [write(code)], { cwd: program });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject([
      { ok: true, event: { type: 'com.github.issues.opened' }, covers: 'body' },
      { ok: false },
    ]);
  });
});

describe('its types', () => {
  it('need nothing of Node.js at the edge', () => {
    const code = `
      import { memoryStore, receive, verify, type RingbackEvents } from '@ringback/client';
      import { receive as receiveFrom } from '@ringback/client/lean';
      import { stripe } from '@ringback/client/providers/stripe';
      import { createVerifier } from '@ringback/client/verify';
      import { sign } from '@ringback/client/sign';
      import { redisStore } from '@ringback/client/redis';
      interface Events extends RingbackEvents { 'order.paid': { total: number } }
      const hook = receive<Events>({
        secret: 'whsec_',
        idempotency: redisStore(async (command) => command.length),
        onEvent: async (event) => { if (event.is('order.paid')) event.data.total.toFixed(); },
      });
      export default { fetch: (request: Request): Promise<Response> => hook(request) };
      export const POST = receiveFrom({ provider: stripe, secret: 'x', idempotency: memoryStore(), onEvent: () => {} });
      export const result = verify(new Request('https://example.com'), { provider: 'github', secret: 'x' });
      export const parts = [createVerifier, sign];`;
    expect(check(code, 'es2022,webworker,webworker.iterable', '')).toBe('');
  });

  it('fit the servers and databases that they name', () => {
    symlinkSync(join(ROOT, 'node_modules/@types'), join(program, 'node_modules/@types'));
    for (const name of ['express', 'fastify', 'hono', 'pg', 'undici-types']) {
      symlinkSync(join(ROOT, 'node_modules', name), join(program, 'node_modules', name));
    }
    const code = `
      import { createServer } from 'node:http';
      import { DatabaseSync } from 'node:sqlite';
      import express from 'express';
      import { fastify } from 'fastify';
      import { Hono } from 'hono';
      import { Pool } from 'pg';
      import { receive } from '@ringback/client';
      import { fastifyReceiver } from '@ringback/client/fastify';
      import { nodeHandler } from '@ringback/client/node';
      import { postgresStore } from '@ringback/client/postgres';
      import { sqliteStore } from '@ringback/client/sqlite';
      const receiver = receive({ secret: process.env['SECRET'], onEvent: () => {}, idempotency: sqliteStore(new DatabaseSync(':memory:')) });
      export const store = postgresStore(new Pool());
      createServer(nodeHandler(receiver));
      express().post('/hook', nodeHandler(receiver));
      fastify().register(fastifyReceiver(receiver), { url: '/hook' });
      new Hono().post('/hook', (context) => receiver(context.req.raw));`;
    expect(check(code, 'es2024,esnext.disposable', 'node --skipLibCheck')).toBe('');
  });
});

describe('at the edge', () => {
  // What Web platforms have in common (WinterTC, "Minimum common web API"), as far as it is used.
  const webGlobals = {
    AbortController,
    AbortSignal,
    atob,
    btoa,
    clearInterval,
    console,
    crypto,
    fetch,
    Headers,
    performance,
    ReadableStream,
    Request,
    Response,
    setInterval,
    TextDecoder,
    TextEncoder,
    URL,
    URLSearchParams,
  };
  const entries = [
    ['the main entry', `import { receive } from '@ringback/client';`],
    ['the lean entry', `import { receive } from '@ringback/client/lean';`],
  ] as const;

  it.each(entries)('%s receives with nothing but Web globals', async (_name, imports) => {
    const { code } = await bundle(
      `${imports}
      const handled = [];
      const hook = receive({ secret: ${JSON.stringify(DELIVERY_SECRET)}, onEvent: (event) => { handled.push(event.data); } });
      export { handled, hook };`,
      'iife',
    );
    expect(code).not.toMatch(/\bnode:|\brequire\(|\bprocess\.|\bBuffer\b/);
    const context = createContext({ ...webGlobals });
    new Script(code).runInContext(context);
    const { handled, hook } = context['program'] as {
      handled: unknown[];
      hook: (request: Request) => Promise<Response>;
    };
    const body = '{"n":1}';
    const headers = deliveryHeaders(body);
    const post = async (text: string): Promise<number> =>
      (await hook(new Request('https://example.com/hook', { method: 'POST', body: text, headers }))).status;
    expect([await post('{"n":2}'), await post(body), await post(body)]).toEqual([401, 204, 200]);
    expect(JSON.stringify(handled)).toBe('[{"n":1}]');
  });

  it.each(['sqlite', 'postgres', 'redis', 'sign', 'verify', 'node', 'fastify'])(
    'the entry %s imports no builtin',
    async (entry) => {
      const { code } = await bundle(`export * from '@ringback/client/${entry}';`);
      expect(code).not.toMatch(/from\s*["']node:/);
    },
  );
});

describe('its size', () => {
  const programs: Readonly<Record<string, string>> = {
    '`verify` of `/lean`, Ringback': `export { verify } from '@ringback/client/lean';`,
    '`receive` of `/lean`, Ringback': `export { receive } from '@ringback/client/lean';`,
    'the same, GitHub and Stripe too': `
      export { receive, ringback } from '@ringback/client/lean';
      export { github } from '@ringback/client/providers/github';
      export { stripe } from '@ringback/client/providers/stripe';`,
    '`receive` of the main entry, every sender': `export { receive } from '@ringback/client';`,
    'the main entry, all of it': `export * from '@ringback/client';`,
  };
  const told = new Map(
    Array.from(readText(GUIDE).matchAll(/^\| (.+?) +\| (\d+\.\d) KB +\|$/gm), ([, what = '', size]) => [
      what,
      Number(size),
    ]),
  );

  it('is told for these programs, and for no others', () => {
    expect([...told.keys()]).toEqual(Object.keys(programs));
  });

  it.each(Object.entries(programs))('%s: as the guide says', async (what, code) => {
    const { gzipBytes } = await bundle(code);
    const kilobytes = gzipBytes / 1000;
    // An upper bound that a careless import breaks, and figures that do not rot.
    expect(kilobytes).toBeLessThanOrEqual(told.get(what) ?? 0);
    expect(kilobytes).toBeGreaterThan((told.get(what) ?? 0) - 1.5);
  });

  it('leaves out the senders that are not imported', async () => {
    const { code } = await bundle(programs['the same, GitHub and Stripe too'] ?? '');
    expect(code).toContain('x-hub-signature-256');
    expect(code).not.toMatch(/x-shopify|x-slack|x-twilio/i);
  });
});
