import { Webhook } from 'standardwebhooks';

export const SECRET = `whsec_${btoa('a secret of 24 bytes ....')}`;
export const HOOK = 'https://example.com/hook';

export interface DeliveryOptions {
  readonly id?: string;
  readonly secret?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly at?: Date;
}

/** A delivery as Ringback makes it, signed by the reference implementation of Standard Webhooks. */
export function delivery(options: DeliveryOptions = {}): Request {
  const { id = 'evt_1', secret = SECRET, body = '{"action":"opened"}', headers, at = new Date() } = options;
  return new Request(HOOK, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
      'ringback-event-type': 'com.github.issues.opened',
      'ringback-source': 'github',
      'ringback-delivery': 'dlv_1',
      'ringback-attempt': '2',
      ...headers,
    },
  });
}
