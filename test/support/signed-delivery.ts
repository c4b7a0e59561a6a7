import { Webhook } from 'standardwebhooks';

/** The secret of the deliveries that tests sign. */
export const DELIVERY_SECRET = `whsec_${Buffer.from('a secret of 24 bytes ....').toString('base64')}`;

/** The headers of a delivery of this body, signed by the reference implementation of Standard Webhooks. */
export function deliveryHeaders(
  body: string,
  { id = 'evt_1', secret = DELIVERY_SECRET, at = new Date() } = {},
): Record<string, string> {
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
    'ringback-event-type': 'com.github.issues.opened',
  };
}
