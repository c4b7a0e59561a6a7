import type { ProviderTable } from '../provider.ts';
import { bodyMac, standardWebhooks } from '../scheme-shapes.ts';

/** Models and the tools around them. */
export const aiProviders: ProviderTable = {
  anthropic: {
    evidence: 'sdk',
    scheme: standardWebhooks('webhook'),
    type: ['{json:data.type}', '{json:type}'],
    id: ['{h:webhook-id}', '{json:id}'],
    key: ['{json:data.id}'],
    time: ['iso json:created_at'],
  },
  cursor: {
    evidence: 'secondary',
    scheme: bodyMac('x-webhook-signature', { prefix: 'sha256=' }),
    type: ['{json:event}'],
    id: ['{h:x-webhook-id}'],
    key: ['{json:id}'],
    time: ['iso json:timestamp'],
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
    type: ['{json:status}'],
    id: ['{h:x-fal-webhook-request-id}'],
    key: ['{json:request_id}'],
  },
  firecrawl: {
    evidence: 'secondary',
    scheme: bodyMac('x-firecrawl-signature', { prefix: 'sha256=' }),
    type: ['{json:type}'],
    id: ['{json:webhookId}'],
    key: ['{json:id}'],
    answer: { status: 200 },
  },
  openai: {
    evidence: 'sdk',
    scheme: standardWebhooks('webhook', { key: { decode: 'base64-if-prefixed', strip: ['whsec_'] } }),
    type: ['{json:type}'],
    id: ['{h:webhook-id}', '{json:id}'],
    key: ['{json:data.id}', '{json:data.call_id}'],
    time: ['s json:created_at'],
  },
  replicate: {
    evidence: 'sdk',
    scheme: standardWebhooks('webhook', { past: null, future: null }),
    type: ['{json:status}'],
    id: ['{h:webhook-id}'],
    key: ['{json:id}'],
    time: ['iso json:completed_at', 'iso json:created_at'],
  },
};
