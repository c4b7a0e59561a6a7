import { StandardWebhookSigner } from '../senders/webhook-signer.ts';

/** Signs as Standard Webhooks says: `id`, seconds since the epoch, body. */
export type SignWebhook = (id: string, timestampS: number, body: Uint8Array) => string;

/** What signs with this `whsec_` or `whsk_` secret, or why it cannot. */
export function webhookSignature(
  secret: string,
): { readonly sign: SignWebhook } | { readonly mistake: string } {
  const signer = new StandardWebhookSigner();
  const mistake = signer.check(secret.startsWith('whsk_') ? 'standard-ed25519' : 'standard', secret);
  if (mistake !== null) return { mistake };
  return { sign: (id, timestampS, body) => signer.sign(id, timestampS, body, [secret]) };
}
