import type { Gateway } from '../core/gateway.ts';
import { Problem } from '../domain/problem.ts';
import type { Destination, SealedSecret } from '../domain/settings.ts';

/** The `whpk_` key of one of a destination's secrets; `null` where nothing is signed with a private key. */
export function publicKeyOf(gateway: Gateway, destination: Destination, secret: SealedSecret): string | null {
  if (destination.signing !== 'standard-ed25519') return null;
  const { secrets, signer } = gateway.services;
  return signer.publicKey(secrets.open(secret.sealed, destination.id));
}

/**
 * The keys that a destination's requests are signed with now, as a JWK set (RFC 7517, ed25519 by RFC 8037),
 * newest first. It needs no API key: public keys are no secret, and the receiver has none.
 *
 * Throws a `Problem` (`not_found`) for what there is not, and for what signs with a shared secret.
 */
export function jwkSetOf(gateway: Gateway, destinationId: string) {
  const destination = gateway.directory.destination(destinationId);
  if (destination?.signing !== 'standard-ed25519') {
    throw new Problem('not_found', 'there is no destination of this id that signs with a private key');
  }
  const now = gateway.services.clock.now();
  const keys = destination.secrets
    .filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
    .flatMap((secret) => {
      const key = publicKeyOf(gateway, destination, secret);
      if (key === null) return [];
      const bytes = Buffer.from(key.slice('whpk_'.length), 'base64');
      const x = bytes.toString('base64url');
      return [{ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', kid: x.slice(0, 16), x }];
    });
  return { keys };
}
