import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { IngestRequest } from '../ports/verifier.ts';
import { requestInspector } from './inspect-request.ts';

const BODY = Buffer.from('{"id":"evt_1","type":"invoice.paid","created":1750000000}');
const NOW = 1_750_000_000_000;

function request(headers: readonly string[], body: Uint8Array = BODY): IngestRequest {
  return { method: 'POST', url: 'https://gateway.example/in/key', headers, body, nowMs: NOW };
}

function stripeSignature(secret: string): string {
  const t = NOW / 1000;
  return `t=${t},v1=${createHmac('sha256', secret).update(`${t}.`).update(BODY).digest('hex')}`;
}

describe('what a request looks like', () => {
  const inspector = requestInspector(null);

  it('is told by where the proof is, and by who is named', async () => {
    const stripe = request(['Stripe-Signature', stripeSignature('of nobody here')]);
    expect((await inspector.inspect(stripe)).looksLike[0]).toBe('stripe');
    const github = request(['X-Hub-Signature-256', `sha256=${'0'.repeat(64)}`, 'X-GitHub-Event', 'push']);
    expect((await inspector.inspect(github)).looksLike[0]).toBe('github');
    const slack = request([
      'x-slack-signature',
      `v0=${'0'.repeat(64)}`,
      'x-slack-request-timestamp',
      '1750000000',
    ]);
    expect((await inspector.inspect(slack)).looksLike[0]).toBe('slack');
  });

  it('is nobody when there is no proof', async () => {
    const { looksLike, verdict } = await inspector.inspect(request(['x-odd', '1']));
    expect(looksLike).toEqual([]);
    expect(verdict).toBeNull();
  });

  it('may be a question about the URL instead of an event', async () => {
    const asked = {
      ...request(['WebHook-Request-Origin', 'events.example'], Buffer.of()),
      method: 'OPTIONS',
    };
    expect((await inspector.inspect(asked)).handshakeOf).toEqual(['azure_eventgrid', 'cloudevents']);
    const { handshakeOf } = await inspector.inspect(request(['Stripe-Signature', stripeSignature('x')]));
    expect(handshakeOf).toEqual([]);
  });
});

describe('whether a request verifies', () => {
  it('is decided with what was given', async () => {
    const right = requestInspector({ provider: 'stripe', secrets: ['whsec_right'], config: {} });
    const signed = request(['Stripe-Signature', stripeSignature('whsec_right')]);
    expect((await right.inspect(signed)).verdict).toMatchObject({
      ok: true,
      covers: 'body',
      event: { type: 'com.stripe.invoice.paid', id: 'evt_1' },
    });
    const wrong = requestInspector({ provider: 'stripe', secrets: ['whsec_wrong'], config: {} });
    expect((await wrong.inspect(signed)).verdict).toMatchObject({ ok: false, reason: 'bad_signature' });
  });

  it('needs a provider that is known, with what it needs', () => {
    expect(() => requestInspector({ provider: 'nobody', secrets: [], config: {} })).toThrow(/nobody/);
    expect(() => requestInspector({ provider: 'stripe', secrets: [], config: {} })).toThrow();
  });
});
