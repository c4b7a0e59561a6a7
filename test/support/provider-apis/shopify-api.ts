import { buildSchema, graphql } from 'graphql';
import { createServer, type ServerResponse } from 'node:http';
import { type FakeApi, listening } from './http-fake.ts';

interface Subscription {
  readonly id: string;
  readonly topic: string;
  readonly callbackUrl: string;
}

// The part of the Admin API that webhooks take; what a query says beyond it is refused, as there.
const schema = buildSchema(`
  scalar URL
  enum WebhookSubscriptionTopic { ORDERS_CREATE ORDERS_PAID PRODUCTS_UPDATE APP_UNINSTALLED }
  enum WebhookSubscriptionFormat { JSON XML }
  input WebhookSubscriptionInput {
    callbackUrl: URL format: WebhookSubscriptionFormat includeFields: [String!] metafieldNamespaces: [String!]
  }
  type WebhookHttpEndpoint { callbackUrl: URL! }
  type WebhookEventBridgeEndpoint { arn: String! }
  type WebhookPubSubEndpoint { pubSubProject: String! pubSubTopic: String! }
  union Endpoint = WebhookHttpEndpoint | WebhookEventBridgeEndpoint | WebhookPubSubEndpoint
  type WebhookSubscription {
    id: ID! topic: WebhookSubscriptionTopic! endpoint: Endpoint!
    includeFields: [String!]! metafieldNamespaces: [String!]!
  }
  type Edge { node: WebhookSubscription! }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type Connection { edges: [Edge!]! pageInfo: PageInfo! }
  type UserError { field: [String!] message: String! }
  type CreatePayload { webhookSubscription: WebhookSubscription userErrors: [UserError!]! }
  type DeletePayload { deletedWebhookSubscriptionId: ID userErrors: [UserError!]! }
  type Query { webhookSubscriptions(first: Int, after: String): Connection! }
  type Mutation {
    webhookSubscriptionCreate(
      topic: WebhookSubscriptionTopic!, webhookSubscription: WebhookSubscriptionInput!
    ): CreatePayload
    webhookSubscriptionDelete(id: ID!): DeletePayload
  }
`);

interface CreateArguments {
  readonly topic: string;
  readonly webhookSubscription: { readonly callbackUrl: string };
}

function refused(message: string) {
  return { userErrors: [{ field: ['webhookSubscription'], message }] };
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Smaller pages than are asked for, so that a test needs few subscriptions. */
const PAGE = 2;

class Resolvers {
  readonly subscriptions: Subscription[] = [];
  #made = 0;

  webhookSubscriptions = ({ after }: { after?: string | null }) => {
    const start = after === undefined || after === null ? 0 : Number(after);
    const nodes = this.subscriptions.slice(start, start + PAGE).map((each) => ({
      node: {
        ...each,
        endpoint: { __typename: 'WebhookHttpEndpoint', callbackUrl: each.callbackUrl },
        includeFields: [],
        metafieldNamespaces: [],
      },
    }));
    const end = start + nodes.length;
    return {
      edges: nodes,
      pageInfo: {
        hasNextPage: end < this.subscriptions.length,
        endCursor: nodes.length === 0 ? null : String(end),
      },
    };
  };

  webhookSubscriptionCreate = ({ topic, webhookSubscription: { callbackUrl } }: CreateArguments) => {
    if (!callbackUrl.startsWith('https://')) return refused('Address protocol http:// is not supported');
    if (this.subscriptions.some((each) => each.topic === topic && each.callbackUrl === callbackUrl)) {
      return refused('Address for this topic has already been taken');
    }
    this.subscriptions.push({ id: `gid://shopify/WebhookSubscription/${++this.#made}`, topic, callbackUrl });
    return { webhookSubscription: null, userErrors: [] };
  };

  webhookSubscriptionDelete = ({ id }: { id: string }) => {
    const index = this.subscriptions.findIndex((each) => each.id === id);
    this.subscriptions.splice(index, 1);
    return { deletedWebhookSubscriptionId: id, userErrors: [] };
  };
}

/** Shopify's Admin API: a GraphQL server with the types that webhooks take. */
export async function shopifyApi(token: string): Promise<FakeApi & { subscriptions: Subscription[] }> {
  const resolvers = new Resolvers();
  const calls: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      calls.push(`${request.method ?? ''} ${request.url ?? ''}`);
      if (request.headers['x-shopify-access-token'] !== token) {
        answer(response, 401, {
          errors: '[API] Invalid API key or access token (unrecognized login or wrong password)',
        });
        return;
      }
      const { query, variables } = JSON.parse(Buffer.concat(chunks).toString()) as {
        query: string;
        variables?: Record<string, unknown>;
      };
      void graphql({ schema, source: query, rootValue: resolvers, variableValues: variables ?? {} }).then(
        (result) => answer(response, 200, result),
      );
    });
  });
  return { ...(await listening(server)), calls, subscriptions: resolvers.subscriptions };
}
