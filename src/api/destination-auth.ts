import { z } from 'zod';
import { type FieldError, Problem } from '../domain/problem.ts';
import type { DestinationAuth, DestinationTls, SealedSecret } from '../domain/settings.ts';
import type { TlsIdentities } from '../ports/sender.ts';
import { headerText, instant, isoTimeOrNull } from './fields.ts';

/** What a destination wants to see besides the signature, in requests. */
export const authIn = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('bearer'), token: headerText.min(1) }),
  z.strictObject({
    type: z.literal('basic'),
    username: z
      .string()
      .max(256)
      .regex(/^[^:]*$/, 'must not contain a colon: it ends the name (RFC 7617, section 2)'),
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

const pem = z.string().min(1).max(65_536);

/** Who we are on the TLS connection and whom we trust, in requests. */
export const tlsIn = z
  .strictObject({
    client_cert: pem.optional().describe('PEM: the certificate, then those that lead to its authority'),
    client_key: pem.optional().describe('PEM, without a passphrase; never shown again'),
    ca: pem.optional().describe("PEM: the only authorities that the receiver's certificate may be from"),
  })
  .superRefine((tls, context) => {
    const lacks = (field: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [field], message });
    if (tls.client_cert !== undefined && tls.client_key === undefined) {
      lacks('client_key', 'is required with client_cert');
    }
    if (tls.client_key !== undefined && tls.client_cert === undefined) {
      lacks('client_cert', 'is required with client_key');
    }
  });

/** The same in answers. */
export const tlsOut = z
  .object({
    client_cert: z
      .object({ fingerprint_sha256: z.string().nullable(), expires_at: instant.nullable() })
      .nullable(),
    ca: z.string().nullable(),
  })
  .nullable();

/** What is kept of `tlsIn`. Throws a `Problem` that points at what cannot be used. */
export function tlsOf(
  tls: z.output<typeof tlsIn> | null,
  identities: TlsIdentities,
  seal: (text: string) => SealedSecret,
): DestinationTls | null {
  if (tls === null) return null;
  const { client_cert: cert = null, client_key: key = null, ca = null } = tls;
  const examined = identities.examine({ cert, key, ca });
  if (!examined.ok) {
    const error: FieldError = { pointer: `/tls/${examined.field}`, message: examined.message };
    throw new Problem('validation_failed', `tls.${examined.field}: ${examined.message}`, { errors: [error] });
  }
  const { fingerprint, expiresAt } = examined;
  return { clientCert: cert, clientKey: key === null ? null : seal(key), ca, fingerprint, expiresAt };
}

/** What `tlsOut` describes. */
export function tlsView(tls: DestinationTls | null | undefined): z.input<typeof tlsOut> {
  if (tls === null || tls === undefined) return null;
  const { clientCert, ca, fingerprint, expiresAt } = tls;
  const shown = { fingerprint_sha256: fingerprint, expires_at: isoTimeOrNull(expiresAt) };
  return { client_cert: clientCert === null ? null : shown, ca };
}
