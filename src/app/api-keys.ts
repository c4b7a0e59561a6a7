import type { Directory } from '../core/directory.ts';
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
  directory: Directory,
): (token: string) => Principal | null {
  const bootstrapHash = bootstrapKey === null ? null : services.secrets.digest(bootstrapKey);
  return (token) => {
    const hash = services.secrets.digest(token);
    if (hash === bootstrapHash) return BOOTSTRAP;
    const key = directory.apiKey(hash);
    if (key === undefined) return null;
    if (key.expiresAt !== null && key.expiresAt <= services.clock.now()) return null;
    return { id: key.id, name: key.name, scopes: key.scopes, tenant: key.boundTenant };
  };
}

const BOOTSTRAP: Principal = { id: 'bootstrap', name: 'bootstrap', scopes: ['admin'], tenant: null };
