import type { HookCall, RegisteredHook, Registrar } from '../ports/registrar.ts';
import { anySecret, equalSets, idOf, textOf, textsOf } from './hook-answers.ts';
import { findInPages } from './paged-hooks.ts';
import type { ApiFetch } from './provider-api.ts';
import { ProviderApi } from './provider-api.ts';

// There is no wildcard, so that a new kind of event must be asked for by name.
const DEFAULT_EVENTS = [
  ...['completed', 'failed', 'cancelled', 'incomplete'].map((end) => `response.${end}`),
  ...['completed', 'failed', 'expired', 'cancelled'].map((end) => `batch.${end}`),
  ...['succeeded', 'failed', 'cancelled'].map((end) => `fine_tuning.job.${end}`),
  ...['succeeded', 'failed', 'canceled'].map((end) => `eval.run.${end}`),
];

/** Webhook endpoints of an OpenAI project. OpenAI makes the secret, and another one when asked. */
export function openaiRegistrar(apiFetch: ApiFetch): Registrar {
  const api = new ProviderApi('OpenAI', apiFetch);
  const ask = (call: HookCall, method: 'GET' | 'POST', path: string, json?: unknown) =>
    api.ask({
      method,
      url: `${call.apiUrl ?? 'https://api.openai.com/v1'}/webhook_endpoints${path}`,
      headers: headersOf(call),
      json,
    });
  return {
    secret: 'theirs',
    defaultEvents: DEFAULT_EVENTS,
    mayNameNone: false,
    account: { is: 'a project (proj_...), if the key is not bound to one', required: false },
    sameEvents: equalSets,
    checkSecret: anySecret,
    async find(call) {
      const hook = await findInPages(call.hookUrl, (after) => {
        const query = after === null ? '' : `&after=${encodeURIComponent(after)}`;
        return ask(call, 'GET', `?limit=100${query}`);
      });
      return { hook: hook === null ? null : view(hook), occupiedBy: null };
    },
    async create(call, { events, name }) {
      const hook = await ask(call, 'POST', '', { name, url: call.hookUrl, event_types: events });
      return { ...view(hook), secret: textOf(hook, 'signing_secret') };
    },
    async update(call, hook, { events, name }) {
      return view(await ask(call, 'POST', pathOf(hook), { name, event_types: events }));
    },
    async renewSecret(call, hook, { events, name }) {
      await ask(call, 'POST', pathOf(hook), { name, event_types: events });
      // Nobody here has the old one, but another receiver of the endpoint may.
      const body = { keep_old_secret_active_for_24_hours: true };
      const renewed = await ask(call, 'POST', `${pathOf(hook)}/rotate_secret`, body);
      return { ...view(renewed), secret: textOf(renewed, 'signing_secret') };
    },
  };
}

function pathOf({ id }: RegisteredHook): string {
  return `/${encodeURIComponent(id)}`;
}

function headersOf({ token, account }: HookCall): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    ...(account === null ? {} : { 'openai-project': account }),
  };
}

function view(hook: unknown): RegisteredHook {
  return { id: idOf('OpenAI', hook), events: textsOf(hook, 'event_types') };
}
