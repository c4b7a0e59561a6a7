import { isRecord } from '../../packages/client/src/verify/reference.ts';
import { Problem } from '../domain/problem.ts';
import type { HookCall, RegisteredHook, Registrar, WantedHook } from '../ports/registrar.ts';
import { equalSets, keepsItsSecret, textOf, textsOf } from './hook-answers.ts';
import type { ApiFetch } from './provider-api.ts';
import { ProviderApi } from './provider-api.ts';

/** A bot has one webhook, which has no id. */
const ID = 'webhook';

/** The webhook of a Telegram bot. */
export function telegramRegistrar(apiFetch: ApiFetch): Registrar {
  const api = new ProviderApi('Telegram', apiFetch);
  const ask = (call: HookCall, name: string, json: unknown) =>
    api.ask({ method: 'POST', url: methodUrl(call, name), headers: {}, json });
  const set = async (call: HookCall, { events, secret }: WantedHook): Promise<RegisteredHook> => {
    const settings = { url: call.hookUrl, secret_token: secret, allowed_updates: events };
    await ask(call, 'setWebhook', settings);
    return { id: ID, events };
  };
  return {
    secret: 'ours',
    // An empty list is every kind of update but a few noisy ones.
    defaultEvents: [],
    mayNameNone: true,
    account: { is: 'nothing: the token is that of one bot', required: false },
    sameEvents: equalSets,
    checkSecret,
    renewSecret: keepsItsSecret,
    async find(call) {
      const answer = await ask(call, 'getWebhookInfo', {});
      const info = isRecord(answer) ? answer['result'] : undefined;
      const url = textOf(info, 'url');
      if (url === call.hookUrl) {
        return { hook: { id: ID, events: textsOf(info, 'allowed_updates') }, occupiedBy: null };
      }
      return { hook: null, occupiedBy: url === null ? null : hostOf(url) };
    },
    create: async (call, wanted) => ({ ...(await set(call, wanted)), secret: null }),
    update: (call, _hook, wanted) => set(call, wanted),
  };
}

function methodUrl({ token, apiUrl }: HookCall, name: string): string {
  // It becomes a part of the path.
  if (!/^\d+:[\w-]+$/.test(token)) {
    const message = 'is not the token of a bot: BotFather writes it as 123456:ABC...';
    throw new Problem('validation_failed', `token: ${message}`, { errors: [{ pointer: '/token', message }] });
  }
  return `${apiUrl ?? 'https://api.telegram.org'}/bot${token}/${name}`;
}

function checkSecret(secret: string): void {
  if (/^[\w-]{1,256}$/.test(secret)) return;
  throw new Problem(
    'validation_failed',
    'Telegram takes secrets of 1 to 256 letters, digits, "_" and "-": add such a one with sources.add-secret',
  );
}

// The path of somebody else's webhook may be all that protects it.
function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return 'another URL';
  }
}
