import type { ProviderTable } from '../provider.ts';
import { bodyMac, shownToken, standardWebhooks } from '../scheme-shapes.ts';

/** Clouds and identity. */
export const cloudProviders: ProviderTable = {
  auth0: { evidence: 'secondary', scheme: shownToken('h:authorization') },
  aws_eventbridge_apikey: {
    evidence: 'recall',
    scheme: { kind: 'token', from: 'header', headerConfig: 'headerName' },
  },
  azure_eventgrid: { evidence: 'recall', scheme: shownToken('q:key') },
  clerk: { evidence: 'sdk', scheme: standardWebhooks('svix') },
  fusionauth: {
    evidence: 'secondary',
    scheme: {
      kind: 'jwt',
      token: 'h:x-fusionauth-signature-jwt',
      algs: ['HS256', 'RS256', 'ES256'],
      key: { from: 'secret' },
      bodyHash: { claim: 'request_body_sha256', enc: 'base64' },
    },
  },
  google_calendar: { evidence: 'secondary', scheme: shownToken('h:x-goog-channel-token') },
  kinde: { evidence: 'sdk', scheme: { kind: 'jwt', token: 'body', algs: ['RS256'], key: { from: 'jwks' } } },
  msgraph: { evidence: 'docs', scheme: shownToken('json:value[*].clientState') },
  okta: { evidence: 'docs', scheme: shownToken('h:authorization') },
  onfido: { evidence: 'sdk', scheme: bodyMac('x-sha2-signature') },
  persona: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'persona-signature', groups: ' ', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      ts: { from: 'sig:t', unit: 's', past: 300, future: 300 },
      content: '{ts}.{body}',
    },
  },
  pubsub: {
    evidence: 'sdk',
    scheme: {
      kind: 'jwt',
      token: 'bearer',
      algs: ['RS256'],
      key: { from: 'jwks', url: 'https://www.googleapis.com/oauth2/v3/certs' },
      issuers: ['https://accounts.google.com', 'accounts.google.com'],
      audienceConfig: 'audience',
      requiredClaims: ['exp', 'email'],
      claimEquals: { email: 'cfg:serviceAccount', email_verified: true },
    },
  },
  seam: { evidence: 'sdk', scheme: standardWebhooks('svix') },
  sns: { evidence: 'sdk', scheme: { kind: 'custom', fn: 'sns', covers: 'body' } },
  stytch: { evidence: 'sdk', scheme: standardWebhooks('svix') },
  workos: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'workos-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      ts: { from: 'sig:t', unit: 'ms', past: 180, future: 300 },
      content: '{ts}.{body}',
    },
  },
};
