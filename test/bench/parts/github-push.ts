import { createHmac } from 'node:crypto';

const BODY_BYTES = 1_024;

/** A GitHub push of exactly 1 KiB with its signature; the delivery id is the caller's to vary. */
export function signedPush(secret: string): { body: string; headers: Record<string, string> } {
  const event = {
    ref: 'refs/heads/main',
    repository: { id: 1, full_name: 'acme/web' },
    sender: { login: 'octocat', type: 'User' },
    padding: '',
  };
  event.padding = 'x'.repeat(BODY_BYTES - JSON.stringify(event).length);
  const body = JSON.stringify(event);
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'GitHub-Hookshot/044aadd',
      'x-github-event': 'push',
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
  };
}
