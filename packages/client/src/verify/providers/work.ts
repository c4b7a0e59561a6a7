import type { ProviderTable } from '../provider.ts';
import { bodyMac, shownToken } from '../scheme-shapes.ts';

/** Documents, media and work management. */
export const workProviders: ProviderTable = {
  airtable: {
    evidence: 'secondary',
    scheme: bodyMac('x-airtable-content-mac', { prefix: 'hmac-sha256=', key: { decode: 'base64' } }),
  },
  asana: { evidence: 'secondary', scheme: bodyMac('x-hook-signature') },
  box: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { headers: ['box-signature-primary', 'box-signature-secondary'], enc: 'base64' },
      ts: { from: 'h:box-delivery-timestamp', unit: 'iso', past: 600, future: 0 },
      require: [
        { ref: 'h:box-signature-version', equals: '1', reason: 'alg_not_allowed' },
        { ref: 'h:box-signature-algorithm', equals: 'HmacSHA256', reason: 'alg_not_allowed' },
      ],
      content: '{body}{ts}',
    },
  },
  calcom: { evidence: 'secondary', scheme: bodyMac('x-cal-signature-256') },
  calendly: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'calendly-webhook-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      ts: { from: 'sig:t', unit: 's', past: 180, future: 180 },
      content: '{ts}.{body}',
    },
  },
  cloudinary: {
    evidence: 'sdk',
    scheme: {
      kind: 'digest',
      alg: 'sha1',
      sig: { header: 'x-cld-signature', enc: 'hex' },
      ts: { from: 'h:x-cld-timestamp', unit: 's', past: 7200, future: null },
      content: '{body}{ts}{secret}',
    },
  },
  contentful: { evidence: 'sdk', scheme: { kind: 'custom', fn: 'contentful', covers: 'body' } },
  docusign: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { enc: 'base64', headerPattern: '^x-docusign-signature-\\d+$' },
      content: '{body}',
    },
  },
  dropbox: { evidence: 'secondary', scheme: bodyMac('x-dropbox-signature') },
  dropbox_sign: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { formJson: 'event.event_hash', enc: 'hex' },
      content: '{fj:event.event_time}{fj:event.event_type}',
    },
  },
  figma: { evidence: 'secondary', scheme: shownToken('json:passcode') },
  hygraph: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'gcms-signature', list: ',', kv: '=', pick: 'sign', enc: 'base64' },
      ts: { from: 'sig:t', unit: 'ms', past: null, future: null },
      content: '{"Body":{body|jsonstr},"EnvironmentName":{sig:env|jsonstr},"TimeStamp":{ts}}',
    },
  },
  imagekit: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-ik-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      ts: { from: 'sig:t', unit: 'ms', past: null, future: null },
      content: '{ts}.{body}',
    },
  },
  jira: { evidence: 'docs', scheme: bodyMac('x-hub-signature', { prefix: 'sha256=' }) },
  kontent: { evidence: 'sdk', scheme: bodyMac('x-kontent-ai-signature', { enc: 'base64' }) },
  linear: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'linear-signature', enc: 'hex' },
      ts: { from: 'json:webhookTimestamp', unit: 'ms', past: 60, future: 60 },
      content: '{body}',
    },
  },
  monday: { evidence: 'secondary' },
  mux: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'mux-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      ts: { from: 'sig:t', unit: 's', past: 300, future: 300 },
      content: '{ts}.{body}',
    },
  },
  notion: { evidence: 'sdk', scheme: bodyMac('x-notion-signature', { prefix: 'sha256=' }) },
  pandadoc: {
    evidence: 'secondary',
    scheme: { kind: 'mac', alg: 'hmac-sha256', sig: { query: 'signature', enc: 'hex' }, content: '{body}' },
  },
  sanity: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'sanity-webhook-signature', list: ',', kv: '=', pick: 'v1', enc: 'base64url' },
      ts: { from: 'sig:t', unit: 'ms', past: null, future: null },
      content: '{ts}.{body}',
    },
  },
  smartsheet: { evidence: 'secondary', scheme: bodyMac('smartsheet-hmac-sha256') },
  tally: { evidence: 'secondary', scheme: bodyMac('tally-signature', { enc: 'base64' }) },
  trello: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha1',
      sig: { header: 'x-trello-webhook', enc: 'base64' },
      content: '{body}{url}',
    },
  },
  typeform: {
    evidence: 'secondary',
    scheme: bodyMac('typeform-signature', { enc: 'base64', prefix: 'sha256=' }),
  },
  webflow: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'x-webflow-signature', enc: 'hex' },
      ts: { from: 'h:x-webflow-timestamp', unit: 'ms', past: 300, future: 300 },
      content: '{ts}:{body}',
    },
  },
};
