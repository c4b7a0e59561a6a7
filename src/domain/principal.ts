import type { Scope } from './settings.ts';

/** Who is asking. */
export interface Principal {
  /** The key's id, or `bootstrap` for the key that the operator set for the process. */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** The only tenant that it may see or touch; `null` = all. */
  readonly tenant: string | null;
}

/** Whether the principal may do what asks for `scope`. `manage` includes reading. */
export function mayDo(principal: Principal, scope: Scope): boolean {
  if (principal.scopes.includes('admin') || principal.scopes.includes(scope)) return true;
  return scope === 'read' && principal.scopes.includes('manage');
}

/** Whether something of `tenant` exists as far as this principal can tell. */
export function maySee(principal: Principal, tenant: string): boolean {
  return principal.tenant === null || principal.tenant === tenant;
}
