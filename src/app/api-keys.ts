import type { Gateway } from '../core/gateway.ts';
import type { Principal } from '../domain/principal.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecretBox } from '../ports/secret-box.ts';

/**
 * Who a bearer token belongs to: the operator's bootstrap key, or a key of the settings.
 *
 * Tokens are looked up by their digest, so the time that it takes says nothing about any key.
 */
export function apiKeys(
  bootstrapKey: string | null,
  services: { readonly secrets: SecretBox; readonly clock: Clock },
  gateway: Pick<Gateway, 'directory' | 'keyUses'>,
): (token: string) => Principal | null {
  const bootstrapHash = bootstrapKey === null ? null : services.secrets.digest(bootstrapKey);
  return (token) => {
    const hash = services.secrets.digest(token);
    if (hash === bootstrapHash) return BOOTSTRAP;
    const key = gateway.directory.apiKey(hash);
    if (key === undefined) return null;
    const now = services.clock.now();
    if (key.expiresAt !== null && key.expiresAt <= now) return null;
    const previous = key.previous?.find((old) => old.hash === hash);
    if (previous !== undefined && previous.expiresAt <= now) return null;
    gateway.keyUses.used(key.id);
    return { id: key.id, name: key.name, scopes: key.scopes, tenant: key.boundTenant };
  };
}

const BOOTSTRAP: Principal = { id: 'bootstrap', name: 'bootstrap', scopes: ['admin'], tenant: null };
