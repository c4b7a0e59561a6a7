import { z } from 'zod';
import type { DestinationAuth, SealedSecret } from '../domain/settings.ts';
import { headerText } from './fields.ts';

/** What a destination wants to see besides the signature, in requests. */
export const authIn = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('bearer'), token: headerText.min(1) }),
  z.strictObject({
    type: z.literal('basic'),
    username: z.string().max(256),
    password: z.string().max(1_024),
  }),
  z
    .strictObject({
      type: z.literal('oauth2'),
      token_url: z.string().min(1).max(2_048).describe('token endpoint of the authorization server'),
      client_id: z.string().min(1).max(512),
      client_secret: z.string().min(1).max(2_048),
      scope: headerText.max(1_024).optional().describe('scopes separated by spaces'),
      audience: headerText.max(1_024).optional(),
    })
    .describe('OAuth2 client credentials; the token is got, kept and renewed by itself'),
]);

/** The same in answers: everything but the secrets. */
export const authOut = z
  .discriminatedUnion('type', [
    z.object({ type: z.enum(['bearer', 'basic']) }),
    z.object({
      type: z.literal('oauth2'),
      token_url: z.string(),
      client_id: z.string(),
      scope: z.string().nullable(),
      audience: z.string().nullable(),
    }),
  ])
  .nullable();

/** What is kept of `authIn`, its secrets sealed. */
export function authOf(
  auth: z.output<typeof authIn> | null,
  seal: (text: string) => SealedSecret,
): DestinationAuth | null {
  if (auth === null) return null;
  if (auth.type === 'bearer') return { kind: 'bearer', token: seal(auth.token) };
  if (auth.type === 'basic') {
    return { kind: 'basic', username: auth.username, password: seal(auth.password) };
  }
  return {
    kind: 'oauth2',
    tokenUrl: auth.token_url,
    clientId: auth.client_id,
    clientSecret: seal(auth.client_secret),
    scope: auth.scope ?? null,
    audience: auth.audience ?? null,
  };
}

/** What `authOut` describes. */
export function authView(auth: DestinationAuth | null): z.input<typeof authOut> {
  if (auth === null) return null;
  if (auth.kind !== 'oauth2') return { type: auth.kind };
  const { tokenUrl, clientId, scope, audience } = auth;
  return { type: 'oauth2', token_url: tokenUrl, client_id: clientId, scope, audience };
}
