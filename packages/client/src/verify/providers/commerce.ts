import type { ProviderTable } from '../provider.ts';
import { bodyMac, shownToken } from '../scheme-shapes.ts';

/** Shops, sales and marketing. */
export const commerceProviders: ProviderTable = {
  attio: { evidence: 'secondary', scheme: bodyMac('attio-signature') },
  close: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      key: { decode: 'hex' },
      sig: { header: 'close-sig-hash', enc: 'hex' },
      ts: { from: 'h:close-sig-timestamp', unit: 's', past: 300, future: 300 },
      content: '{ts}{body}',
    },
  },
  customerio: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-cio-signature', enc: 'hex' },
      ts: { from: 'h:x-cio-timestamp', unit: 's', past: 300, future: 300 },
      content: 'v0:{ts}:{body}',
    },
  },
  easypost: {
    evidence: 'sdk',
    scheme: bodyMac('x-hmac-signature', { prefix: 'hmac-sha256-hex=', key: { normalize: 'NFKD' } }),
  },
  ebay: { evidence: 'secondary', scheme: { kind: 'custom', fn: 'ebay', covers: 'body' } },
  fitbit: {
    evidence: 'secondary',
    scheme: bodyMac('x-fitbit-signature', { enc: 'base64', alg: 'hmac-sha1', key: { suffix: '&' } }),
  },
  hubspot_v1: {
    evidence: 'sdk',
    scheme: {
      kind: 'digest',
      alg: 'sha256',
      sig: { header: 'x-hubspot-signature', enc: 'hex' },
      content: '{secret}{body}',
    },
  },
  hubspot_v2: {
    evidence: 'sdk',
    scheme: {
      kind: 'digest',
      alg: 'sha256',
      sig: { header: 'x-hubspot-signature', enc: 'hex' },
      content: '{secret}{method}{url}{body}',
    },
  },
  hubspot_v3: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-hubspot-signature-v3', enc: 'base64' },
      ts: { from: 'h:x-hubspot-request-timestamp', unit: 'ms', past: 300, future: 300 },
      content: '{method}{url}{body}{ts}',
    },
  },
  patreon: { evidence: 'secondary', scheme: bodyMac('x-patreon-signature', { alg: 'hmac-md5' }) },
  pipedrive: { evidence: 'secondary', scheme: shownToken('basic') },
  salesforce_om: { evidence: 'recall', scheme: shownToken('xml:OrganizationId') },
  segment: { evidence: 'secondary', scheme: bodyMac('x-signature', { alg: 'hmac-sha1' }) },
  sfmc_ens: { evidence: 'secondary', scheme: bodyMac('x-sfmc-ens-signature', { enc: 'base64' }) },
  shopify: { evidence: 'sdk', scheme: bodyMac('x-shopify-hmac-sha256', { enc: 'base64' }) },
  shopify_events: { evidence: 'sdk', scheme: bodyMac('shopify-hmac-sha256', { enc: 'base64' }) },
  strava: { evidence: 'secondary' },
  woocommerce: { evidence: 'docs', scheme: bodyMac('x-wc-webhook-signature', { enc: 'base64' }) },
  xero: { evidence: 'secondary', scheme: bodyMac('x-xero-signature', { enc: 'base64' }) },
};
