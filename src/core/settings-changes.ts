import { Problem } from '../domain/problem.ts';
import { maySee, type Principal } from '../domain/principal.ts';
import type { SettingKind, SettingKinds } from '../domain/settings.ts';
import type { EndRequest } from '../ports/event-log.ts';
import type { ChangeAuthor } from '../ports/store.ts';
import type { Directory } from './directory.ts';
import type { Services } from './services.ts';

/** Who asks, and from where. */
export interface Caller {
  readonly principal: Principal;
  readonly remoteAddress: string | null;
}

/** The author of what the gateway does by itself. */
export const GATEWAY_ITSELF: Caller = {
  principal: { id: 'gateway', name: 'gateway', scopes: ['admin'], tenant: null },
  remoteAddress: null,
};

/** How often a change is made anew because others were quicker. */
const CHANGE_TRIES = 5;

/** Deliveries ended in one transaction, so that nobody waits long behind it. */
const END_STEP = 500;

/** Hears of destinations whose lane must hold or go on. */
export interface LaneControl {
  wake(destinationId: string, dueAt: number): void;
  hold(destinationId: string): void;
}

/** Reads the settings again, when others have changed them too. */
export interface SettingsReader {
  refresh(): Promise<void>;
}

/** Changes settings: the store first, then the directory that the hot path reads. */
export class SettingsChanges {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #lanes: LaneControl;
  readonly #reader: SettingsReader;
  /** The last change of each setting that is being saved. */
  readonly #saving = new Map<string, Promise<unknown>>();

  constructor(services: Services, directory: Directory, lanes: LaneControl, reader: SettingsReader) {
    this.#services = services;
    this.#directory = directory;
    this.#lanes = lanes;
    this.#reader = reader;
  }

  /** A setting that the caller may see; a `Problem` (`not_found`) otherwise. */
  find<Kind extends SettingKind>(kind: Kind, id: string, principal: Principal): SettingKinds[Kind] {
    const setting = this.#directory.get(kind, id);
    if (setting === undefined || !maySee(principal, setting.tenant)) {
      throw new Problem('not_found', `there is no ${kind.replace('_', ' ')} ${id}`);
    }
    return setting;
  }

  list<Kind extends SettingKind>(kind: Kind, principal: Principal): SettingKinds[Kind][] {
    return this.#directory.list(kind).filter((setting) => maySee(principal, setting.tenant));
  }

  async save<Kind extends SettingKind>(
    kind: Kind,
    setting: SettingKinds[Kind],
    caller: Caller,
  ): Promise<void> {
    await this.#save(kind, setting, caller);
  }

  /**
   * As `rewrite`, for a setting that the caller must be able to see; a `Problem` (`not_found`) otherwise.
   * What `change` throws ends it.
   */
  async change<Kind extends SettingKind>(
    kind: Kind,
    id: string,
    caller: Caller,
    change: (setting: SettingKinds[Kind]) => SettingKinds[Kind],
  ): Promise<SettingKinds[Kind]> {
    this.find(kind, id, caller.principal);
    const changed = await this.rewrite(kind, id, caller, change);
    return changed ?? this.find(kind, id, caller.principal);
  }

  /**
   * Puts in place of a setting what `change` makes of it as it then is, waiting for changes that are being
   * saved, so that none of them is undone. `null` leaves it as it is, as does a setting that is gone.
   * Answers what was put in its place.
   */
  async rewrite<Kind extends SettingKind>(
    kind: Kind,
    id: string,
    caller: Caller,
    change: (setting: SettingKinds[Kind]) => SettingKinds[Kind] | null,
  ): Promise<SettingKinds[Kind] | null> {
    for (let tries = 0; tries < CHANGE_TRIES; tries += 1) {
      for (let saving = this.#saving.get(id); saving !== undefined; saving = this.#saving.get(id)) {
        await saving.catch(() => undefined);
      }
      // From here to the save nothing is awaited: nobody else here can begin to save in between.
      const setting = this.#directory.get(kind, id);
      const changed = setting === undefined ? null : change(setting);
      if (changed === null || (await this.#save(kind, changed, caller, setting))) return changed;
      // Another node was quicker: its change is read, and ours is made from that.
      await this.#reader.refresh();
    }
    throw new Problem('conflict', `the ${kind.replace('_', ' ')} is being changed by others; try again`);
  }

  async remove(kind: SettingKind, id: string, caller: Caller): Promise<void> {
    this.find(kind, id, caller.principal);
    const known = this.#directory.version;
    const version = await this.#services.store.settings.remove(kind, id, this.#author(caller));
    if (version !== null) {
      this.#directory.remove(kind, id, version);
      this.#readMissed(known, version);
    }
    if (kind === 'subscription') {
      this.#end({ subscriptionId: id, state: 'cancelled', reason: 'subscription_deleted' });
    }
    if (kind === 'destination') {
      this.#lanes.hold(id);
      this.#end({ destinationId: id, state: 'cancelled', reason: 'destination_deleted' });
    }
  }

  /** Holds (`paused`), ends (`disabled`) or lets go (`enabled`) what a destination is owed. */
  async setDestinationState(
    id: string,
    state: SettingKinds['destination']['state'],
    reason: string | null,
    caller: Caller,
  ): Promise<SettingKinds['destination']> {
    const now = this.#services.clock.now();
    const after = await this.change('destination', id, caller, (before) => ({
      ...before,
      state,
      stateReason: reason,
      stateChangedAt: now,
      updatedAt: now,
    }));
    if (state === 'paused') this.#lanes.hold(id);
    if (state === 'disabled') {
      this.#end({ destinationId: id, state: 'dead', reason: reason ?? 'destination_disabled' });
    }
    this.#services.log.info(`destination.${state}`, { destination_id: id, reason });
    return after;
  }

  /** Holds what a subscription is owed from now on, or (`null`) no longer; the caller lets go of what was held. */
  setSuspended(
    id: string,
    suspended: { readonly at: number; readonly reason: string } | null,
    caller: Caller,
  ): Promise<SettingKinds['subscription']> {
    const updatedAt = this.#services.clock.now();
    return this.change('subscription', id, caller, (before) => ({ ...before, suspended, updatedAt }));
  }

  async #save<Kind extends SettingKind>(
    kind: Kind,
    setting: SettingKinds[Kind],
    caller: Caller,
    expected?: SettingKinds[Kind],
  ): Promise<boolean> {
    const saving = this.#put(kind, setting, caller, expected);
    this.#saving.set(setting.id, saving);
    try {
      return await saving;
    } finally {
      if (this.#saving.get(setting.id) === saving) this.#saving.delete(setting.id);
    }
  }

  /** False = it is not as `expected` any more, and nothing was written. */
  async #put<Kind extends SettingKind>(
    kind: Kind,
    setting: SettingKinds[Kind],
    caller: Caller,
    expected?: SettingKinds[Kind],
  ): Promise<boolean> {
    const store = this.#services.store.settings;
    const known = this.#directory.version;
    const author = this.#author(caller);
    const version = await (expected === undefined
      ? store.put(kind, setting, author)
      : store.replace(kind, setting, author, expected));
    if (version === null) return false;
    this.#directory.apply(kind, setting, version);
    this.#readMissed(known, version);
    if (kind === 'destination') this.#lanes.wake(setting.id, this.#services.clock.now());
    return true;
  }

  /** What others changed between the two versions: the directory now says that it is past that. */
  #readMissed(known: number, version: number): void {
    if (version > known + 1) void this.#reader.refresh();
  }

  #author(caller: Caller): ChangeAuthor {
    return {
      at: this.#services.clock.now(),
      principal: caller.principal.id,
      remoteAddress: caller.remoteAddress,
    };
  }

  /** Runs on its own, step by step; what it misses is ended when its turn to be attempted comes. */
  #end(request: Pick<EndRequest, 'destinationId' | 'subscriptionId' | 'state' | 'reason'>): void {
    const { clock, store, log } = this.#services;
    const step = async (): Promise<void> => {
      const ended = await store.log.endPending({ ...request, atMs: clock.now(), limit: END_STEP });
      if (ended === END_STEP) await step();
    };
    void step().catch((error: unknown) => log.error('end_pending.failed', {}, error));
  }
}
