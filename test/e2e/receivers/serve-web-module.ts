/**
 * Serves a module that answers Web-standard requests, as its platform would: `POST` of a Next.js route
 * handler, or the default export of a Cloudflare Worker.
 *
 *   node test/e2e/receivers/serve-web-module.ts MODULE
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serve } from '@hono/node-server';

interface WebModule {
  readonly POST?: (request: Request) => Promise<Response>;
  readonly default?: {
    fetch(request: Request, environment: Record<string, string | undefined>): Promise<Response>;
  };
}

const module = (await import(pathToFileURL(resolve(process.argv[2] ?? '')).href)) as WebModule;
const fetch = (request: Request): Promise<Response> => {
  if (module.POST !== undefined) return module.POST(request);
  if (module.default === undefined) throw new Error('the module exports neither POST nor a worker');
  return module.default.fetch(request, { SECRET: process.env['SECRET'] });
};
serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`listening on http://127.0.0.1:${port}/hook`);
});
