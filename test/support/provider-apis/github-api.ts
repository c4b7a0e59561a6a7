import type { ApiAnswer, ApiRequest, FakeApi } from './http-fake.ts';
import { serveApi } from './http-fake.ts';

interface Hook {
  readonly id: number;
  events: string[];
  active: boolean;
  config: Record<string, string>;
}

/** GitHub's hooks of a repository: masks secrets, refuses a URL twice, lists in pages. */
export async function githubApi(token: string): Promise<FakeApi & { hooks: Hook[] }> {
  const hooks: Hook[] = [];
  const shown = (hook: Hook) => ({
    type: 'Repository',
    name: 'web',
    ...hook,
    config: { ...hook.config, secret: '********' },
  });
  const list = ({ query, path }: ApiRequest): ApiAnswer => {
    const size = Number(query.get('per_page') ?? 30);
    const page = Number(query.get('page') ?? 1);
    const more = hooks.length > size * page;
    const link = `<http://api${path}?per_page=${size}&page=${page + 1}>; rel="next"`;
    return {
      status: 200,
      body: hooks.slice(size * (page - 1), size * page).map(shown),
      ...(more ? { headers: { link } } : {}),
    };
  };
  const create = (request: ApiRequest): ApiAnswer => {
    const { config, events = ['push'] } = request.json() as { config: Hook['config']; events?: string[] };
    if (hooks.some((hook) => hook.config['url'] === config['url'])) {
      const errors = [
        { resource: 'Hook', code: 'custom', message: 'Hook already exists on this repository' },
      ];
      return { status: 422, body: { message: 'Validation Failed', errors } };
    }
    const hook = { id: 1000 + hooks.length, active: true, events, config };
    hooks.push(hook);
    return { status: 201, body: shown(hook) };
  };
  const api = await serveApi((request) => {
    if (!['authorization'].some((name) => String(request.headers[name]).endsWith(` ${token}`))) {
      return { status: 401, body: { message: 'Bad credentials' } };
    }
    if (request.headers['user-agent'] === undefined) return { status: 403, body: { message: 'user agent' } };
    const id = /^\/repos\/acme\/web\/hooks(?:\/(\d+))?$/.exec(request.path);
    if (id === null) return { status: 404, body: { message: 'Not Found' } };
    if (id[1] === undefined) return request.method === 'POST' ? create(request) : list(request);
    const hook = hooks.find((each) => each.id === Number(id[1]));
    if (hook === undefined) return { status: 404, body: { message: 'Not Found' } };
    Object.assign(hook, request.json());
    return { status: 200, body: shown(hook) };
  });
  return { ...api, hooks };
}
