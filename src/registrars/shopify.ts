import { isRecord, valueAtPath } from '../../packages/client/src/verify/reference.ts';
import { Problem } from '../domain/problem.ts';
import type { HookCall, RegisteredHook, Registrar } from '../ports/registrar.ts';
import { anySecret, equalSets, keepsItsSecret, textOf } from './hook-answers.ts';
import type { ApiFetch } from './provider-api.ts';
import { ProviderApi } from './provider-api.ts';

const API_VERSION = '2026-10';
const MAX_PAGES = 20;

const LIST = `query ($after: String) {
  webhookSubscriptions(first: 250, after: $after) {
    edges { node { id topic endpoint { __typename ... on WebhookHttpEndpoint { callbackUrl } } } }
    pageInfo { hasNextPage endCursor }
  }
}`;
const CREATE = `mutation ($topic: WebhookSubscriptionTopic!, $url: URL!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: { callbackUrl: $url, format: JSON }) {
    webhookSubscription { id }
    userErrors { field message }
  }
}`;
const REMOVE = `mutation ($id: ID!) {
  webhookSubscriptionDelete(id: $id) { userErrors { field message } }
}`;

interface Subscription {
  readonly id: string;
  readonly topic: string;
}

/**
 * Webhook subscriptions of a Shopify shop: one for each topic, together seen as one webhook. They are
 * signed with the app's client secret, which no API tells.
 */
export function shopifyRegistrar(apiFetch: ApiFetch): Registrar {
  const shop = new Shop(new ProviderApi('Shopify', apiFetch));
  return {
    secret: 'account',
    defaultEvents: [],
    mayNameNone: false,
    account: { is: 'the shop, such as acme.myshopify.com', required: true },
    sameEvents: (left, right) => equalSets(left.map(topicOf), right.map(topicOf)),
    checkSecret: anySecret,
    renewSecret: keepsItsSecret,
    async find(call) {
      const ours = await shop.subscriptions(call);
      return { hook: ours.length === 0 ? null : view(ours), occupiedBy: null };
    },
    create: async (call, { events }) => ({ ...(await shop.make(call, events)), secret: null }),
    update: (call, _hook, { events }) => shop.make(call, events),
  };
}

class Shop {
  readonly #api: ProviderApi;

  constructor(api: ProviderApi) {
    this.#api = api;
  }

  /** The subscriptions with our URL. */
  async subscriptions(call: HookCall): Promise<Subscription[]> {
    const ours: Subscription[] = [];
    let after: string | null = null;
    for (let page = 0; page < MAX_PAGES; page++) {
      // oxlint-disable-next-line no-await-in-loop -- one page tells where the next one begins
      const data: unknown = await this.#ask(call, LIST, { after });
      const edges = valueAtPath(data, ['webhookSubscriptions', 'edges']);
      for (const edge of Array.isArray(edges) ? (edges as unknown[]) : []) {
        const node = valueAtPath(edge, ['node']);
        const [id, topic] = [textOf(node, 'id'), textOf(node, 'topic')];
        const isOurs = valueAtPath(node, ['endpoint', 'callbackUrl']) === call.hookUrl;
        if (isOurs && id !== null && topic !== null) ours.push({ id, topic });
      }
      const info = valueAtPath(data, ['webhookSubscriptions', 'pageInfo']);
      after = textOf(info, 'endCursor');
      if (!isRecord(info) || info['hasNextPage'] !== true || after === null) break;
    }
    return ours;
  }

  /** Makes the subscriptions with our URL those of the topics: adds what is missing, removes the rest. */
  async make(call: HookCall, events: readonly string[]): Promise<RegisteredHook> {
    const wanted = new Set(events.map(topicOf));
    const present = await this.subscriptions(call);
    const missing = [...wanted].filter((topic) => !present.some((each) => each.topic === topic));
    for (const topic of missing) {
      // One after the other: the API takes a few a second.
      // oxlint-disable-next-line no-await-in-loop
      await this.#change(call, 'webhookSubscriptionCreate', CREATE, { topic, url: call.hookUrl });
    }
    for (const { id } of present.filter(({ topic }) => !wanted.has(topic))) {
      // oxlint-disable-next-line no-await-in-loop -- see above
      await this.#change(call, 'webhookSubscriptionDelete', REMOVE, { id });
    }
    return view(await this.subscriptions(call));
  }

  async #change(call: HookCall, name: string, query: string, variables: unknown): Promise<void> {
    const errors = valueAtPath(await this.#ask(call, query, variables), [name, 'userErrors']);
    if (Array.isArray(errors) && errors.length === 0) return;
    const texts = Array.isArray(errors) ? errors.map((error) => textOf(error, 'message') ?? '') : [];
    throw new Problem('provider_refused', `Shopify refused ${name}: ${texts.join('; ').slice(0, 300)}`);
  }

  async #ask(call: HookCall, query: string, variables: unknown): Promise<unknown> {
    const answer = await this.#api.ask({
      method: 'POST',
      url: `${call.apiUrl ?? `https://${shopOf(call)}`}/admin/api/${API_VERSION}/graphql.json`,
      headers: { 'x-shopify-access-token': call.token },
      json: { query, variables },
    });
    const errors = isRecord(answer) ? answer['errors'] : undefined;
    if (errors === undefined) return isRecord(answer) ? answer['data'] : undefined;
    const first: unknown = Array.isArray(errors) ? errors[0] : errors;
    const text = typeof first === 'string' ? first : (textOf(first, 'message') ?? 'no reason');
    throw new Problem('provider_refused', `Shopify refused: ${text.slice(0, 300)}`);
  }
}

function shopOf({ account }: HookCall): string {
  if (account !== null && /^[a-z0-9][a-z0-9-]*\.myshopify\.com$/i.test(account)) return account;
  const message = 'write the shop as acme.myshopify.com';
  throw new Problem('validation_failed', `account: ${message}`, {
    errors: [{ pointer: '/account', message }],
  });
}

/** `orders/create`, as the header of a webhook has it, is `ORDERS_CREATE` in the API. */
function topicOf(event: string): string {
  return event.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
}

function view(subscriptions: readonly Subscription[]): RegisteredHook {
  return {
    id: subscriptions.map(({ id }) => id).join(','),
    events: subscriptions.map(({ topic }) => topic),
  };
}
