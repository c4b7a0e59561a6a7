import type { ProviderTable } from '../provider.ts';
import { bodyMac, shownToken, standardWebhooks } from '../scheme-shapes.ts';

/** Models and the tools around them. */
export const aiProviders: ProviderTable = {
  anthropic: { evidence: 'sdk', scheme: standardWebhooks('webhook') },
  assemblyai: {
    evidence: 'secondary',
    scheme: { kind: 'token', from: 'header', headerConfig: 'headerName' },
  },
  cursor: { evidence: 'secondary', scheme: bodyMac('x-webhook-signature', { prefix: 'sha256=' }) },
  deepgram: { evidence: 'secondary', scheme: shownToken('h:dg-token') },
  elevenlabs: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'elevenlabs-signature', list: ',', kv: '=', pick: 'v0', enc: 'hex' },
      ts: { from: 'sig:t', unit: 's', past: 1800, future: 300 },
      content: '{ts}.{body}',
    },
  },
  fal: {
    evidence: 'secondary',
    scheme: {
      kind: 'signature',
      alg: 'ed25519',
      key: { from: 'jwksAny', url: 'https://rest.alpha.fal.ai/.well-known/jwks.json' },
      sig: { header: 'x-fal-webhook-signature', enc: 'hex' },
      ts: { from: 'h:x-fal-webhook-timestamp', unit: 's', past: 300, future: 300 },
      content: '{h:x-fal-webhook-request-id}\n{h:x-fal-webhook-user-id}\n{ts}\n{body|sha256hex}',
    },
  },
  firecrawl: { evidence: 'secondary', scheme: bodyMac('x-firecrawl-signature', { prefix: 'sha256=' }) },
  livekit: {
    evidence: 'sdk',
    scheme: {
      kind: 'jwt',
      token: 'h:authorization',
      algs: ['HS256'],
      key: { from: 'secret' },
      issuerConfig: 'apiKey',
      bodyHash: { claim: 'sha256', enc: 'base64' },
    },
  },
  openai: {
    evidence: 'sdk',
    scheme: standardWebhooks('webhook', { key: { decode: 'base64-if-prefixed', strip: ['whsec_'] } }),
  },
  replicate: { evidence: 'sdk', scheme: standardWebhooks('webhook', { past: null, future: null }) },
  retell: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-retell-signature', list: ',', kv: '=', pick: 'd', enc: 'hex' },
      ts: { from: 'sig:v', unit: 'ms', past: 300, future: 300 },
      content: '{body}{ts}',
    },
  },
  vapi_secret: { evidence: 'docs', scheme: shownToken('h:x-vapi-secret') },
};
