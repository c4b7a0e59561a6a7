import type { ApiAnswer, ApiRequest, FakeApi } from './http-fake.ts';
import { serveApi } from './http-fake.ts';

interface Endpoint {
  readonly id: string;
  readonly url: string;
  readonly secret: string;
  enabled_events: string[];
  description: string | null;
  status: string;
}

/** Stripe's webhook endpoints: forms in, the secret at creation only, https only, newest first. */
export async function stripeApi(key: string): Promise<FakeApi & { endpoints: Endpoint[] }> {
  const endpoints: Endpoint[] = [];
  let made = 0;
  const shown = (endpoint: Endpoint) => ({ object: 'webhook_endpoint', ...endpoint, secret: undefined });
  const create = (form: URLSearchParams): ApiAnswer => {
    const url = form.get('url') ?? '';
    if (!url.startsWith('https://')) return invalid('Invalid URL: URL must be https');
    const events = eventsIn(form);
    if (events.length === 0) return invalid('Missing required param: enabled_events.');
    const id = `we_${++made}`;
    const secret = `whsec_secret${made}`;
    const endpoint = { id, url, secret, enabled_events: events, description: null, status: 'enabled' };
    endpoints.unshift(endpoint);
    return { status: 200, body: { ...shown(endpoint), secret } };
  };
  const one = (request: ApiRequest, id: string): ApiAnswer => {
    const index = endpoints.findIndex((each) => each.id === id);
    const endpoint = endpoints[index];
    if (endpoint === undefined) return invalid(`No such webhook endpoint: '${id}'`, 404);
    if (request.method === 'DELETE') {
      endpoints.splice(index, 1);
      return { status: 200, body: { id, object: 'webhook_endpoint', deleted: true } };
    }
    const form = new URLSearchParams(request.body);
    if (eventsIn(form).length > 0) endpoint.enabled_events = eventsIn(form);
    return { status: 200, body: shown(endpoint) };
  };
  const api = await serveApi((request) => {
    if (request.headers['authorization'] !== `Bearer ${key}`) {
      return invalid(`Invalid API Key provided: ${key.slice(0, 4)}***`, 401);
    }
    const [, id] = /^\/v1\/webhook_endpoints(?:\/(\w+))?$/.exec(request.path) ?? [request.path, 'unknown'];
    if (id !== undefined) return one(request, id);
    if (request.method === 'POST') return create(new URLSearchParams(request.body));
    return { status: 200, body: page(endpoints.map(shown), request.query) };
  });
  return { ...api, endpoints };
}

function page<Item extends { id: string }>(items: readonly Item[], query: URLSearchParams) {
  const after = items.findIndex(({ id }) => id === query.get('starting_after')) + 1;
  // Smaller pages than are asked for, so that a test needs few of them.
  const data = items.slice(after, after + 2);
  return { object: 'list', url: '/v1/webhook_endpoints', data, has_more: items.length > after + 2 };
}

// The official library numbers the items of a list, others leave the brackets empty.
function eventsIn(form: URLSearchParams): string[] {
  return [...form].filter(([name]) => /^enabled_events\[\d*\]$/.test(name)).map(([, value]) => value);
}

function invalid(message: string, status = 400): ApiAnswer {
  return { status, body: { error: { type: 'invalid_request_error', message } } };
}
