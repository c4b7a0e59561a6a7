import { Problem } from '../domain/problem.ts';
import { unreachableUrl } from '../domain/public-url.ts';
import type { Source } from '../domain/settings.ts';
import type { HookCall, RegisteredHook, Registrar, WantedHook } from '../ports/registrar.ts';
import type { Directory } from './directory.ts';
import type { Services } from './services.ts';
import type { Caller, SettingsChanges } from './settings-changes.ts';

/** What somebody asks for who wants a webhook made at the provider. */
export interface RegistrationRequest extends HookCall {
  /** `null` = what the provider's registrar asks for by default. */
  readonly events: readonly string[] | null;
  readonly dryRun: boolean;
  /** Whether a webhook of somebody else may be put an end to, where there can be only one. */
  readonly replace: boolean;
  /** For tests and tunnels: the URL need not look as if it could be reached from outside. */
  readonly allowUnreachable: boolean;
}

/** What was done, or would be. */
export interface RegistrationReport {
  /** `renew`: the webhook was there, but its secret was nowhere. */
  readonly action: 'create' | 'update' | 'renew' | 'none';
  readonly hookId: string | null;
  readonly events: readonly string[];
  /** `made`: we made one; `received`: the provider made it; `kept`: it was there before. */
  readonly secret: 'made' | 'received' | 'kept';
}

const SECRET_BYTES = 32;

/** Makes webhooks at providers, so that nobody has to fill in their forms. */
export class Registration {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #settings: SettingsChanges;

  constructor(services: Services, directory: Directory, settings: SettingsChanges) {
    this.#services = services;
    this.#directory = directory;
    this.#settings = settings;
  }

  /**
   * Makes the webhook with the source's URL what is asked for: made if there is none, changed if it is
   * there. Asked again, it changes nothing more. A secret is on disk before the provider is told it, and
   * one that the provider makes is kept at once; if the process dies in between, the next run renews it.
   *
   * Rejects with a `Problem`: `conflict` for providers without such an API and for URLs that cannot be
   * reached, `validation_failed`, `provider_refused`, `provider_unavailable`.
   */
  async register(source: Source, request: RegistrationRequest, caller: Caller): Promise<RegistrationReport> {
    const registrar = this.#registrarOf(source);
    this.#checkUrl(request);
    checkAccount(registrar, request);
    const events = eventsOf(registrar, request);
    const { hook, occupiedBy } = await registrar.find(request);
    if (hook === null && occupiedBy !== null && !request.replace) {
      throw new Problem(
        'conflict',
        `there is a webhook already, for ${occupiedBy}, and there can be only one: ask with replace to end it`,
      );
    }
    const held = this.#newestSecret(source);
    const plan = planOf(registrar, hook, events, held !== null);
    if (plan.secret === 'kept' && held === null) {
      throw new Problem(
        'conflict',
        `${source.provider} signs with a secret of the account that its API does not tell: add it with sources.add-secret`,
      );
    }
    if (held !== null) registrar.checkSecret(held);
    if (request.dryRun || plan.action === 'none') return { ...plan, hookId: hook?.id ?? null, events };
    const secret = registrar.secret === 'ours' ? (held ?? (await this.#makeSecret(source, caller))) : null;
    const wanted = { events, secret, name: `Ringback: ${source.name}` };
    const made = await carryOut(registrar, plan.action, request, hook, wanted);
    if (plan.secret === 'received') await this.#keepReceived(source, made.secret, caller);
    this.#services.log.info('source.registered', {
      source_id: source.id,
      provider: source.provider,
      action: plan.action,
    });
    return { ...plan, hookId: made.id, events: made.events };
  }

  #registrarOf({ provider }: Source): Registrar {
    const { registrars } = this.#services;
    const registrar = registrars.of(provider);
    if (registrar !== undefined) return registrar;
    throw new Problem(
      'conflict',
      `webhooks of ${provider} are made by hand: give it the source's URL (by API: ${registrars.providers.join(', ')})`,
    );
  }

  #checkUrl({ hookUrl, allowUnreachable }: RegistrationRequest): void {
    const why = allowUnreachable ? null : unreachableUrl(hookUrl, this.#services.addresses);
    if (why === null) return;
    throw new Problem(
      'conflict',
      `the provider could not reach this gateway: its URL ${why}. Set RINGBACK_PUBLIC_URL to the https address that leads here from outside (a tunnel will do)`,
    );
  }

  #newestSecret(source: Source): string | null {
    return this.#directory.openSecrets(source.secrets, source.id)[0] ?? null;
  }

  async #makeSecret(source: Source, caller: Caller): Promise<string> {
    const bytes = this.#services.random.bytes(SECRET_BYTES);
    const text = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    await this.#keep(source, text, caller);
    return text;
  }

  async #keepReceived(source: Source, secret: string | null, caller: Caller): Promise<void> {
    if (secret !== null) return this.#keep(source, secret, caller);
    throw new Problem(
      'provider_unavailable',
      'the webhook was made, but the answer had no secret: ask again, then it is renewed',
    );
  }

  async #keep({ id }: Source, text: string, caller: Caller): Promise<void> {
    const { secrets, clock } = this.#services;
    await this.#settings.rewrite('source', id, caller, (source) => {
      const now = clock.now();
      const secret = { sealed: secrets.seal(text, id), createdAt: now, expiresAt: null };
      return { ...source, secrets: [secret, ...source.secrets], awaitsSecret: null, updatedAt: now };
    });
  }
}

function planOf(
  registrar: Registrar,
  hook: RegisteredHook | null,
  events: readonly string[],
  hasSecret: boolean,
): Pick<RegistrationReport, 'action' | 'secret'> {
  const { secret } = registrar;
  if (secret === 'theirs') {
    if (hook === null) return { action: 'create', secret: 'received' };
    if (!hasSecret) return { action: 'renew', secret: 'received' };
  }
  const kept = secret === 'ours' && !hasSecret ? 'made' : 'kept';
  if (hook === null) return { action: 'create', secret: kept };
  // What secret the provider has for it cannot be seen, so ours is always told again.
  const isDone = secret !== 'ours' && registrar.sameEvents(hook.events, events);
  return { action: isDone ? 'none' : 'update', secret: kept };
}

async function carryOut(
  registrar: Registrar,
  action: 'create' | 'update' | 'renew',
  call: HookCall,
  hook: RegisteredHook | null,
  wanted: WantedHook,
): Promise<RegisteredHook & { readonly secret: string | null }> {
  if (hook === null || action === 'create') return registrar.create(call, wanted);
  if (action === 'renew') return registrar.renewSecret(call, hook, wanted);
  return { ...(await registrar.update(call, hook, wanted)), secret: null };
}

function checkAccount({ account }: Registrar, request: RegistrationRequest): void {
  if (!account.required || request.account !== null) return;
  const message = `say whose webhook it is: ${account.is}`;
  throw new Problem('validation_failed', `account: ${message}`, {
    errors: [{ pointer: '/account', message }],
  });
}

function eventsOf(registrar: Registrar, request: RegistrationRequest): readonly string[] {
  const events = request.events ?? registrar.defaultEvents;
  if (events.length > 0 || registrar.mayNameNone) return events;
  const message = 'name the events that the provider is to send, as it names them';
  throw new Problem('validation_failed', `events: ${message}`, { errors: [{ pointer: '/events', message }] });
}
