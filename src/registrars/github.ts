import { isRecord } from '../../packages/client/src/verify/reference.ts';
import { Problem } from '../domain/problem.ts';
import type { HookCall, RegisteredHook, Registrar, WantedHook } from '../ports/registrar.ts';
import { anySecret, equalSets, idOf, keepsItsSecret, textsOf } from './hook-answers.ts';
import type { ApiFetch } from './provider-api.ts';
import { ProviderApi } from './provider-api.ts';

const PAGE = 100;
/** An account may have 20 webhooks for each event; more pages than this are no list of webhooks. */
const MAX_PAGES = 20;

/** Webhooks of a GitHub repository or organisation. */
export function githubRegistrar(apiFetch: ApiFetch): Registrar {
  const api = new ProviderApi('GitHub', apiFetch);
  const ask = (call: HookCall, method: 'GET' | 'POST' | 'PATCH', path: string, json?: unknown) =>
    api.ask({ method, url: `${hooksUrl(call)}${path}`, headers: headersOf(call), json });
  return {
    secret: 'ours',
    defaultEvents: ['*'],
    mayNameNone: false,
    account: { is: 'owner/repository, or an organisation', required: true },
    sameEvents: equalSets,
    checkSecret: anySecret,
    renewSecret: keepsItsSecret,
    async find(call) {
      for (let page = 1; page <= MAX_PAGES; page++) {
        // One page tells whether there is another.
        // oxlint-disable-next-line no-await-in-loop
        const answer = await ask(call, 'GET', `?per_page=${PAGE}&page=${page}`);
        const hooks: readonly unknown[] = Array.isArray(answer) ? answer : [];
        const ours = hooks.find((hook) => urlOf(hook) === call.hookUrl);
        if (ours !== undefined) return { hook: view(ours), occupiedBy: null };
        if (hooks.length < PAGE) break;
      }
      return { hook: null, occupiedBy: null };
    },
    async create(call, wanted) {
      const hook = await ask(call, 'POST', '', { name: 'web', ...settings(call, wanted) });
      return { ...view(hook), secret: null };
    },
    async update(call, hook, wanted) {
      return view(await ask(call, 'PATCH', `/${hook.id}`, settings(call, wanted)));
    },
  };
}

function hooksUrl({ account, apiUrl }: HookCall): string {
  const [owner = '', repository, more] = (account ?? '').split('/');
  const names = repository === undefined ? [owner] : [owner, repository];
  if (more !== undefined || !names.every((name) => /^[\w.-]+$/.test(name) && !/^\.+$/.test(name))) {
    const message = 'write owner/repository, or the name of an organisation';
    throw new Problem('validation_failed', `account: ${message}`, {
      errors: [{ pointer: '/account', message }],
    });
  }
  const place = repository === undefined ? `orgs/${owner}` : `repos/${owner}/${repository}`;
  return `${apiUrl ?? 'https://api.github.com'}/${place}/hooks`;
}

function headersOf({ token }: HookCall): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    accept: 'application/vnd.github+json',
    'x-github-api-version': '2022-11-28',
  };
}

function settings({ hookUrl }: HookCall, { events, secret }: WantedHook) {
  const config = { url: hookUrl, content_type: 'json', secret, insecure_ssl: '0' };
  return { active: true, events, config };
}

function urlOf(hook: unknown): unknown {
  return isRecord(hook) && isRecord(hook['config']) ? hook['config']['url'] : undefined;
}

function view(hook: unknown): RegisteredHook {
  return { id: idOf('GitHub', hook), events: textsOf(hook, 'events') };
}
