import type { HookCall, RegisteredHook, Registrar, WantedHook } from '../ports/registrar.ts';
import { anySecret, equalSets, idOf, textOf, textsOf } from './hook-answers.ts';
import { findInPages } from './paged-hooks.ts';
import type { ApiFetch } from './provider-api.ts';
import { ProviderApi } from './provider-api.ts';

/** Webhook endpoints of a Stripe account. Stripe shows the secret when it makes one, and never again. */
export function stripeRegistrar(apiFetch: ApiFetch): Registrar {
  const api = new ProviderApi('Stripe', apiFetch);
  const ask = (call: HookCall, method: 'GET' | 'POST' | 'DELETE', path: string, form?: URLSearchParams) =>
    api.ask({
      method,
      url: `${call.apiUrl ?? 'https://api.stripe.com'}/v1/webhook_endpoints${path}`,
      headers: headersOf(call),
      ...(form === undefined ? {} : { form }),
    });
  const create: Registrar['create'] = async (call, wanted) => {
    const form = settings(wanted);
    form.set('url', call.hookUrl);
    const hook = await ask(call, 'POST', '', form);
    return { ...view(hook), secret: textOf(hook, 'secret') };
  };
  return {
    secret: 'theirs',
    defaultEvents: ['*'],
    mayNameNone: false,
    account: { is: 'a connected account (acct_...), if it is for one', required: false },
    sameEvents: equalSets,
    checkSecret: anySecret,
    create,
    async find(call) {
      const hook = await findInPages(call.hookUrl, (after) => {
        const query = after === null ? '' : `&starting_after=${encodeURIComponent(after)}`;
        return ask(call, 'GET', `?limit=100${query}`);
      });
      return { hook: hook === null ? null : view(hook), occupiedBy: null };
    },
    async update(call, hook, wanted) {
      const form = settings(wanted);
      form.set('disabled', 'false');
      return view(await ask(call, 'POST', `/${encodeURIComponent(hook.id)}`, form));
    },
    async renewSecret(call, hook, wanted) {
      // The new one first: between the two an event comes twice, which de-duplication sees to. The
      // other way round it would not come at all.
      const made = await create(call, wanted);
      await ask(call, 'DELETE', `/${encodeURIComponent(hook.id)}`);
      return made;
    },
  };
}

function headersOf({ token, account }: HookCall): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    ...(account === null ? {} : { 'stripe-account': account }),
  };
}

function settings({ events, name }: WantedHook): URLSearchParams {
  const form = new URLSearchParams({ description: name });
  for (const event of events) form.append('enabled_events[]', event);
  return form;
}

function view(hook: unknown): RegisteredHook {
  return { id: idOf('Stripe', hook), events: textsOf(hook, 'enabled_events') };
}
