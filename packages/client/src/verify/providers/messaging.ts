import type { ProviderTable } from '../provider.ts';
import { bodyMac, shownToken, standardWebhooks } from '../scheme-shapes.ts';

/** Mail, chat and calls. */
export const messagingProviders: ProviderTable = {
  brevo: { evidence: 'secondary', scheme: shownToken('bearer') },
  crisp: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-crisp-signature', enc: 'hex' },
      ts: { from: 'h:x-crisp-request-timestamp', unit: 'ms', past: null, future: null },
      content: '[{ts};{body}]',
    },
  },
  discord: {
    evidence: 'sdk',
    scheme: {
      kind: 'signature',
      alg: 'ed25519',
      key: { from: 'publicKey', format: 'raw-hex' },
      sig: { header: 'x-signature-ed25519', enc: 'hex' },
      ts: { from: 'h:x-signature-timestamp', unit: 's', past: null, future: null },
      content: '{ts}{body}',
    },
  },
  dixa: {
    evidence: 'docs',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      key: { decode: 'hex' },
      sig: { header: 'x-dixa-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      ts: { from: 'sig:t', unit: 'ms', past: 300, future: 300 },
      content: '{ts}.{body}',
    },
  },
  front_app: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-front-signature', enc: 'base64' },
      ts: { from: 'h:x-front-request-timestamp', unit: 'ms', past: null, future: null },
      content: '{ts}:{body}',
    },
  },
  google_chat: {
    evidence: 'sdk',
    scheme: {
      kind: 'jwt',
      token: 'bearer',
      algs: ['RS256'],
      key: {
        from: 'jwks',
        url: 'https://www.googleapis.com/service_accounts/v1/jwk/chat@system.gserviceaccount.com',
      },
      issuers: ['chat@system.gserviceaccount.com'],
      audienceConfig: 'audience',
      requiredClaims: ['exp'],
    },
  },
  helpscout: {
    evidence: 'secondary',
    scheme: bodyMac('x-helpscout-signature', { enc: 'base64', alg: 'hmac-sha1' }),
  },
  intercom: {
    evidence: 'secondary',
    scheme: bodyMac('x-hub-signature', { prefix: 'sha1=', alg: 'hmac-sha1' }),
  },
  kick: {
    evidence: 'secondary',
    scheme: {
      kind: 'signature',
      alg: 'rsa-sha256',
      key: { from: 'publicKey', format: 'pem' },
      sig: { header: 'kick-event-signature', enc: 'base64' },
      ts: { from: 'h:kick-event-message-timestamp', unit: 'iso', past: null, future: null },
      content: '{h:kick-event-message-id}.{ts}.{body}',
    },
  },
  lark: {
    evidence: 'sdk',
    scheme: {
      kind: 'digest',
      alg: 'sha256',
      sig: { header: 'x-lark-signature', enc: 'hex' },
      content: '{h:x-lark-request-timestamp}{h:x-lark-request-nonce}{secret}{body}',
    },
  },
  line: { evidence: 'sdk', scheme: bodyMac('x-line-signature', { enc: 'base64' }) },
  linkedin: { evidence: 'secondary' },
  mailchannels: { evidence: 'secondary', scheme: { kind: 'custom', fn: 'mailchannels', covers: 'body' } },
  mailchimp: { evidence: 'docs', scheme: shownToken('q:secret') },
  mailersend: { evidence: 'secondary', scheme: bodyMac('signature') },
  mailgun: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { json: 'signature.signature', enc: 'hex' },
      ts: { from: 'json:signature.timestamp', unit: 's', past: null, future: null },
      content: '{ts}{json:signature.token}',
    },
  },
  mandrill: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha1',
      sig: { header: 'x-mandrill-signature', enc: 'base64' },
      content: '{url}{form|sortedkv}',
    },
  },
  messagebird: {
    evidence: 'sdk',
    scheme: {
      kind: 'jwt',
      token: 'h:messagebird-signature-jwt',
      algs: ['HS256', 'HS384', 'HS512'],
      key: { from: 'secret' },
      issuers: ['MessageBird'],
      bodyHash: { claim: 'payload_hash', enc: 'hex', optionalWhenEmpty: true },
      urlHash: { claim: 'url_hash', enc: 'hex' },
      requiredClaims: ['jti', 'exp'],
      skew: 5,
    },
  },
  meta: { evidence: 'secondary', scheme: bodyMac('x-hub-signature-256', { prefix: 'sha256=' }) },
  msteams_outgoing: {
    evidence: 'secondary',
    scheme: bodyMac('authorization', { enc: 'base64', prefix: 'HMAC ', key: { decode: 'base64' } }),
  },
  nylas: { evidence: 'secondary' },
  plain: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'plain-request-signature', enc: 'hex' },
      ts: {
        from: 'json:webhookMetadata.webhookDeliveryAttemptTimestamp',
        unit: 'iso',
        past: 300,
        future: 300,
      },
      content: '{body}',
    },
  },
  plivo: { evidence: 'sdk', scheme: { kind: 'custom', fn: 'plivo', covers: 'body' } },
  postmark: { evidence: 'secondary', scheme: shownToken('basic') },
  pusher: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-pusher-signature', enc: 'hex' },
      require: [{ ref: 'h:x-pusher-key', equals: 'cfg:key', reason: 'bad_credentials' }],
      content: '{body}',
    },
  },
  resend: { evidence: 'sdk', scheme: standardWebhooks('svix') },
  ringcentral: { evidence: 'secondary' },
  sendgrid: {
    evidence: 'sdk',
    scheme: {
      kind: 'signature',
      alg: 'ecdsa-p256-sha256',
      key: { from: 'publicKey', format: 'spki-der-base64' },
      sig: { header: 'x-twilio-email-event-webhook-signature', enc: 'base64' },
      ts: { from: 'h:x-twilio-email-event-webhook-timestamp', unit: 's', past: null, future: null },
      content: '{ts}{body}',
    },
  },
  slack: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-slack-signature', prefix: 'v0=', enc: 'hex' },
      ts: { from: 'h:x-slack-request-timestamp', unit: 's', past: 300, future: 300 },
      content: 'v0:{ts}:{body}',
    },
  },
  telegram: { evidence: 'sdk', scheme: shownToken('h:x-telegram-bot-api-secret-token') },
  telnyx: {
    evidence: 'sdk',
    scheme: {
      kind: 'signature',
      alg: 'ed25519',
      key: { from: 'publicKey', format: 'raw-base64' },
      sig: { header: 'telnyx-signature-ed25519', enc: 'base64' },
      ts: { from: 'h:telnyx-timestamp', unit: 's', past: 300, future: 300 },
      content: '{ts}|{body}',
    },
  },
  twilio: { evidence: 'sdk', scheme: { kind: 'custom', fn: 'twilio', covers: 'body' } },
  twitch: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'twitch-eventsub-message-signature', enc: 'hex', prefix: 'sha256=' },
      ts: { from: 'h:twitch-eventsub-message-timestamp', unit: 'iso', past: 600, future: null },
      content: '{h:twitch-eventsub-message-id}{ts}{body}',
    },
  },
  unisender_go: { evidence: 'secondary', scheme: { kind: 'custom', fn: 'unisender', covers: 'body' } },
  viber: { evidence: 'sdk', scheme: bodyMac('x-viber-content-signature') },
  vonage: {
    evidence: 'sdk',
    scheme: {
      kind: 'jwt',
      token: 'bearer',
      algs: ['HS256'],
      key: { from: 'secret' },
      bodyHash: { claim: 'payload_hash', enc: 'hex' },
      maxAge: 300,
    },
  },
  wechat_oa: { evidence: 'secondary' },
  x_twitter: {
    evidence: 'docs',
    scheme: bodyMac('x-twitter-webhooks-signature', { enc: 'base64', prefix: 'sha256=' }),
  },
  zendesk: {
    evidence: 'docs',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-zendesk-webhook-signature', enc: 'base64' },
      ts: { from: 'h:x-zendesk-webhook-signature-timestamp', unit: 'iso', past: null, future: null },
      content: '{ts}{body}',
    },
  },
  zoom: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-zm-signature', prefix: 'v0=', enc: 'hex' },
      ts: { from: 'h:x-zm-request-timestamp', unit: 's', past: null, future: null },
      content: 'v0:{ts}:{body}',
    },
  },
};
