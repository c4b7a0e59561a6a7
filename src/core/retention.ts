import type { Services } from './services.ts';

/** Rows removed in one transaction: about two milliseconds' worth, so that no append waits longer. */
const STEP = 200;
const EVERY_MS = 60_000;
/** Between steps, so that the writer serves everyone else first. */
const BREATHER_MS = 20;

/** Removes events past their retention, in small steps. */
export class Retention {
  readonly #services: Services;
  readonly #retentionMs: number;
  #cancel: (() => void) | null = null;
  #running: Promise<void> = Promise.resolve();
  #stopping = false;

  /** `retentionMs` of 0 keeps everything. */
  constructor(services: Services, retentionMs: number) {
    this.#services = services;
    this.#retentionMs = retentionMs;
  }

  start(): void {
    this.#cancel = this.#services.clock.after(EVERY_MS, () => {
      this.#running = this.sweep().then(() => {
        if (!this.#stopping) this.start();
        return undefined;
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancel?.();
    await this.#running;
  }

  /** Removes all that is due now. */
  async sweep(): Promise<void> {
    const { upkeep } = this.#services.store;
    const now = this.#services.clock.now();
    try {
      const events =
        this.#retentionMs === 0
          ? 0
          : await this.#inSteps(() => upkeep.pruneEvents(now - this.#retentionMs, STEP));
      const keys = await this.#inSteps(() => upkeep.pruneDedupe(now, STEP));
      if (events + keys > 0) this.#services.log.info('retention.swept', { events, dedupe_keys: keys });
    } catch (error) {
      this.#services.log.error('retention.failed', {}, error);
    }
  }

  async #inSteps(step: () => Promise<number>): Promise<number> {
    let total = 0;
    for (;;) {
      const removed = await step();
      total += removed;
      if (removed < STEP || this.#stopping) return total;
      await new Promise<void>((resolve) => {
        this.#services.clock.after(BREATHER_MS, resolve);
      });
    }
  }
}
