import type { ApiAnswer, ApiRequest, FakeApi } from './http-fake.ts';
import { serveApi } from './http-fake.ts';

interface Endpoint {
  readonly id: string;
  readonly url: string;
  name: string;
  event_types: string[];
  secret: string;
}

/** OpenAI's webhook endpoints: the secret at creation and rotation only, newest first. */
export async function openaiApi(key: string): Promise<FakeApi & { endpoints: Endpoint[] }> {
  const endpoints: Endpoint[] = [];
  let made = 0;
  const newSecret = () => `whsec_${Buffer.from(`openai-secret-number-${++made}`).toString('base64')}`;
  const shown = ({ secret, ...endpoint }: Endpoint) => ({
    object: 'webhook_endpoint',
    created_at: 1_795_262_400,
    signing_secret_hint: `whsec_...${secret.slice(-2)}`,
    ...endpoint,
  });
  const create = (request: ApiRequest): ApiAnswer => {
    const { url, name, event_types } = request.json() as Partial<Record<keyof Endpoint, never>>;
    if (url === undefined || name === undefined || event_types === undefined) return invalid('missing field');
    if (!String(url).startsWith('https://')) return invalid('url must be https');
    const endpoint = { id: `wh_${made + 1}`, url, name, event_types, secret: newSecret() };
    endpoints.unshift(endpoint);
    return { status: 200, body: { ...shown(endpoint), signing_secret: endpoint.secret } };
  };
  const api = await serveApi((request) => {
    if (request.headers['authorization'] !== `Bearer ${key}`) return invalid('Incorrect API key', 401);
    const [, id, rotate] = /^\/v1\/webhook_endpoints(?:\/(\w+)(\/rotate_secret)?)?$/.exec(request.path) ?? [];
    if (id === undefined) {
      if (request.method === 'POST') return create(request);
      const data = endpoints.map(shown);
      return { status: 200, body: { object: 'list', data, has_more: false } };
    }
    const endpoint = endpoints.find((each) => each.id === id);
    if (endpoint === undefined) return invalid('No such webhook endpoint', 404);
    if (rotate === undefined) {
      Object.assign(endpoint, request.json());
      return { status: 200, body: shown(endpoint) };
    }
    endpoint.secret = newSecret();
    return { status: 200, body: { ...shown(endpoint), signing_secret: endpoint.secret } };
  });
  return { ...api, endpoints };
}

function invalid(message: string, status = 400): ApiAnswer {
  return { status, body: { error: { message, type: 'invalid_request_error', code: null, param: null } } };
}
