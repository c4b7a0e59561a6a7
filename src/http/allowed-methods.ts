import type { FastifyInstance } from 'fastify';

/**
 * The methods of a path, for `Allow` (RFC 9110, section 15.5.6): the router itself tells a wrong method
 * and a wrong path alike. Call it before the first route is made.
 */
export function allowedMethods(app: FastifyInstance): (path: string) => readonly string[] {
  const routes: { readonly methods: readonly string[]; readonly pattern: RegExp }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    routes.push({ methods: [method].flat(), pattern: patternOf(url) });
  });
  return (path) => {
    const found = routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    return [...new Set(found)].toSorted();
  };
}

/** `/v1/sources/:id` and `/in/:key/*` as expressions; our own paths hold nothing else to escape than `.`. */
function patternOf(url: string): RegExp {
  const source = url.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+').replace(/\*$/, '.*');
  return new RegExp(`^${source}$`);
}
