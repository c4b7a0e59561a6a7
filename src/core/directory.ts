import { awaitsSecret } from '../domain/awaited-secret.ts';
import { Problem } from '../domain/problem.ts';
import { isSameRate } from '../domain/rate-limit.ts';
import { RateWindow } from '../domain/rate-window.ts';
import {
  type ApiKey,
  type Destination,
  type EventType,
  type SealedSecret,
  SETTING_KINDS,
  type SettingKind,
  type SettingKinds,
  type Source,
  type Subscription,
} from '../domain/settings.ts';
import { isCandidate } from '../domain/match.ts';
import type { CompiledExpression } from '../ports/expressions.ts';
import type { SettingsSnapshot } from '../ports/store.ts';
import type { SourceVerifier } from '../ports/verifier.ts';
import type { Services } from './services.ts';
import { type HideSecrets, hideSecrets } from './shown-secrets.ts';

/** A source with everything compiled that a request needs. */
export interface ActiveSource {
  readonly source: Source;
  readonly verifier: SourceVerifier;
  readonly dedupeKey: CompiledExpression | null;
  readonly window: RateWindow | null;
  /** Compile anew from then on: a secret expires, or the time in which one may come. */
  readonly validUntil: number;
}

/** A setting that is new, not as it was, or gone. */
export interface ChangedSetting {
  readonly kind: SettingKind;
  readonly id: string;
}

export interface ActiveSubscription {
  readonly subscription: Subscription;
  readonly filter: CompiledExpression | null;
  readonly transform: CompiledExpression | null;
  readonly sessionKey: CompiledExpression | null;
}

/** Candidate lists kept; types come from senders, so the number of them is not ours to choose. */
const CANDIDATE_LISTS = 10_000;

/**
 * All settings, held in memory and compiled at first use: the hot path reads nothing from the store.
 *
 * Every change goes through `apply`, which drops what was compiled from the old value.
 */
export class Directory {
  readonly #services: Services;
  readonly #settings: { [Kind in SettingKind]: Map<string, SettingKinds[Kind]> } = {
    source: new Map(),
    destination: new Map(),
    subscription: new Map(),
    key: new Map(),
    event_type: new Map(),
  };
  readonly #sourceByIngestKey = new Map<string, Source>();
  readonly #sourceBySmeeChannel = new Map<string, Source>();
  readonly #keyByHash = new Map<string, ApiKey>();
  /** By tenant, then by name: for a tenant without a catalogue one look is all that an event costs. */
  readonly #eventTypes = new Map<string, Map<string, EventType>>();
  readonly #hideSecrets = new WeakMap<Source, HideSecrets>();
  readonly #activeSources = new Map<string, ActiveSource>();
  readonly #activeSubscriptions = new Map<string, ActiveSubscription>();
  readonly #candidates = new Map<string, readonly ActiveSubscription[]>();
  #version = 0;

  constructor(services: Services) {
    this.#services = services;
  }

  /** The settings version that every answer of the directory is of. */
  get version(): number {
    return this.#version;
  }

  /**
   * Takes over the settings as the store has them and answers what that changed. What is the same stays
   * the same object, so that nothing is compiled anew because someone else changed something else.
   * A snapshot older than what is here changes nothing.
   */
  follow(snapshot: SettingsSnapshot): ChangedSetting[] {
    if (snapshot.version < this.#version) return [];
    const changed: ChangedSetting[] = [];
    const present = new Set<string>();
    for (const { kind, setting } of snapshot.records) {
      present.add(setting.id);
      if (JSON.stringify(this.get(kind, setting.id)) === JSON.stringify(setting)) continue;
      this.apply(kind, setting, snapshot.version);
      changed.push({ kind, id: setting.id });
    }
    for (const kind of SETTING_KINDS) {
      for (const { id } of this.list(kind)) {
        if (present.has(id)) continue;
        this.remove(kind, id, snapshot.version);
        changed.push({ kind, id });
      }
    }
    this.#version = snapshot.version;
    return changed;
  }

  apply<Kind extends SettingKind>(kind: Kind, setting: SettingKinds[Kind], version: number): void {
    this.#forget(kind, setting.id);
    const settings: Map<string, SettingKinds[Kind]> = this.#settings[kind];
    settings.set(setting.id, setting);
    if (kind === 'source') {
      const source = this.#settings.source.get(setting.id);
      if (source !== undefined) this.#findableBy(source);
    }
    if (kind === 'key') {
      const key = this.#settings.key.get(setting.id);
      if (key !== undefined) for (const hash of keyHashes(key)) this.#keyByHash.set(hash, key);
    }
    if (kind === 'event_type') this.#indexEventType(setting.id);
    this.#version = version;
  }

  remove(kind: SettingKind, id: string, version: number): void {
    this.#forget(kind, id);
    this.#settings[kind].delete(id);
    if (kind === 'source') this.#activeSources.delete(id);
    this.#version = version;
  }

  get<Kind extends SettingKind>(kind: Kind, id: string): SettingKinds[Kind] | undefined {
    const settings: Map<string, SettingKinds[Kind]> = this.#settings[kind];
    return settings.get(id);
  }

  /** In the order of their ids, which is the order in which they were made. */
  list<Kind extends SettingKind>(kind: Kind): SettingKinds[Kind][] {
    const settings: Map<string, SettingKinds[Kind]> = this.#settings[kind];
    return [...settings.values()].toSorted((left, right) => (left.id < right.id ? -1 : 1));
  }

  destination(id: string): Destination | undefined {
    return this.#settings.destination.get(id);
  }

  /** The key that has this hash now or had it before it was rotated; whether it still counts is the caller's to see. */
  apiKey(hash: string): ApiKey | undefined {
    return this.#keyByHash.get(hash);
  }

  /** The entry of a tenant's catalogue for a type of events. */
  eventType(tenant: string, name: string): EventType | undefined {
    return this.#eventTypes.get(tenant)?.get(name);
  }

  sourceBySmeeChannel(channel: string): Source | undefined {
    return this.#sourceBySmeeChannel.get(channel);
  }

  sourceByIngestKey(ingestKey: string): Source | undefined {
    return this.#sourceByIngestKey.get(ingestKey);
  }

  /** The source, compiled. Throws a `Problem` when its settings cannot be used. */
  activeSource(source: Source): ActiveSource {
    const known = this.#activeSources.get(source.id);
    const now = this.#services.clock.now();
    if (known !== undefined && known.source === source && now < known.validUntil) return known;
    const active = this.#compileSource(source, now);
    this.#activeSources.set(source.id, active);
    return active;
  }

  /** The subscriptions of a tenant that source and type let through; filters are still to be asked. */
  candidates(tenant: string, sourceId: string | null, type: string): readonly ActiveSubscription[] {
    const cacheKey = `${tenant}\n${sourceId ?? ''}\n${type}`;
    const known = this.#candidates.get(cacheKey);
    if (known !== undefined) return known;
    const found = this.list('subscription')
      .filter((subscription) => subscription.tenant === tenant && isCandidate(sourceId, type, subscription))
      .map((subscription) => this.activeSubscription(subscription));
    if (this.#candidates.size >= CANDIDATE_LISTS) this.#candidates.clear();
    this.#candidates.set(cacheKey, found);
    return found;
  }

  activeSubscription(subscription: Subscription): ActiveSubscription {
    const known = this.#activeSubscriptions.get(subscription.id);
    if (known !== undefined && known.subscription === subscription) return known;
    const active = {
      subscription,
      filter: this.evaluable(subscription.filter),
      transform: this.evaluable(subscription.transform),
      sessionKey: this.evaluable(subscription.sessionKey),
    };
    this.#activeSubscriptions.set(subscription.id, active);
    return active;
  }

  /** Takes the source's secrets, those that no longer count too, out of a request that shows them. */
  hideSecrets(source: Source): HideSecrets {
    let hide = this.#hideSecrets.get(source);
    if (hide === undefined) {
      hide = hideSecrets(source.secrets.map(({ sealed }) => this.#services.secrets.open(sealed, source.id)));
      this.#hideSecrets.set(source, hide);
    }
    return hide;
  }

  /** The secrets that count now, newest first, as text. */
  openSecrets(secrets: readonly SealedSecret[], context: string): string[] {
    const now = this.#services.clock.now();
    return secrets
      .filter((secret) => secret.expiresAt === null || secret.expiresAt > now)
      .map((secret) => this.#services.secrets.open(secret.sealed, context));
  }

  /** Throws a `Problem` (`filter_invalid`) that shows the position of the mistake. */
  compile(expression: string | null): CompiledExpression | null {
    if (expression === null) return null;
    const compiled = this.#services.expressions.compile(expression);
    if (compiled.ok) return compiled.expression;
    const { line, column, message } = compiled.error;
    throw new Problem('filter_invalid', `line ${line}, column ${column}: ${message}`);
  }

  /**
   * As `compile`, but what no longer compiles becomes an expression that fails and says why: a single
   * subscription must not keep its whole tenant's events out.
   */
  evaluable(expression: string | null): CompiledExpression | null {
    try {
      return this.compile(expression);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#services.log.error('expression.unusable', { expression }, error);
      const failure = { ok: false, error: error.message } as const;
      return { source: expression ?? '', evaluate: () => failure };
    }
  }

  #compileSource(source: Source, now: number): ActiveSource {
    const ends = [...source.secrets.map(({ expiresAt }) => expiresAt), source.awaitsSecret?.until ?? null];
    const expiries = ends.flatMap((endsAt) => (endsAt !== null && endsAt > now ? [endsAt] : []));
    const before = this.#activeSources.get(source.id);
    return {
      source,
      verifier: this.#services.verifiers.compile(source, this.openSecrets(source.secrets, source.id), {
        awaitsSecret: awaitsSecret(source, now),
      }),
      dedupeKey: this.compile(source.dedupe.key),
      // A recompiled source keeps its window: a change of a secret must not hand out a fresh burst.
      window:
        source.rateLimit === null
          ? null
          : before !== undefined && isSameRate(before.source.rateLimit, source.rateLimit)
            ? before.window
            : new RateWindow(source.rateLimit, now),
      validUntil: Math.min(Number.POSITIVE_INFINITY, ...expiries),
    };
  }

  #indexEventType(id: string): void {
    const type = this.#settings.event_type.get(id);
    if (type === undefined) return;
    const ofTenant = this.#eventTypes.get(type.tenant) ?? new Map<string, EventType>();
    this.#eventTypes.set(type.tenant, ofTenant.set(type.name, type));
  }

  #findableBy(source: Source): void {
    this.#sourceByIngestKey.set(source.ingestKey, source);
    const { smeeChannel } = source;
    if (typeof smeeChannel === 'string') this.#sourceBySmeeChannel.set(smeeChannel, source);
  }

  #notFindable(source: Source | undefined): void {
    if (source === undefined) return;
    this.#sourceByIngestKey.delete(source.ingestKey);
    if (typeof source.smeeChannel === 'string') this.#sourceBySmeeChannel.delete(source.smeeChannel);
  }

  #forget(kind: SettingKind, id: string): void {
    if (kind === 'event_type') {
      const type = this.#settings.event_type.get(id);
      const ofTenant = type === undefined ? undefined : this.#eventTypes.get(type.tenant);
      if (type !== undefined) ofTenant?.delete(type.name);
      if (type !== undefined && ofTenant?.size === 0) this.#eventTypes.delete(type.tenant);
    }
    if (kind === 'source') this.#notFindable(this.#settings.source.get(id));
    if (kind === 'key') {
      const key = this.#settings.key.get(id);
      if (key !== undefined) for (const hash of keyHashes(key)) this.#keyByHash.delete(hash);
    }
    if (kind === 'subscription') {
      this.#activeSubscriptions.delete(id);
      this.#candidates.clear();
    }
  }
}

function keyHashes(key: ApiKey): string[] {
  return [key.hash, ...(key.previous ?? []).map(({ hash }) => hash)];
}
