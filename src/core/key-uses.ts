import type { Services } from './services.ts';

/** At most one write in this time, for all keys together. */
const WRITE_EVERY_MS = 60_000;

/**
 * When each API key was last used. Kept in memory and written once a minute: a write for each request would
 * cost more than the request, and a crash loses a minute of what is only a hint for whoever tidies up.
 */
export class KeyUses {
  readonly #services: Services;
  readonly #usedAt = new Map<string, number>();
  readonly #unwritten = new Set<string>();
  #cancel: (() => void) | null = null;
  #writing: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(services: Services) {
    this.#services = services;
  }

  async start(): Promise<void> {
    for (const { keyId, usedAt } of await this.#services.store.settings.keyUses()) {
      this.#usedAt.set(keyId, usedAt);
    }
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancel?.();
    await this.#writing;
    await this.write();
  }

  used(keyId: string): void {
    this.#usedAt.set(keyId, this.#services.clock.now());
    this.#unwritten.add(keyId);
  }

  /** Milliseconds since the epoch; `null` = never, as far as is known. */
  lastUsedAt(keyId: string): number | null {
    return this.#usedAt.get(keyId) ?? null;
  }

  /** Writes what is new. Never rejects: what could not be written is written the next time. */
  async write(): Promise<void> {
    if (this.#unwritten.size === 0) return;
    const keyIds = [...this.#unwritten];
    this.#unwritten.clear();
    try {
      await this.#services.store.settings.recordKeyUses(
        keyIds.map((keyId) => ({ keyId, usedAt: this.#usedAt.get(keyId) ?? 0 })),
      );
    } catch (error) {
      for (const keyId of keyIds) this.#unwritten.add(keyId);
      this.#services.log.error('key_uses.write_failed', {}, error);
    }
  }

  #schedule(): void {
    this.#cancel = this.#services.clock.after(WRITE_EVERY_MS, () => {
      this.#writing = this.write().then(() => {
        if (!this.#stopping) this.#schedule();
        return undefined;
      });
    });
  }
}
