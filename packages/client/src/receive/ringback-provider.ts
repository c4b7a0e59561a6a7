import type { ProviderModule } from '../verify/prepare-provider.ts';
import type { Provider } from '../verify/provider.ts';
import { standardWebhooks } from '../verify/scheme-shapes.ts';
import { prepareMac, prepareSignature } from '../verify/signed-content.ts';

// What Ringback sends: Standard Webhooks 1.0.0, with the event's type in a header, since the body is
// whatever the first sender wrote.
const provider: Provider = {
  brand: '',
  evidence: 'sdk',
  type: ['{h:ringback-event-type}', '{json:type}'],
  id: ['{h:webhook-id}'],
  time: ['iso json:timestamp', 's h:webhook-timestamp'],
};

const mac = standardWebhooks('webhook');

/** Deliveries of Ringback that are signed with a secret, `whsec_...`. */
export const ringback: ProviderModule = {
  id: 'ringback',
  provider,
  prepare: (credentials) => prepareMac(mac, credentials),
};

/** Deliveries of Ringback that are signed with a private key (`standard-ed25519`). */
export const ringbackEd25519: ProviderModule = {
  id: 'ringback',
  provider,
  prepare: (credentials) =>
    prepareSignature(
      {
        kind: 'signature',
        alg: 'ed25519',
        key: { from: 'publicKey', format: 'raw-base64', strip: ['whpk_'] },
        sig: { header: 'webhook-signature', list: ' ', kv: ',', pick: 'v1a', enc: 'base64' },
        id: 'h:webhook-id',
        ts: { from: 'h:webhook-timestamp', unit: 's', past: 300, future: 300 },
        content: '{id}.{ts}.{body}',
      },
      credentials,
    ),
};
