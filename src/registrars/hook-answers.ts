import { isRecord } from '../../packages/client/src/verify/reference.ts';
import { Problem } from '../domain/problem.ts';

// What the registrars have in common: reading answers, and the cases that do not apply to them.

/** The id of a webhook; an answer without one is not what was asked for. */
export function idOf(provider: string, hook: unknown): string {
  const id = isRecord(hook) ? hook['id'] : undefined;
  if (typeof id === 'string' || typeof id === 'number') return String(id);
  throw new Problem(
    'provider_unavailable',
    `${provider} answered without the webhook; look there what it did`,
  );
}

/** The texts of a list field. */
export function textsOf(value: unknown, field: string): string[] {
  const list = isRecord(value) ? value[field] : undefined;
  return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : [];
}

/** The text of a field, `null` when it is none. */
export function textOf(value: unknown, field: string): string | null {
  const text = isRecord(value) ? value[field] : undefined;
  return typeof text === 'string' && text !== '' ? text : null;
}

/** Whether two lists hold the same names, in whatever order. */
export function equalSets(left: readonly string[], right: readonly string[]): boolean {
  const names = new Set(left);
  return names.size === new Set(right).size && right.every((name) => names.has(name));
}

/** For providers that take any secret. */
export function anySecret(): void {
  // Nothing to refuse.
}

/** For providers whose webhooks never need another secret: we say it, or the account has it. */
export function keepsItsSecret(): Promise<never> {
  return Promise.reject(new Error('only a secret that the provider makes can be renewed'));
}
