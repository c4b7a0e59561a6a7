import type { Directory } from './directory.ts';
import type { Services } from './services.ts';
import type { Caller, SettingsChanges } from './settings-changes.ts';

/** A source stays at most this much longer than it was to. */
const EVERY_MS = 30_000;

/** Removes sources whose time has come: those that were made to be thrown away. */
export class SourceExpiry {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #settings: SettingsChanges;
  readonly #caller: Caller;
  #cancel: (() => void) | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(services: Services, directory: Directory, settings: SettingsChanges, caller: Caller) {
    this.#services = services;
    this.#directory = directory;
    this.#settings = settings;
    this.#caller = caller;
  }

  start(): void {
    this.#cancel = this.#services.clock.after(EVERY_MS, () => {
      this.#running = this.sweep().then(() => {
        if (this.#cancel !== null) this.start();
        return undefined;
      });
    });
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    await this.#running;
  }

  /** Removes what is due now; never rejects, what fails is tried at the next sweep. */
  async sweep(): Promise<void> {
    const now = this.#services.clock.now();
    for (const { id, expiresAt } of this.#directory.list('source')) {
      if (expiresAt === undefined || expiresAt === null || expiresAt > now) continue;
      try {
        // oxlint-disable-next-line no-await-in-loop -- one change of the settings after the other
        await this.#settings.remove('source', id, this.#caller);
        this.#services.log.info('source.expired', { source_id: id });
      } catch (error) {
        this.#services.log.error('source.expiry_failed', { source_id: id }, error);
      }
    }
  }
}
