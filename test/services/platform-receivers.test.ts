import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ROOT, run } from '../architecture/repository.ts';
import { createDestination, publish, send, settled, subscribe } from '../e2e/arrange.ts';
import { type GatewayProcess, startGatewayProcess } from '../e2e/gateway-process.ts';
import { type ExampleProgram, startExample } from '../e2e/receivers/example-program.ts';
import { DELIVERY_SECRET, deliveryHeaders } from '../support/signed-delivery.ts';

// Half a gigabyte for two tests: these packages are installed only where somebody asks for it.
const NEXT = ['next@16.4.6', 'react@19.2.0', 'react-dom@19.2.0'];
const MINIFLARE = ['miniflare@4.20260730.0'];
const INSTALL_MS = 400_000;

/** Serves a worker with workerd, the runtime of Cloudflare, and says where. */
const WORKER_HOST = `
import { readFileSync } from 'node:fs';
import { Miniflare } from 'miniflare';
const miniflare = new Miniflare({
  modules: true,
  script: readFileSync('worker.js', 'utf8'),
  bindings: { SECRET: process.env.SECRET },
  compatibilityDate: '2026-07-01',
  host: '127.0.0.1',
  port: 0,
  handleRuntimeStdio: (out) => out.pipe(process.stdout),
});
console.log('listening on ' + new URL('/hook', await miniflare.ready).href);
process.on('SIGTERM', () => miniflare.dispose().then(() => process.exit(0)));
`;

if (process.env['RINGBACK_TEST_PLATFORMS'] === undefined) {
  describe('The examples on their real platforms', () => {
    it.skip('receive in Next.js and workerd (skipped: set RINGBACK_TEST_PLATFORMS=1; installs 500 MB)');
  });
} else {
  describe('The examples on their real platforms', () => {
    let folder: string;
    let tarball: string;
    let gateway: GatewayProcess;
    let program: ExampleProgram | undefined;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'ringback-platforms-'));
      mustRun(process.execPath, ['scripts/build-client.ts'], ROOT);
      mustRun('npm', ['pack', '--pack-destination', folder], join(ROOT, 'packages/client/dist'));
      tarball = join(folder, readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? 'none');
      gateway = await startGatewayProcess();
    }, 120_000);

    afterEach(async () => {
      await program?.stop();
      program = undefined;
    });

    afterAll(async () => {
      expect(await gateway.stop()).toBe(0);
      rmSync(folder, { recursive: true, force: true });
    });

    /** A directory with the packed client and what the platform takes. */
    function platform(name: string, packages: readonly string[]): string {
      const directory = join(folder, name);
      mkdirSync(directory);
      writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }\n');
      mustRun('npm', ['install', '--no-audit', '--no-fund', tarball, ...packages], directory);
      return directory;
    }

    async function receivesAt(url: string, said: (id: string) => Promise<void>): Promise<void> {
      const destination = await createDestination(gateway, { url, signing: { secret: DELIVERY_SECRET } });
      await subscribe(gateway, { destination_id: destination.id, types: ['order.paid'] });
      const { id } = await publish(gateway, { type: 'order.paid', data: { n: 1 } });
      await said(id);
      const delivery = await settled(gateway, id);
      expect(delivery.attempts).toMatchObject([{ outcome: 'succeeded', status: 204 }]);
      await gateway.api('POST', `/v1/destinations/${destination.id}/disable`);

      const body = '{ "n": 1.0 }';
      const headers = deliveryHeaders(body, { id: 'evt_forged' });
      expect((await send(url, `${body} `, headers)).status).toBe(401);
      expect((await send(url, body, headers)).status).toBe(204);
      expect(await send(url, body, headers)).toMatchObject({ status: 200, body: { duplicate: true } });
    }

    it(
      'receive in Next.js, built for production',
      async () => {
        const directory = platform('next', NEXT);
        mkdirSync(join(directory, 'app/hook'), { recursive: true });
        // As JavaScript, which the example also is: Next.js would install TypeScript otherwise.
        cpSync(join(ROOT, 'examples/receivers/next/app/hook/route.ts'), join(directory, 'app/hook/route.js'));
        writeFileSync(
          join(directory, 'app/layout.js'),
          'export default function Layout({ children }) { return children; }\n',
        );
        const next = join(directory, 'node_modules/next/dist/bin/next');
        mustRun(process.execPath, [next, 'build'], directory);
        writeFileSync(
          join(directory, 'start.mjs'),
          `import next from 'next'; import { createServer } from 'node:http';
           const app = next({ dev: false }); await app.prepare();
           const server = createServer(app.getRequestHandler()).listen(0, '127.0.0.1', () =>
             console.log('listening on http://127.0.0.1:' + server.address().port + '/hook'));`,
        );
        program = await startExample(
          [process.execPath, 'start.mjs'],
          { SECRET: DELIVERY_SECRET, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
          directory,
        );
        await receivesAt(program.url, (id) => program?.said(`handled order.paid ${id}`) ?? Promise.reject());
      },
      INSTALL_MS,
    );

    it(
      'receive in workerd, the runtime of Cloudflare Workers',
      async () => {
        const directory = platform('worker', MINIFLARE);
        cpSync(join(ROOT, 'examples/receivers/cloudflare/worker.ts'), join(directory, 'worker.ts'));
        const build = await rolldown({ input: join(directory, 'worker.ts'), platform: 'browser' });
        await build.write({ file: join(directory, 'worker.js'), format: 'esm' });
        await build.close();
        writeFileSync(join(directory, 'host.mjs'), WORKER_HOST);
        program = await startExample([process.execPath, 'host.mjs'], { SECRET: DELIVERY_SECRET }, directory);
        await receivesAt(program.url, (id) => program?.said(`handled order.paid ${id}`) ?? Promise.reject());
      },
      INSTALL_MS,
    );
  });
}

function mustRun(command: string, args: readonly string[], cwd: string): void {
  const { status, stdout, stderr } = run(command, args, { cwd, timeoutMs: 300_000 });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stdout}${stderr}`);
}
