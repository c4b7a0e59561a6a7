import { expect, test } from 'vitest';
import { compileIdentity } from '../../packages/client/src/verify/event-identity.ts';
import { findProvider, providers } from '../../packages/client/src/verify/provider-table.ts';
import { RequestView } from '../../packages/client/src/verify/request-view.ts';
import { isEventType } from '../domain/type-pattern.ts';
import { createSourceVerifier } from './verifier.ts';
import { readSuites } from './vector-files.ts';

const nowMs = 1_795_262_400_000;

function identify(provider: string, headers: string[], body: unknown, config = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const read = compileIdentity(findProvider(provider) ?? {}, findProvider(provider) && provider, config);
  return read(new RequestView('POST', 'https://h.example.com/in/x', headers, Buffer.from(text), nowMs));
}

test.each([
  [
    'github',
    ['X-GitHub-Event', 'pull_request', 'X-GitHub-Delivery', 'd-1'],
    { action: 'opened', repository: { full_name: 'acme/web' }, pull_request: { number: 42 } },
    { type: 'com.github.pull_request.opened', id: 'd-1', key: 'acme/web#42' },
  ],
  [
    'github',
    ['x-github-event', 'push', 'x-github-delivery', 'd-2'],
    { repository: { full_name: 'acme/web' } },
    { type: 'com.github.push', id: 'd-2', key: 'acme/web' },
  ],
  [
    'stripe',
    [],
    {
      id: 'evt_1',
      type: 'invoice.paid',
      created: 1_795_262_390,
      data: { object: { id: 'in_1', customer: 'cus_1' } },
    },
    { type: 'com.stripe.invoice.paid', id: 'evt_1', key: 'cus_1', timeMs: 1_795_262_390_000 },
  ],
  [
    'stripe',
    [],
    { id: 'evt_2', type: 'payout.paid', created: 1, data: { object: { id: 'po_1' } } },
    { type: 'com.stripe.payout.paid', id: 'evt_2', key: 'po_1', timeMs: 1000 },
  ],
  [
    'shopify',
    [
      'X-Shopify-Topic',
      'orders/create',
      'X-Shopify-Webhook-Id',
      'w',
      'X-Shopify-Shop-Domain',
      'a.myshopify.com',
    ],
    // The number is too large for JavaScript: rounded, two orders would share a key.
    '{"id":820982911946154508}',
    { type: 'com.shopify.orders_create', id: 'w', key: 'a.myshopify.com' },
  ],
  [
    'slack',
    [],
    {
      type: 'event_callback',
      event_id: 'Ev1',
      event_time: 5,
      event: { type: 'message', channel: 'C1', thread_ts: '1.2' },
    },
    { type: 'com.slack.message', id: 'Ev1', key: 'C1.1.2', timeMs: 5000 },
  ],
  [
    'slack',
    ['content-type', 'application/x-www-form-urlencoded'],
    'payload=%7B%22type%22%3A%22block_actions%22%2C%22user%22%3A%7B%22id%22%3A%22U1%22%7D%7D',
    { type: 'com.slack.block_actions', key: 'U1', dedupe: 'body' },
  ],
  [
    'slack',
    ['content-type', 'application/x-www-form-urlencoded'],
    'command=%2Fdeploy&channel_id=C9',
    { type: 'com.slack.command._deploy', key: 'C9', dedupe: 'body' },
  ],
  [
    'twitch',
    ['Twitch-Eventsub-Message-Type', 'revocation', 'Twitch-Eventsub-Message-Id', 'm'],
    { subscription: { type: 'channel.follow' } },
    { type: 'com.twitch.revocation.channel.follow', id: 'm' },
  ],
  [
    'telegram',
    [],
    { update_id: 7, message: { date: 9, chat: { id: -5 } } },
    { type: 'com.telegram.message', id: '7', key: '-5', timeMs: 9000 },
  ],
  [
    'sendgrid',
    [],
    [{ sg_event_id: 'a', event: 'open', email: 'x@y.z', timestamp: 3 }],
    { type: 'com.sendgrid.open', id: 'a', key: 'x@y.z', timeMs: 3000 },
  ],
  [
    // A batch has no id of its own: the bodies are compared.
    'sendgrid',
    [],
    [
      { sg_event_id: 'a', event: 'open', email: 'x@y.z', timestamp: 3 },
      { sg_event_id: 'b', event: 'click', email: 'x@y.z', timestamp: 4 },
    ],
    { type: 'com.sendgrid.batch', key: 'x@y.z', dedupe: 'body' },
  ],
  [
    'google_calendar',
    ['X-Goog-Channel-ID', 'c', 'X-Goog-Message-Number', '3', 'X-Goog-Resource-State', 'exists'],
    '',
    { type: 'com.google.calendar.exists', id: 'c.3' },
  ],
  ['standardwebhooks', ['webhook-id', 'm'], { type: 'invoice.paid' }, { type: 'invoice.paid', id: 'm' }],
  ['doppler', [], 'not json', { type: 'com.doppler.event', dedupe: 'body' }],
  [
    'x_twitter',
    [],
    { for_user_id: '1', tweet_create_events: [] },
    { type: 'com.x.tweet_create_events', key: '1', dedupe: 'body' },
  ],
  [
    'gitlab_token',
    ['X-Gitlab-Event', 'Merge Request Hook', 'Idempotency-Key', 'i'],
    {
      object_kind: 'merge_request',
      object_attributes: { action: 'open', iid: 1 },
      project: { path_with_namespace: 'a/b' },
    },
    { type: 'com.gitlab.merge_request.open', id: 'i', key: 'a/b#1' },
  ],
] as const)('%s: %j %j', (provider, headers, body, expected) => {
  expect(identify(provider, [...headers], body)).toEqual(expected);
});

test('a generic source has the identity that its settings tell', () => {
  const config = {
    typeFrom: 'h:x-event',
    idFrom: '{h:x-id}.{json:n}',
    keyFrom: 'json:user.id',
    timeFrom: 's json:at',
  };
  expect(
    identify('hmac', ['X-Event', 'a b', 'X-Id', 'i'], { n: 1, user: { id: 'u' }, at: 2 }, config),
  ).toEqual({
    type: 'a_b',
    id: 'i.1',
    key: 'u',
    timeMs: 2000,
  });
  expect(identify('hmac', [], { n: 1 })).toEqual({});
});

test.each([
  ['..a..b.', 'a.b'],
  ['ticket/créé', 'ticket_cr__'],
  ['x'.repeat(300), 'x'.repeat(200)],
])('a type that nobody could subscribe to is cleaned: %s', (type, cleaned) => {
  expect(identify('standardwebhooks', [], { type }).type).toBe(cleaned);
});

test('a setting that is no reference is refused with its place', () => {
  const options = { provider: 'none', secrets: [], config: { idFrom: 'x-id' } };
  expect(() => createSourceVerifier(options)).toThrowError(
    expect.objectContaining({ pointer: '/config/idFrom' }),
  );
});

const withoutType = [
  'braintree',
  'circleci',
  'bitbucket',
  'standardwebhooks',
  'svix',
  'hookdeck',
  'qstash',
  'messagebird',
];

test.each(readSuites())('$provider: every accepted vector has an identity', async ({ provider, vectors }) => {
  let identified = 0;
  for (const vector of vectors.filter((each) => each.expect === 'ok')) {
    const read = compileIdentity(findProvider(provider) ?? {}, provider, {});
    const view = new RequestView(
      vector.method,
      vector.url,
      vector.headers.flat(),
      Buffer.from(vector.bodyBase64, 'base64'),
      nowMs,
    );
    const event = read(view);
    if (event.type !== undefined) expect(event.type).toSatisfy(isEventType);
    if (event.type !== undefined && !event.type.endsWith('.event')) identified++;
    expect(event.id === undefined).toBe(event.dedupe === 'body');
  }
  if (!withoutType.includes(provider) && provider !== 'kinde') expect(identified).toBeGreaterThan(0);
});

test('no id comes from a value that counts retries', () => {
  for (const { id = [] } of Object.values(providers)) expect(id.join(' ')).not.toMatch(/retry|attempt/i);
});
