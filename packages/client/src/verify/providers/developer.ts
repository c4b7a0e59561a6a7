import type { ProviderTable } from '../provider.ts';
import { bodyMac, shownToken, standardWebhooks } from '../scheme-shapes.ts';

/** Developer tools, and formats that many senders share. */
export const developerProviders: ProviderTable = {
  bitbucket: { evidence: 'docs', scheme: bodyMac('x-hub-signature', { prefix: 'sha256=' }) },
  buildkite: {
    evidence: 'docs',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-buildkite-signature', list: ',', kv: '=', pick: 'signature', enc: 'hex' },
      ts: { from: 'sig:timestamp', unit: 's', past: 300, future: 300 },
      content: '{ts}.{body}',
    },
  },
  circleci: {
    evidence: 'docs',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'circleci-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      content: '{body}',
    },
  },
  cloudflare_notifications: { evidence: 'secondary', scheme: shownToken('h:cf-webhook-auth') },
  cloudflare_stream: {
    evidence: 'docs',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'webhook-signature', list: ',', kv: '=', pick: 'sig1', enc: 'hex' },
      ts: { from: 'sig:time', unit: 's', past: 300, future: 300 },
      content: '{ts}.{body}',
    },
  },
  doppler: { evidence: 'secondary', scheme: bodyMac('x-doppler-signature', { prefix: 'sha256=' }) },
  gitea: { evidence: 'secondary', scheme: bodyMac('x-gitea-signature') },
  github: { evidence: 'sdk', scheme: bodyMac('x-hub-signature-256', { prefix: 'sha256=' }) },
  gitlab_signing: { evidence: 'docs', scheme: standardWebhooks('webhook') },
  gitlab_token: { evidence: 'secondary', scheme: shownToken('h:x-gitlab-token') },
  grafana: { evidence: 'secondary', scheme: bodyMac('x-grafana-alerting-signature') },
  grafana_ts: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-grafana-alerting-signature', enc: 'hex' },
      ts: { from: 'h:x-grafana-alerting-timestamp', unit: 's', past: 300, future: 300 },
      content: '{ts}:{body}',
    },
  },
  heroku: { evidence: 'secondary', scheme: bodyMac('heroku-webhook-hmac-sha256', { enc: 'base64' }) },
  hookdeck: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { enc: 'base64', headers: ['x-hookdeck-signature', 'x-hookdeck-signature-2'] },
      content: '{body}',
    },
  },
  inngest: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      key: { stripPattern: '^signkey-\\w+-' },
      sig: { header: 'x-inngest-signature', list: '&', kv: '=', pick: 's', enc: 'hex' },
      ts: { from: 'sig:t', unit: 's', past: 300, future: 300 },
      content: '{body}{ts}',
    },
  },
  liveblocks: { evidence: 'sdk', scheme: standardWebhooks('webhook') },
  netlify: {
    evidence: 'secondary',
    scheme: {
      kind: 'jwt',
      token: 'h:x-webhook-signature',
      algs: ['HS256'],
      key: { from: 'secret' },
      issuers: ['netlify'],
      bodyHash: { claim: 'sha256', enc: 'hex' },
    },
  },
  pagerduty: {
    evidence: 'docs',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-pagerduty-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      content: '{body}',
    },
  },
  planetscale: { evidence: 'secondary', scheme: bodyMac('x-planetscale-signature') },
  qstash: {
    evidence: 'sdk',
    scheme: {
      kind: 'jwt',
      token: 'h:upstash-signature',
      algs: ['HS256'],
      key: { from: 'secret' },
      issuers: ['Upstash'],
      subjectIsUrl: true,
      bodyHash: { claim: 'body', enc: 'base64url' },
    },
  },
  sentry: {
    evidence: 'docs',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { enc: 'hex', headers: ['sentry-hook-signature', 'sentry-app-signature'] },
      content: '{body}',
    },
  },
  snyk: { evidence: 'secondary', scheme: bodyMac('x-hub-signature', { prefix: 'sha256=' }) },
  standardwebhooks: { evidence: 'sdk', scheme: standardWebhooks('webhook') },
  standardwebhooks_ed25519: {
    evidence: 'docs',
    scheme: {
      kind: 'signature',
      alg: 'ed25519',
      key: { from: 'publicKey', format: 'raw-base64', strip: ['whpk_'] },
      sig: { header: 'webhook-signature', list: ' ', kv: ',', pick: 'v1a', enc: 'base64' },
      id: 'h:webhook-id',
      ts: { from: 'h:webhook-timestamp', unit: 's', past: 300, future: 300 },
      content: '{id}.{ts}.{body}',
    },
  },
  supabase_auth_hook: {
    evidence: 'sdk',
    scheme: standardWebhooks('webhook', { key: { decode: 'base64', strip: ['v1,', 'whsec_'] } }),
  },
  svix: { evidence: 'sdk', scheme: standardWebhooks('svix') },
  tailscale: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'tailscale-webhook-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      ts: { from: 'sig:t', unit: 's', past: 300, future: 300 },
      content: '{ts}.{body}',
    },
  },
  terraform_cloud: {
    evidence: 'secondary',
    scheme: bodyMac('x-tfe-notification-signature', { alg: 'hmac-sha512' }),
  },
  uploadthing: { evidence: 'sdk', scheme: bodyMac('x-uploadthing-signature', { prefix: 'hmac-sha256=' }) },
  vercel: { evidence: 'secondary', scheme: bodyMac('x-vercel-signature', { alg: 'hmac-sha1' }) },
};
