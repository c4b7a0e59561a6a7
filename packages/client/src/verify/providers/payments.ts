import type { ProviderTable } from '../provider.ts';
import { bodyMac, shownToken, standardWebhooks } from '../scheme-shapes.ts';

/** Payments and billing. */
export const paymentsProviders: ProviderTable = {
  adyen: { evidence: 'sdk', scheme: { kind: 'custom', fn: 'adyen', covers: 'metadata' } },
  adyen_platform: {
    evidence: 'sdk',
    scheme: bodyMac('hmacsignature', { enc: 'base64', key: { decode: 'hex' } }),
  },
  braintree: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha1',
      key: { derive: 'sha1' },
      sig: { form: 'bt_signature', list: '&', kv: '|', enc: 'hex', pickConfig: 'publicKey' },
      content: '{form:bt_payload}',
      covers: 'body',
    },
  },
  chargebee: { evidence: 'sdk', scheme: shownToken('basic') },
  checkout_com: { evidence: 'secondary', scheme: bodyMac('cko-signature') },
  coinbase_cdp: { evidence: 'docs', scheme: { kind: 'custom', fn: 'coinbase-cdp', covers: 'body' } },
  coinbase_commerce: { evidence: 'sdk', scheme: bodyMac('x-cc-webhook-signature') },
  dodopayments: { evidence: 'sdk', scheme: standardWebhooks('webhook') },
  flutterwave_v3: { evidence: 'secondary', scheme: shownToken('h:verif-hash') },
  flutterwave_v4: { evidence: 'secondary', scheme: bodyMac('flutterwave-signature', { enc: 'base64' }) },
  gocardless: { evidence: 'sdk', scheme: bodyMac('webhook-signature') },
  lemonsqueezy: { evidence: 'secondary', scheme: bodyMac('x-signature') },
  metronome: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'metronome-webhook-signature', enc: 'hex' },
      ts: { from: 'h:x-metronome-date', unit: 'http-date', past: 300, future: 300 },
      content: '{ts}\n{body}',
    },
  },
  mollie_nextgen: {
    evidence: 'docs',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-mollie-signature', list: ',', prefix: 'sha256=', enc: 'hex', repeatable: true },
      content: '{body}',
    },
  },
  paddle: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'paddle-signature', list: ';', kv: '=', pick: 'h1', enc: 'hex' },
      ts: { from: 'sig:ts', unit: 's', past: 5, future: 300 },
      content: '{ts}:{body}',
    },
  },
  paypal: {
    evidence: 'secondary',
    scheme: {
      kind: 'signature',
      alg: 'rsa-sha256',
      key: {
        from: 'certUrl',
        urlFrom: 'h:paypal-cert-url',
        hostPattern: '^(?:(?:api|api-m)(?:\\.sandbox)?\\.)?paypal\\.com$',
      },
      sig: { header: 'paypal-transmission-sig', enc: 'base64' },
      content: '{h:paypal-transmission-id}|{h:paypal-transmission-time}|{cfg:webhookId}|{body|crc32}',
      covers: 'metadata',
    },
  },
  paystack: { evidence: 'secondary', scheme: bodyMac('x-paystack-signature', { alg: 'hmac-sha512' }) },
  plaid: {
    evidence: 'secondary',
    scheme: {
      kind: 'jwt',
      token: 'h:plaid-verification',
      algs: ['ES256'],
      key: { from: 'jwks' },
      bodyHash: { claim: 'request_body_sha256', enc: 'hex' },
      maxAge: 300,
    },
  },
  polar: { evidence: 'sdk', scheme: standardWebhooks('webhook', { key: {} }) },
  razorpay: { evidence: 'sdk', scheme: bodyMac('x-razorpay-signature') },
  recurly: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'recurly-signature', list: ',', positional: true, enc: 'hex' },
      ts: { from: 'sig:0', unit: 'ms', past: 300, future: 300 },
      content: '{ts}.{body}',
    },
  },
  revenuecat: { evidence: 'secondary', scheme: shownToken('h:authorization') },
  square: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-square-hmacsha256-signature', enc: 'base64' },
      content: '{url}{body}',
    },
  },
  stripe: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'stripe-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      ts: { from: 'sig:t', unit: 's', past: 300, future: 300 },
      content: '{ts}.{body}',
    },
  },
  wechatpay: {
    evidence: 'sdk',
    scheme: {
      kind: 'signature',
      alg: 'rsa-sha256',
      key: { from: 'keys', select: 'h:wechatpay-serial' },
      sig: { header: 'wechatpay-signature', enc: 'base64' },
      ts: { from: 'h:wechatpay-timestamp', unit: 's', past: 300, future: 300 },
      content: '{ts}\n{h:wechatpay-nonce}\n{body}\n',
    },
  },
  wise: {
    evidence: 'secondary',
    scheme: {
      kind: 'signature',
      alg: 'rsa-sha256',
      key: { from: 'publicKey', format: 'pem' },
      sig: { header: 'x-signature-sha256', enc: 'base64' },
      content: '{body}',
    },
  },
};
