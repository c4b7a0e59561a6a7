import { Octokit } from '@octokit/rest';
import { ApiVersion, DeliveryMethod, Session, shopifyApi as shopifySdk } from '@shopify/shopify-api';
import { setAbstractFetchFunc } from '@shopify/shopify-api/runtime';
import { Api as TelegramSdk } from 'grammy';
import { createHmac } from 'node:crypto';
import OpenAI from 'openai';
import { Webhook } from 'standardwebhooks';
import { Stripe } from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { githubApi } from '../support/provider-apis/github-api.ts';
import type { FakeApi } from '../support/provider-apis/http-fake.ts';
import { openaiApi } from '../support/provider-apis/openai-api.ts';
import { shopifyApi } from '../support/provider-apis/shopify-api.ts';
import { stripeApi } from '../support/provider-apis/stripe-api.ts';
import { telegramApi } from '../support/provider-apis/telegram-api.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { runCli } from './run-cli.ts';

await import('@shopify/shopify-api/adapters/node');

// The providers' own libraries look at what we have registered, and are looked at by us: so the APIs
// here answer as those libraries expect, and what we ask for is what they would ask for.

const PUBLIC_URL = 'https://hooks.example.com';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await startGatewayProcess({ env: { RINGBACK_PUBLIC_URL: PUBLIC_URL } });
});
afterAll(() => gateway.stop());

const open: FakeApi[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((api) => api.close()));
});

async function served<Api extends FakeApi>(starting: Promise<Api>): Promise<Api> {
  const api = await starting;
  open.push(api);
  return api;
}

interface SourceBody {
  readonly id: string;
  readonly url: string;
  readonly secrets: readonly unknown[];
}

let made = 0;
async function makeSource(provider: string, secrets?: readonly string[]): Promise<SourceBody> {
  const name = `${provider}-${++made}`;
  const given = secrets === undefined ? { await_secret: true } : { secrets };
  const answer = await gateway.api('POST', '/v1/sources', { name, provider, ...given });
  expect(answer).toMatchObject({ status: 201 });
  return answer.body as SourceBody;
}

async function secretsOf({ id }: SourceBody): Promise<number> {
  return ((await gateway.api('GET', `/v1/sources/${id}`)).body as SourceBody).secrets.length;
}

function register({ id }: SourceBody, body: Record<string, unknown>) {
  return gateway.api('POST', `/v1/sources/${id}/register`, body);
}

/** An event as the provider would send it to the URL that it was given. */
async function deliver(url: string, headers: Record<string, string>, body: string): Promise<number> {
  const local = url.replace(PUBLIC_URL, gateway.url);
  return (await fetch(local, { method: 'POST', headers, body })).status;
}

describe('GitHub', () => {
  const token = 'github_pat_1';
  const account = 'acme/web';

  test('a webhook is made once, signed with our secret, and found by Octokit', async () => {
    const api = await served(githubApi(token));
    const source = await makeSource('github', ['a-secret-of-some-length']);
    const asked = { token, account, events: ['push'], api_url: api.url };
    expect((await register(source, asked)).body).toMatchObject({
      action: 'create',
      hook_id: '1000',
      url: source.url,
      secret: 'kept',
    });
    const again = await register(source, { ...asked, events: ['push', 'issues'] });
    expect(again.body).toMatchObject({ action: 'update', events: ['push', 'issues'] });

    const octokit = new Octokit({ auth: token, baseUrl: api.url });
    const { data } = await octokit.rest.repos.listWebhooks({ owner: 'acme', repo: 'web' });
    expect(data).toMatchObject([
      { active: true, events: ['push', 'issues'], config: { url: source.url, content_type: 'json' } },
    ]);
    const body = '{"zen":"x"}';
    const secret = api.hooks[0]?.config['secret'] ?? '';
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    const headers = { 'x-github-event': 'ping', 'x-hub-signature-256': signature };
    expect(await deliver(source.url, headers, body)).toBe(202);
  });

  test('one made by Octokit is taken over, also from the second page, with a secret made by us', async () => {
    const api = await served(githubApi(token));
    const source = await makeSource('github', ['first-secret-of-some-length']);
    const octokit = new Octokit({ auth: token, baseUrl: api.url });
    for (let index = 0; index < 101; index++) {
      const config = { url: `https://other.example/${index}`, content_type: 'json' };
      // oxlint-disable-next-line no-await-in-loop
      await octokit.rest.repos.createWebhook({ owner: 'acme', repo: 'web', config });
    }
    const config = { url: source.url, content_type: 'form', secret: 'unknown to us' };
    await octokit.rest.repos.createWebhook({ owner: 'acme', repo: 'web', config });
    const answer = await register(source, { token, account, api_url: api.url });
    expect(answer.body).toMatchObject({ action: 'update', events: ['*'] });
    expect(api.hooks).toHaveLength(102);
    expect(api.hooks.at(-1)?.config).toMatchObject({
      content_type: 'json',
      secret: 'first-secret-of-some-length',
    });
  });

  test('what GitHub refuses is told with its words and a hint, and the token is in no output', async () => {
    const api = await served(githubApi(token));
    const source = await makeSource('github', ['a-secret-of-some-length']);
    const wrong = await register(source, { token: 'ghp_wrong', account, api_url: api.url });
    expect(wrong).toMatchObject({ status: 422, body: { code: 'provider_refused' } });
    expect(wrong.body).toMatchObject({
      detail: expect.stringMatching(/401: Bad credentials \(is the token right/),
    });
    const absent = await register(source, { token, account: 'acme/none', api_url: api.url });
    expect(absent.body).toMatchObject({ detail: expect.stringMatching(/404: Not Found \(may the token/) });
    for (const strange of ['acme/../../user', 'a/b/c', '..', 'a b']) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await register(source, { token, account: strange, api_url: api.url })).toMatchObject({
        status: 422,
      });
    }
    const down = await register(source, { token, account, api_url: 'http://127.0.0.1:9' });
    expect(down).toMatchObject({ status: 502, body: { code: 'provider_unavailable', retryable: true } });
    const output = JSON.stringify([wrong, absent, down]) + gateway.stdout() + gateway.stderr();
    expect(output).not.toContain('ghp_wrong');
    expect(output).not.toContain(token);
  });
});

function signedByStripe(secret: string, stripe: Stripe) {
  const payload = '{"id":"evt_1","object":"event","type":"invoice.paid"}';
  const header = stripe.webhooks.generateTestHeaderString({ payload, secret });
  return [{ 'stripe-signature': header }, payload] as const;
}

describe('Stripe', () => {
  const token = 'sk_test_1';

  test('the secret that it makes is kept, and events signed with it are taken', async () => {
    const api = await served(stripeApi(token));
    const stripe = new Stripe(token, { host: '127.0.0.1', port: api.port, protocol: 'http' });
    const source = await makeSource('stripe');
    expect(await deliver(source.url, ...signedByStripe('whsec_early', stripe))).toBe(503);

    const asked = { token, api_url: api.url };
    const planned = await register(source, { ...asked, dry_run: true });
    expect(planned.body).toMatchObject({ action: 'create', dry_run: true, hook_id: null, events: ['*'] });
    expect(api.endpoints).toEqual([]);
    const answer = await register(source, asked);
    expect(answer.body).toMatchObject({ action: 'create', hook_id: 'we_1', secret: 'received' });
    expect(JSON.stringify(answer.body)).not.toContain('whsec_');
    expect(await secretsOf(source)).toBe(1);
    expect((await register(source, asked)).body).toMatchObject({ action: 'none', hook_id: 'we_1' });
    const other = await register(source, { ...asked, events: ['invoice.paid', 'charge.failed'] });
    expect(other.body).toMatchObject({ action: 'update', secret: 'kept' });

    const listed = await stripe.webhookEndpoints.list();
    expect(listed.data).toMatchObject([
      { id: 'we_1', url: source.url, enabled_events: ['invoice.paid', 'charge.failed'] },
    ]);
    expect(await deliver(source.url, ...signedByStripe(api.endpoints[0]?.secret ?? '', stripe))).toBe(202);
  });

  test('an endpoint whose secret nobody has is made anew, after those of others on later pages', async () => {
    const api = await served(stripeApi(token));
    const stripe = new Stripe(token, { host: '127.0.0.1', port: api.port, protocol: 'http' });
    const source = await makeSource('stripe');
    await stripe.webhookEndpoints.create({ url: source.url, enabled_events: ['*'] });
    for (let index = 0; index < 5; index++) {
      const url = `https://other.example/${index}`;
      // oxlint-disable-next-line no-await-in-loop
      await stripe.webhookEndpoints.create({ url, enabled_events: ['*'] });
    }
    const answer = await register(source, { token, api_url: api.url });
    expect(answer.body).toMatchObject({ action: 'renew', secret: 'received' });
    const ours = api.endpoints.filter(({ url }) => url === source.url);
    expect(ours).toHaveLength(1);
    expect(api.endpoints).toHaveLength(6);
    expect(await deliver(source.url, ...signedByStripe(ours[0]?.secret ?? '', stripe))).toBe(202);
  });
});

function signedByOpenAI(secret: string) {
  const body = '{"id":"evt_1","object":"event","type":"response.completed","data":{"id":"resp_1"}}';
  const now = new Date();
  const signature = new Webhook(secret).sign('wh_msg_1', now, body);
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const headers = {
    'webhook-id': 'wh_msg_1',
    'webhook-timestamp': timestamp,
    'webhook-signature': signature,
  };
  return [headers, body] as const;
}

describe('OpenAI', () => {
  const token = 'sk-proj-1';

  test('an endpoint is made with its secret, and found by the official library', async () => {
    const api = await served(openaiApi(token));
    const source = await makeSource('openai');
    const asked = { token, api_url: `${api.url}/v1` };
    expect((await register(source, asked)).body).toMatchObject({ action: 'create', secret: 'received' });
    expect((await register(source, asked)).body).toMatchObject({ action: 'none' });
    const openai = new OpenAI({ apiKey: token, baseURL: `${api.url}/v1` });
    const page = await openai.webhooks.list();
    expect(page.data).toHaveLength(1);
    expect(page.data[0]).toMatchObject({
      url: source.url,
      event_types: expect.arrayContaining(['response.completed']),
    });
    expect(await deliver(source.url, ...signedByOpenAI(api.endpoints[0]?.secret ?? ''))).toBe(202);
  });

  test('the secret of one that the library made is renewed, since it cannot be read', async () => {
    const api = await served(openaiApi(token));
    const source = await makeSource('openai');
    const openai = new OpenAI({ apiKey: token, baseURL: `${api.url}/v1` });
    const before = await openai.webhooks.create({
      url: source.url,
      name: 'by hand',
      event_types: ['batch.completed'],
    });
    const answer = await register(source, { token, api_url: `${api.url}/v1`, events: ['response.failed'] });
    expect(answer.body).toMatchObject({ action: 'renew', hook_id: before.id, events: ['response.failed'] });
    expect(api.endpoints).toHaveLength(1);
    expect(api.endpoints[0]?.secret).not.toBe(before.signing_secret);
    expect(await deliver(source.url, ...signedByOpenAI(api.endpoints[0]?.secret ?? ''))).toBe(202);
  });
});

describe('Telegram', () => {
  const token = '123456:ABC-def_1';

  test('the webhook of the bot is set with a secret made here, as grammY sees it', async () => {
    const api = await served(telegramApi(token));
    const source = await makeSource('telegram');
    const asked = { token, api_url: api.url };
    expect((await register(source, { ...asked, events: ['message'] })).body).toMatchObject({
      action: 'create',
      secret: 'made',
    });
    expect((await register(source, asked)).body).toMatchObject({ action: 'update', secret: 'kept' });
    expect(await secretsOf(source)).toBe(1);
    const bot = new TelegramSdk(token, { apiRoot: api.url });
    expect(await bot.getWebhookInfo()).toMatchObject({ url: source.url });
    const headers = { 'x-telegram-bot-api-secret-token': api.bot.secretToken };
    expect(await deliver(source.url, headers, '{"update_id":1,"message":{}}')).toBe(200);
    expect(gateway.stdout() + gateway.stderr()).not.toContain(token);
  });

  test('the webhook of another is ended only when that is asked for', async () => {
    const api = await served(telegramApi(token));
    const bot = new TelegramSdk(token, { apiRoot: api.url });
    await bot.setWebhook('https://other.example/secret-path', { secret_token: 'theirs' });
    const source = await makeSource('telegram');
    const refused = await register(source, { token, api_url: api.url });
    expect(refused).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(JSON.stringify(refused.body)).toContain('other.example');
    expect(JSON.stringify(refused.body)).not.toContain('secret-path');
    expect((await register(source, { token, api_url: api.url, replace: true })).status).toBe(200);
    expect((await bot.getWebhookInfo()).url).toBe(source.url);
  });

  test('what would break its URL or its rules is refused before anything is sent', async () => {
    const api = await served(telegramApi(token));
    const source = await makeSource('telegram');
    const spaced = { name: 'spaced', provider: 'telegram', secrets: ['not allowed: spaces'] };
    expect(await gateway.api('POST', '/v1/sources', spaced)).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/secrets/0' }] },
    });
    const strange = await register(source, { token: '1:a/../../x', api_url: api.url });
    expect(strange).toMatchObject({ status: 422, body: { errors: [{ pointer: '/token' }] } });
    expect(api.calls).toEqual([]);
  });
});

function ignored(): Promise<void> {
  return Promise.resolve();
}

describe('Shopify', () => {
  const token = 'shpat_1';
  const shop = 'acme.myshopify.com';
  const secret = 'client-secret-of-the-app';

  test('topics are subscribed to once, those no longer wanted end, as the official library sees it', async () => {
    const api = await served(shopifyApi(token));
    const source = await makeSource('shopify', [secret]);
    const asked = { token, account: shop, api_url: api.url };
    expect(await register(source, asked)).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/events' }] },
    });
    const events = ['orders/create', 'orders/paid', 'APP_UNINSTALLED'];
    expect((await register(source, { ...asked, events })).body).toMatchObject({
      action: 'create',
      secret: 'kept',
    });
    expect((await register(source, { ...asked, events })).body).toMatchObject({ action: 'none' });
    const fewer = await register(source, { ...asked, events: ['orders/create', 'products/update'] });
    expect(fewer.body).toMatchObject({ action: 'update', events: ['ORDERS_CREATE', 'PRODUCTS_UPDATE'] });

    // The library speaks to https://SHOP only; its requests are led to the API here, unchanged.
    setAbstractFetchFunc((input, init) => {
      const sent = new Request(input, init);
      return fetch(new Request(sent.url.replace(`https://${shop}`, api.url), sent));
    });
    const sdk = shopifySdk({
      apiKey: 'k',
      apiSecretKey: secret,
      apiVersion: ApiVersion.October26,
      hostName: new URL(PUBLIC_URL).host,
      isEmbeddedApp: false,
      logger: { level: 0 },
    });
    const callbackUrl = source.url.replace(PUBLIC_URL, '');
    for (const topic of ['ORDERS_CREATE', 'PRODUCTS_UPDATE']) {
      sdk.webhooks.addHandlers({
        [topic]: { deliveryMethod: DeliveryMethod.Http, callbackUrl, callback: ignored },
      });
    }
    const session = new Session({ id: 's', shop, state: '', isOnline: false, accessToken: token });
    const before = structuredClone(api.subscriptions);
    // It finds what it would have made itself, so it has nothing to do.
    expect(await sdk.webhooks.register({ session })).toEqual({ ORDERS_CREATE: [], PRODUCTS_UPDATE: [] });
    expect(api.subscriptions).toEqual(before);

    const body = '{"id":1}';
    const hmac = createHmac('sha256', secret).update(body).digest('base64');
    const headers = { 'x-shopify-hmac-sha256': hmac, 'x-shopify-topic': 'orders/create' };
    expect(await deliver(source.url, headers, body)).toBe(202);
  });

  test('the shop must be one, and what it refuses is told', async () => {
    const api = await served(shopifyApi(token));
    const source = await makeSource('shopify', [secret]);
    const asked = { token, account: shop, api_url: api.url, events: ['no/such_topic'] };
    expect((await register(source, asked)).body).toMatchObject({
      code: 'provider_refused',
      detail: expect.stringContaining('NO_SUCH_TOPIC'),
    });
    const { api_url: _, ...publicApi } = asked;
    for (const account of [
      'evil.example',
      'acme.myshopify.com.evil.example',
      'acme.myshopify.com/x',
      'a@b',
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await register(source, { ...publicApi, account })).toMatchObject({ status: 422 });
    }
    expect(await register(source, { ...asked, token: 'wrong' })).toMatchObject({
      body: { code: 'provider_refused', detail: expect.stringContaining('401') },
    });
  });
});

describe('from the command line', () => {
  test('the token comes from standard input, and the answer is for people or programs', async () => {
    const api = await served(stripeApi('sk_test_cli'));
    const source = await makeSource('stripe');
    const env = { RINGBACK_URL: gateway.url, RINGBACK_DATA_DIR: gateway.dataDir };
    const args = ['sources', 'register', source.id, '--token', '-', '--api-url', api.url];
    const planned = await runCli([...args, '--dry-run', '--json'], { env, input: 'sk_test_cli\n' });
    expect(planned.json()).toMatchObject({ action: 'create', dry_run: true });
    const named = args.map((arg) => (arg === '-' ? '@env:STRIPE_KEY' : arg));
    const fromVariable = await runCli([...named, '--dry-run', '--json'], {
      env: { ...env, STRIPE_KEY: 'sk_test_cli' },
    });
    expect(fromVariable.json()).toMatchObject({ action: 'create' });
    const unset = await runCli([...named, '--dry-run'], { env });
    expect([unset.code === 0, unset.stderr]).toEqual([
      false,
      expect.stringContaining('STRIPE_KEY is not set'),
    ]);
    const done = await runCli([...args, '--events', 'invoice.paid'], { env, input: 'sk_test_cli\n' });
    expect(done.code).toBe(0);
    expect(done.stdout).toContain('we_1');
    expect(done.stdout + done.stderr).not.toContain('whsec_');
  });
});

describe('a gateway that nobody outside can reach', () => {
  test('registers nothing, says the fix, and can be told to do it all the same', async () => {
    const api = await served(telegramApi('1:a'));
    const local = await startGatewayProcess();
    try {
      const body = { name: 'bot', provider: 'telegram', await_secret: true };
      const source = (await local.api('POST', '/v1/sources', body)).body as SourceBody;
      const path = `/v1/sources/${source.id}/register`;
      const asked = { token: '1:a', api_url: api.url };
      const refused = await local.api('POST', path, asked);
      expect(refused).toMatchObject({ status: 409, body: { code: 'conflict' } });
      expect(JSON.stringify(refused.body)).toContain('RINGBACK_PUBLIC_URL');
      expect(api.calls).toEqual([]);
      const forced = await local.api('POST', path, { ...asked, allow_unreachable: true });
      expect(forced.body).toMatchObject({ detail: expect.stringContaining('An HTTPS URL must be provided') });
      const github = await local.api('POST', '/v1/sources', {
        name: 'g',
        provider: 'gitlab_token',
        await_secret: true,
      });
      expect(github).toMatchObject({ status: 422, body: { errors: [{ pointer: '/await_secret' }] } });
    } finally {
      await local.stop();
    }
  });
});
