/** Whom to ask for a webhook, and for which URL. */
export interface HookCall {
  /** What the provider's API wants to see. Used for this call and not kept. */
  readonly token: string;
  /** The repository, shop or account; `null` = none was named. */
  readonly account: string | null;
  /** Base of the provider's API where it is not the public one; `null` = the public one. */
  readonly apiUrl: string | null;
  /** The ingest URL. A webhook with this URL is ours. */
  readonly hookUrl: string;
}

/** What a webhook should be. */
export interface WantedHook {
  /** As the provider names them. */
  readonly events: readonly string[];
  /** With what the provider is to sign; `null` = that is not ours to say. */
  readonly secret: string | null;
  /** What people see at the provider. */
  readonly name: string;
}

/** A webhook as the provider has it. */
export interface RegisteredHook {
  readonly id: string;
  readonly events: readonly string[];
}

/** A webhook with the secret that the provider shows at this moment and never again. */
export interface HookWithSecret extends RegisteredHook {
  readonly secret: string | null;
}

/** What was found at the provider. */
export interface FoundHook {
  /** The webhook with our URL; `null` = there is none. */
  readonly hook: RegisteredHook | null;
  /** Host of somebody else's webhook that ours would put an end to, where there can be only one. */
  readonly occupiedBy: string | null;
}

/**
 * Makes webhooks through one provider's API.
 *
 * Every method rejects with a `Problem`: `provider_refused` with what the provider said, or
 * `provider_unavailable` when it did not answer. Nothing is retried.
 */
export interface Registrar {
  /** Who makes the secret: we, the provider with each webhook, or the account, once for all. */
  readonly secret: 'ours' | 'theirs' | 'account';
  /** What is asked for unless events are named; empty = they must be named, unless `mayNameNone`. */
  readonly defaultEvents: readonly string[];
  readonly mayNameNone: boolean;
  /** What `account` names, and whether it must be there. */
  readonly account: { readonly is: string; readonly required: boolean };
  /** Whether two names stand for the same event. */
  sameEvents(left: readonly string[], right: readonly string[]): boolean;
  /** Throws a `Problem` (`validation_failed`) for a secret that the provider would not take. */
  checkSecret(secret: string): void;
  find(call: HookCall): Promise<FoundHook>;
  create(call: HookCall, wanted: WantedHook): Promise<HookWithSecret>;
  /** Makes the webhook what is wanted. The secret that the provider has made stays. */
  update(call: HookCall, hook: RegisteredHook, wanted: WantedHook): Promise<RegisteredHook>;
  /** For `theirs`: gives the webhook another secret, because nobody has the one that it has. */
  renewSecret(call: HookCall, hook: RegisteredHook, wanted: WantedHook): Promise<HookWithSecret>;
}

/** The providers whose API makes webhooks. */
export interface Registrars {
  of(provider: string): Registrar | undefined;
  /** Ids of these providers. */
  readonly providers: readonly string[];
}
