import type { Provider, ProviderTable } from './provider.ts';
import { aiProviders } from './providers/ai.ts';
import { billingProviders } from './providers/billing.ts';
import { callsProviders } from './providers/calls.ts';
import { chatProviders } from './providers/chat.ts';
import { cloudProviders } from './providers/cloud.ts';
import { commerceProviders } from './providers/commerce.ts';
import { developerProviders } from './providers/developer.ts';
import { documentsProviders } from './providers/documents.ts';
import { formatsProviders } from './providers/formats.ts';
import { mailProviders } from './providers/mail.ts';
import { paymentsProviders } from './providers/payments.ts';
import { supportProviders } from './providers/support.ts';
import { workProviders } from './providers/work.ts';

/** Every provider we know, by id. */
export const providers: ProviderTable = {
  ...aiProviders,
  ...billingProviders,
  ...callsProviders,
  ...chatProviders,
  ...cloudProviders,
  ...commerceProviders,
  ...developerProviders,
  ...documentsProviders,
  ...formatsProviders,
  ...mailProviders,
  ...paymentsProviders,
  ...supportProviders,
  ...workProviders,
};

const aliases: Readonly<Record<string, string>> = {
  'standard-webhooks': 'standardwebhooks',
  'mcp-events': 'mcp_events',
};

/** Ids of providers that take their scheme from the source's own settings. */
export const genericProviders = ['hmac', 'token', 'basic', 'none'] as const;

/** The canonical id of a provider: aliases resolved. */
export function providerId(id: string): string {
  return aliases[id] ?? id;
}

/** The entry of a provider; undefined when there is none. Aliases are understood. */
export function findProvider(id: string): Provider | undefined {
  const canonical = providerId(id);
  return Object.hasOwn(providers, canonical) ? providers[canonical] : undefined;
}
