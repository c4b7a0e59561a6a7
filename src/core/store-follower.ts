import type { Destination } from '../domain/settings.ts';
import type { SettingsSnapshot, StoreNews } from '../ports/store.ts';
import type { Acceptance } from './acceptance.ts';
import type { DestinationHealth } from './destination-health.ts';
import type { Directory } from './directory.ts';
import type { Dispatcher } from './dispatch.ts';
import type { Services } from './services.ts';

/** Reads again that soon after a read that failed; the next news would otherwise be the first chance. */
const AGAIN_AFTER_FAILURE_MS = 500;

/** Keeps what this node holds in memory up to date with what other nodes on the same store write. */
export class StoreFollower {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #dispatcher: Dispatcher;
  readonly #acceptance: Acceptance;
  readonly #health: DestinationHealth;
  #endWatch: (() => void) | null = null;
  #reading: Promise<void> | null = null;
  #readAgain = false;
  #cancelRetry: (() => void) | null = null;

  constructor(
    services: Services,
    directory: Directory,
    dispatcher: Dispatcher,
    acceptance: Acceptance,
    health: DestinationHealth,
  ) {
    this.#services = services;
    this.#directory = directory;
    this.#dispatcher = dispatcher;
    this.#acceptance = acceptance;
    this.#health = health;
  }

  /** Begins to follow; nothing to do on a store that only this process can have open. */
  start(): void {
    this.#endWatch = this.#services.store.watch?.((news) => this.#heard(news)) ?? null;
  }

  async stop(): Promise<void> {
    this.#endWatch?.();
    this.#endWatch = null;
    this.#cancelRetry?.();
    await this.#reading;
  }

  /** Reads the settings now; news that come meanwhile are one more read, however many they are. */
  refresh(): Promise<void> {
    this.#readAgain = true;
    this.#reading ??= this.#read();
    return this.#reading;
  }

  #heard(news: StoreNews): void {
    if (news === 'settings_changed') {
      void this.refresh();
      return;
    }
    this.#acceptance.appendedElsewhere();
    void this.#dispatcher.lookForPending();
  }

  async #read(): Promise<void> {
    try {
      while (this.#readAgain) {
        this.#readAgain = false;
        const snapshot = await this.#services.store.settings.load();
        // A change of our own may have overtaken the read: then the snapshot knows less than we do.
        if (snapshot.version < this.#directory.version) this.#readAgain = true;
        else this.#takeOver(snapshot);
      }
    } catch (error) {
      this.#services.log.error('settings.not_followed', {}, error);
      if (this.#endWatch !== null) {
        this.#cancelRetry = this.#services.clock.after(AGAIN_AFTER_FAILURE_MS, () => void this.refresh());
      }
    } finally {
      this.#reading = null;
    }
  }

  /** What the node that made a change has done to its own lanes is done to ours. */
  #takeOver(snapshot: SettingsSnapshot): void {
    const before = new Map(this.#directory.list('destination').map(({ id, state }) => [id, state]));
    for (const { kind, id } of this.#directory.follow(snapshot)) {
      if (kind === 'destination') this.#changed(id, before.get(id), this.#directory.destination(id));
    }
  }

  #changed(id: string, before: Destination['state'] | undefined, after: Destination | undefined): void {
    if (after === undefined || after.state !== 'enabled') this.#dispatcher.hold(id);
    else if (before === 'disabled') this.#health.forget(id);
    if (after !== undefined) this.#dispatcher.wake(id, this.#services.clock.now());
  }
}
