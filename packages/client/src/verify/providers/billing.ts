import type { ProviderTable } from '../provider.ts';
import { bodyMac, shownToken, standardWebhooks } from '../scheme-shapes.ts';

/** Billing and subscriptions. */
export const billingProviders: ProviderTable = {
  chargebee: {
    evidence: 'sdk',
    scheme: shownToken('basic'),
    type: ['{json:event_type}'],
    id: ['{json:id}'],
    key: ['{json:content.subscription.id}', '{json:content.customer.id}', '{json:content.invoice.id}'],
    time: ['s json:occurred_at'],
  },
  dodopayments: {
    evidence: 'sdk',
    scheme: standardWebhooks('webhook'),
    type: ['{json:type}'],
    id: ['{h:webhook-id}'],
    key: ['{json:data.subscription_id}', '{json:data.payment_id}', '{json:data.customer.customer_id}'],
    time: ['iso json:timestamp'],
  },
  lemonsqueezy: {
    evidence: 'secondary',
    scheme: bodyMac('x-signature'),
    type: ['{h:x-event-name}', '{json:meta.event_name}'],
    key: ['{json:data.type}#{json:data.id}'],
    answer: { status: 200 },
  },
  metronome: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'metronome-webhook-signature', enc: 'hex' },
      ts: { from: 'h:x-metronome-date', unit: 'http-date', past: 300, future: 300 },
      content: '{ts}\n{body}',
    },
    type: ['{json:type}'],
    id: ['{json:id}'],
    key: ['{json:properties.customer_id}'],
    time: ['iso json:timestamp'],
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
    type: ['{json:event_type}'],
    id: ['{json:event_id}'],
    key: ['{json:data.customer_id}', '{json:data.id}'],
    time: ['iso json:occurred_at'],
  },
  polar: {
    evidence: 'sdk',
    scheme: standardWebhooks('webhook', { key: {} }),
    type: ['{json:type}'],
    id: ['{h:webhook-id}'],
    key: ['{json:data.customer_id}', '{json:data.id}'],
    time: ['iso json:timestamp'],
  },
  recurly: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'recurly-signature', list: ',', positional: true, enc: 'hex' },
      ts: { from: 'sig:0', unit: 'ms', past: 300, future: 300 },
      content: '{ts}.{body}',
    },
    type: ['{json:object_type}.{json:event_type}'],
    id: ['{h:recurly-notification-id}'],
    key: ['{json:uuid}', '{json:id}'],
    time: ['iso json:event_time'],
  },
  revenuecat: {
    evidence: 'secondary',
    scheme: shownToken('h:authorization'),
    type: ['{json:event.type}'],
    id: ['{json:event.id}'],
    key: ['{json:event.app_user_id}'],
    time: ['ms json:event.event_timestamp_ms'],
    answer: { status: 200 },
  },
};
