import { Problem } from '../domain/problem.ts';
import { maySee, type Principal } from '../domain/principal.ts';
import { DEFAULT_TENANT } from '../domain/settings.ts';

/** The tenant that something new belongs to: as asked for, else the principal's own, else the default. */
export function tenantFor(principal: Principal, asked: string | undefined): string {
  const tenant = asked ?? principal.tenant ?? DEFAULT_TENANT;
  if (!maySee(principal, tenant)) {
    throw new Problem('scope_missing', `the API key is bound to tenant "${principal.tenant}"`);
  }
  return tenant;
}

/** What a list is narrowed to: a bound principal sees its own tenant whatever it asks for. */
export function tenantFilter(principal: Principal, asked: string | undefined): { tenant?: string } {
  if (principal.tenant !== null) return { tenant: principal.tenant };
  return asked === undefined ? {} : { tenant: asked };
}

/** Hides what is of another tenant: it is as if it did not exist. */
export function visible<Item extends { readonly tenant: string }>(
  item: Item | null,
  principal: Principal,
  what: string,
): Item {
  if (item === null || !maySee(principal, item.tenant)) throw new Problem('not_found', `there is no ${what}`);
  return item;
}
