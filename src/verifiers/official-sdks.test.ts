// oxlint-disable typescript/no-unsafe-type-assertion -- several SDKs have no types; each is used once
import { Buffer } from 'node:buffer';
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { signRequest, verifyRequest } from '@contentful/node-apps-toolkit';
import { signatureHelper } from '@kontent-ai/webhook-helper';
import { validateSignature as isLineSignature } from '@line/bot-sdk';
import { LinearWebhookClient } from '@linear/sdk/webhooks';
import { WebhookHandler as LiveblocksHandler } from '@liveblocks/node';
import Mux from '@mux/mux-node';
import * as octokit from '@octokit/webhooks-methods';
import { Paddle } from '@paddle/paddle-node-sdk';
import * as sanity from '@sanity/webhook';
import { EventWebhook } from '@sendgrid/eventwebhook';
import { shopifyApi } from '@shopify/shopify-api';
// oxlint-disable-next-line import/no-unassigned-import -- it sets up the platform
import '@shopify/shopify-api/adapters/node';
import { verifySlackRequest } from '@slack/bolt';
import { Receiver as QstashReceiver } from '@upstash/qstash';
import { WorkOS } from '@workos-inc/node';
import { verifyKey as verifyDiscordKey } from 'discord-interactions';
import { WebhookReceiver as LivekitReceiver } from 'livekit-server-sdk';
import OpenAI from 'openai';
import Pusher from 'pusher';
import { validateWebhook as validateReplicate } from 'replicate';
import * as retell from 'retell-sdk';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Stripe } from 'stripe';
import { Webhook as SvixWebhook } from 'svix';
import twilio from 'twilio';
import { describe, expect, test } from 'vitest';
import type { SignInput } from '../../packages/client/src/verify/sign/sign-input.ts';
import { sign } from '../../packages/client/src/verify/sign/sign.ts';
import { verify } from '../../packages/client/src/verify/verify.ts';

// Each row asks an official SDK what it thinks of a request that we signed: it must accept the
// honest one, and refuse the one whose body was changed afterwards. So our reading of a scheme is
// the sender's own reading, and not ours twice.

const require = createRequire(import.meta.url);
const secret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3';
const shared = 'a shared secret of 32 characters';
const url = 'https://hooks.example.com/in/abc123';
const event = {
  id: 'evt_1',
  type: 'invoice.paid',
  event: { id: 'e' },
  text: 'Zoë – 日本 😀',
  webhookTimestamp: 0,
};
const pairs = {
  ed25519: generateKeyPairSync('ed25519'),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
};

interface Received {
  readonly text: string;
  readonly bytes: Buffer;
  /** Names in lower case. */
  readonly headers: Record<string, string>;
  readonly url: string;
}

interface Row {
  readonly provider: string;
  readonly secret?: string;
  readonly body?: string;
  readonly input?: Partial<SignInput>;
  /** Throws or is false to refuse. */
  readonly judge: (request: Received) => unknown;
}

function header({ headers }: Received, name: string): string {
  const value = headers[name];
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
}

interface Untyped {
  razorpay: { validateWebhookSignature(body: string, signature: string, secret: string): boolean };
  coinbase: { Webhook: { verifySigHeader(body: string, signature: string, secret: string): boolean } };
  gocardless: { verifySignature(body: string, secret: string, signature: string): void };
  hygraph: {
    verifyWebhookSignature(input: { rawPayload: string; signature: string; secret: string }): boolean;
  };
}

const untyped: Untyped = {
  razorpay: require('razorpay') as Untyped['razorpay'],
  coinbase: require('coinbase-commerce-node') as Untyped['coinbase'],
  gocardless: require('gocardless-nodejs/webhooks') as Untyped['gocardless'],
  hygraph: require('@hygraph/utils') as Untyped['hygraph'],
};

function spki(pair: (typeof pairs)['ec']): string {
  return pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
}

const rawEd25519 = pairs.ed25519.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);

const rows: Row[] = [
  { provider: 'github', judge: (r) => octokit.verify(shared, r.text, header(r, 'x-hub-signature-256')) },
  {
    provider: 'stripe',
    secret,
    judge: (r) =>
      new Stripe('sk_test_1').webhooks.constructEvent(r.bytes, header(r, 'stripe-signature'), secret),
  },
  {
    provider: 'standardwebhooks',
    secret,
    judge: (r) => new StandardWebhook(secret).verify(r.bytes, r.headers),
  },
  { provider: 'svix', secret, judge: (r) => new SvixWebhook(secret).verify(r.bytes, r.headers) },
  { provider: 'resend', secret, judge: (r) => new SvixWebhook(secret).verify(r.bytes, r.headers) },
  {
    provider: 'openai',
    secret,
    judge: (r) =>
      new OpenAI({ apiKey: 'k' }).webhooks.verifySignature(r.text, new Headers(r.headers), secret),
  },
  {
    provider: 'slack',
    judge: (r) =>
      verifySlackRequest({
        signingSecret: shared,
        body: r.text,
        headers: {
          'x-slack-signature': header(r, 'x-slack-signature'),
          'x-slack-request-timestamp': Number(header(r, 'x-slack-request-timestamp')),
        },
      }),
  },
  {
    provider: 'shopify',
    judge: async (r) => {
      const api = shopifyApi({
        apiKey: 'k',
        apiSecretKey: shared,
        hostName: 'hooks.example.com',
        // The newest version that the SDK knows.
        apiVersion: '2026-10' as never,
        isEmbeddedApp: false,
        logger: { level: 0 },
      });
      const headers = {
        ...r.headers,
        'x-shopify-topic': 'orders/create',
        'x-shopify-shop-domain': 'a.myshopify.com',
        'x-shopify-api-version': '2026-10',
        'x-shopify-webhook-id': 'w',
      };
      const request = { method: 'POST', url: '/', headers };
      const result = await api.webhooks.validate({ rawBody: r.text, rawRequest: request as never });
      return result.valid;
    },
  },
  { provider: 'line', judge: (r) => isLineSignature(r.bytes, shared, header(r, 'x-line-signature')) },
  {
    provider: 'discord',
    judge: (r) =>
      verifyDiscordKey(
        r.bytes,
        header(r, 'x-signature-ed25519'),
        header(r, 'x-signature-timestamp'),
        rawEd25519.toString('hex'),
      ),
  },
  {
    provider: 'contentful',
    secret: 'a'.repeat(64),
    judge: (r) =>
      verifyRequest(
        'a'.repeat(64),
        { method: 'POST', path: '/in/abc123', headers: r.headers, body: r.text },
        30,
      ),
  },
  {
    provider: 'sanity',
    judge: (r) => sanity.isValidSignature(r.text, header(r, 'sanity-webhook-signature'), shared),
  },
  {
    provider: 'qstash',
    judge: (r) =>
      new QstashReceiver({ currentSigningKey: shared, nextSigningKey: 'next' }).verify({
        signature: header(r, 'upstash-signature'),
        body: r.text,
        url,
      }),
  },
  {
    provider: 'livekit',
    body: '{"event":"room_started","id":"EV_1"}',
    input: { config: { apiKey: 'APIkey1' } },
    judge: (r) => new LivekitReceiver('APIkey1', shared).receive(r.text, header(r, 'authorization')),
  },
  {
    provider: 'liveblocks',
    secret,
    body: JSON.stringify({ type: 'storageUpdated', data: { projectId: 'p', roomId: 'r', updatedAt: 'x' } }),
    judge: (r) => new LiveblocksHandler(secret).verifyRequest({ headers: r.headers, rawBody: r.text }),
  },
  {
    provider: 'paddle',
    judge: (r) => new Paddle('k').webhooks.isSignatureValid(r.text, shared, header(r, 'paddle-signature')),
  },
  {
    provider: 'razorpay',
    judge: (r) =>
      untyped.razorpay.validateWebhookSignature(r.text, header(r, 'x-razorpay-signature'), shared),
  },
  {
    provider: 'replicate',
    secret,
    judge: (r) =>
      validateReplicate({
        id: header(r, 'webhook-id'),
        timestamp: header(r, 'webhook-timestamp'),
        signature: header(r, 'webhook-signature'),
        body: r.text,
        secret,
      }),
  },
  {
    provider: 'sendgrid',
    input: { privateKey: pairs.ec.privateKey.export({ type: 'pkcs8', format: 'pem' }) },
    judge: (r) => {
      const webhook = new EventWebhook();
      return webhook.verifySignature(
        webhook.convertPublicKeyToECDSA(spki(pairs.ec)),
        r.bytes,
        header(r, 'x-twilio-email-event-webhook-signature'),
        header(r, 'x-twilio-email-event-webhook-timestamp'),
      );
    },
  },
  {
    provider: 'coinbase_commerce',
    judge: (r) =>
      untyped.coinbase.Webhook.verifySigHeader(r.text, header(r, 'x-cc-webhook-signature'), shared),
  },
  {
    provider: 'pusher',
    input: { config: { key: 'app-key' } },
    judge: (r) =>
      new Pusher({ appId: '1', key: 'app-key', secret: shared, cluster: 'eu' })
        .webhook({ headers: { ...r.headers, 'content-type': 'application/json' }, rawBody: r.text })
        .isValid(),
  },
  {
    provider: 'kontent',
    judge: (r) =>
      signatureHelper.isValidSignatureFromString(r.text, shared, header(r, 'x-kontent-ai-signature')),
  },
  {
    provider: 'gocardless',
    judge: (r) => {
      untyped.gocardless.verifySignature(r.text, shared, header(r, 'webhook-signature'));
    },
  },
  {
    provider: 'mux',
    judge: (r) =>
      new Mux({ tokenId: 'i', tokenSecret: 's' }).webhooks.verifySignature(r.text, r.headers, shared),
  },
  {
    provider: 'hygraph',
    judge: (r) =>
      untyped.hygraph.verifyWebhookSignature({
        rawPayload: r.text,
        signature: header(r, 'gcms-signature'),
        secret: shared,
      }),
  },
  {
    provider: 'workos',
    judge: (r) =>
      new WorkOS('sk_1').webhooks.verifyHeader({
        payload: JSON.parse(r.text.endsWith(' ') ? '{"changed":true}' : r.text) as Record<string, unknown>,
        sigHeader: header(r, 'workos-signature'),
        secret: shared,
      }),
  },
  { provider: 'retell', judge: (r) => retell.verify(r.text, shared, header(r, 'x-retell-signature')) },
  {
    provider: 'linear',
    judge: (r) => new LinearWebhookClient(shared).verify(r.bytes, header(r, 'linear-signature')),
  },
  {
    provider: 'twilio',
    body: 'From=%2B1&To=%2B2&Body=Zo%C3%AB+%2B',
    input: { headers: [['Content-Type', 'application/x-www-form-urlencoded']] },
    judge: (r) =>
      twilio.validateRequest(
        shared,
        header(r, 'x-twilio-signature'),
        r.url,
        Object.fromEntries(new URLSearchParams(r.text)),
      ),
  },
];

async function received(row: Row, fault?: 'body'): Promise<Received> {
  const request = await sign(row.provider, {
    body: Buffer.from(row.body ?? JSON.stringify(event)),
    url,
    secrets: [row.secret ?? shared],
    privateKey: pairs.ed25519.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ...row.input,
    ...(fault === undefined ? {} : { fault }),
  });
  const headers = Object.fromEntries(request.headers.map(([name, value]) => [name.toLowerCase(), value]));
  return {
    text: Buffer.from(request.body).toString(),
    bytes: Buffer.from(request.body),
    headers,
    url: request.url,
  };
}

async function accepts(row: Row, fault?: 'body'): Promise<boolean> {
  const request = await received(row, fault);
  try {
    return (await row.judge(request)) !== false;
  } catch {
    return false;
  }
}

describe('an official SDK judges what we sign', () => {
  test.each(rows)('$provider', async (row) => {
    // Outside the catch, so that an SDK used wrongly shows its own error.
    expect(await row.judge(await received(row))).not.toBe(false);
    expect(await accepts(row, 'body')).toBe(false);
  });
});

const now = new Date();
const seconds = Math.floor(now.getTime() / 1000);
const text = JSON.stringify(event);

interface Signed {
  readonly provider: string;
  readonly secret: string;
  readonly headers: () => Promise<Record<string, string>> | Record<string, string>;
}

const signers: Signed[] = [
  {
    provider: 'github',
    secret: shared,
    headers: async () => ({ 'X-Hub-Signature-256': await octokit.sign(shared, text) }),
  },
  {
    provider: 'stripe',
    secret,
    headers: () => ({
      'Stripe-Signature': new Stripe('sk_test_1').webhooks.generateTestHeaderString({
        payload: text,
        secret,
      }),
    }),
  },
  {
    provider: 'standardwebhooks',
    secret,
    headers: () => ({
      'webhook-id': 'm',
      'webhook-timestamp': String(seconds),
      'webhook-signature': new StandardWebhook(secret).sign('m', now, text),
    }),
  },
  {
    provider: 'svix',
    secret,
    headers: () => ({
      'svix-id': 'm',
      'svix-timestamp': String(seconds),
      'svix-signature': new SvixWebhook(secret).sign('m', now, text),
    }),
  },
  {
    provider: 'sanity',
    secret: shared,
    headers: async () => ({
      'sanity-webhook-signature': await sanity.encodeSignatureHeader(text, now.getTime(), shared),
    }),
  },
  {
    provider: 'retell',
    secret: shared,
    headers: async () => ({ 'x-retell-signature': await retell.sign(text, shared) }),
  },
  {
    provider: 'kontent',
    secret: shared,
    headers: () => ({ 'x-kontent-ai-signature': signatureHelper.getHashFromString(text, shared) }),
  },
  {
    provider: 'contentful',
    secret: 'a'.repeat(64),
    headers: () => {
      const headers = { 'content-type': 'application/json' };
      const made = signRequest(
        'a'.repeat(64),
        { method: 'POST', path: '/in/abc123', headers, body: text },
        now.getTime(),
      );
      return {
        ...headers,
        ...Object.fromEntries(Object.entries(made).map(([name, value]) => [name, value])),
      };
    },
  },
];

describe('we judge what an official SDK signs', () => {
  test.each(signers)('$provider', async ({ provider, secret: key, headers }) => {
    const request = { method: 'POST', url, headers: await headers(), body: Buffer.from(text) };
    expect(await verify(request, { provider, secrets: [key] })).toMatchObject({ ok: true });
    const changed = { ...request, body: Buffer.from(`${text} `) };
    expect(await verify(changed, { provider, secrets: [key] })).toMatchObject({ ok: false });
  });
});
