import type { Registrar, Registrars } from '../ports/registrar.ts';
import { githubRegistrar } from './github.ts';
import { openaiRegistrar } from './openai.ts';
import type { ApiFetch } from './provider-api.ts';
import { shopifyRegistrar } from './shopify.ts';
import { stripeRegistrar } from './stripe.ts';
import { telegramRegistrar } from './telegram.ts';

/**
 * The providers whose API makes webhooks.
 *
 * @param apiFetch reaches their APIs; give it the address guard.
 */
export function createRegistrars(apiFetch: ApiFetch): Registrars {
  const registrars = new Map<string, Registrar>([
    ['github', githubRegistrar(apiFetch)],
    ['openai', openaiRegistrar(apiFetch)],
    ['shopify', shopifyRegistrar(apiFetch)],
    ['stripe', stripeRegistrar(apiFetch)],
    ['telegram', telegramRegistrar(apiFetch)],
  ]);
  return { of: (provider) => registrars.get(provider), providers: [...registrars.keys()] };
}
