import { DEFAULT_TENANT } from '../domain/settings.ts';
import type { LeadingNode } from './node-membership.ts';
import type { OperatorEvents } from './operator-events.ts';
import type { Services } from './services.ts';

/** Rows removed in one transaction: one or two milliseconds' worth, so that no append waits longer. */
const STEP = 200;
const EVERY_MS = 60_000;
/** Between steps at least, so that the writer serves everyone else first. */
const BREATHER_MS = 20;
/** ... and twice as long as the step took: the busier the store is, the slower this goes. */
const BREATHER_SHARE = 2;

/** The first sweep comes soon after the start: a gateway that restarts often must prune all the same. */
const FIRST_AFTER_MS = 5_000;
/** The operator is told again after this long that retention does not keep up. */
const TELL_AGAIN_MS = 3_600_000;

export interface RetentionPolicy {
  /** Age at which events go; 0 = never because of age. */
  readonly maxAgeMs: number;
  /** Size of the store above which the oldest finished events go; 0 = never because of size. */
  readonly maxBytes: number;
}

/** Removes events past their retention, in small steps. */
export class Retention {
  readonly #services: Services;
  readonly #policy: RetentionPolicy;
  readonly #events: OperatorEvents;
  readonly #nodes: LeadingNode;
  #cancel: (() => void) | null = null;
  #running: Promise<void> = Promise.resolve();
  #stopping = false;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(services: Services, policy: RetentionPolicy, events: OperatorEvents, nodes: LeadingNode) {
    this.#services = services;
    this.#policy = policy;
    this.#events = events;
    this.#nodes = nodes;
  }

  start(): void {
    this.#sweepAfter(FIRST_AFTER_MS);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancel?.();
    await this.#running;
  }

  /** Removes all that is due now. */
  async sweep(): Promise<void> {
    const { clock, store, log } = this.#services;
    const now = clock.now();
    const { maxAgeMs } = this.#policy;
    try {
      const byAge =
        maxAgeMs === 0 ? 0 : await this.#inSteps(() => store.upkeep.pruneEvents(now - maxAgeMs, STEP));
      const bySize = await this.#pruneBySize(now);
      const keys = await this.#inSteps(() => store.upkeep.pruneDedupe(now, STEP));
      if (byAge + bySize + keys > 0) {
        log.info('retention.swept', { events: byAge + bySize, dedupe_keys: keys });
      }
    } catch (error) {
      log.error('retention.failed', {}, error);
    }
  }

  /** Removes the oldest finished events until the store fits, whatever their age. */
  async #pruneBySize(now: number): Promise<number> {
    const { upkeep } = this.#services.store;
    const { maxBytes } = this.#policy;
    if (maxBytes === 0) return 0;
    let total = 0;
    while (!this.#stopping && (await upkeep.sizeBytes()) > maxBytes) {
      const beganAt = this.#services.clock.now();
      const removed = await upkeep.pruneEvents(now, STEP);
      total += removed;
      if (removed < STEP) {
        await this.#tellWhenBehind(now);
        break;
      }
      await this.#breathe(beganAt);
    }
    return total;
  }

  /** What is left is owed: only deliveries that end can make room. */
  async #tellWhenBehind(now: number): Promise<void> {
    const sizeBytes = await this.#services.store.upkeep.sizeBytes();
    if (sizeBytes <= this.#policy.maxBytes || now - this.#toldAt < TELL_AGAIN_MS) return;
    this.#toldAt = now;
    this.#events.tell('retention.behind', DEFAULT_TENANT, 'store', {
      size_bytes: sizeBytes,
      max_bytes: this.#policy.maxBytes,
      why: 'every event that is left has an unfinished delivery',
    });
  }

  async #inSteps(step: () => Promise<number>): Promise<number> {
    let total = 0;
    for (;;) {
      const beganAt = this.#services.clock.now();
      const removed = await step();
      total += removed;
      if (removed < STEP || this.#stopping) return total;
      await this.#breathe(beganAt);
    }
  }

  #breathe(stepBeganAt: number): Promise<void> {
    const { clock } = this.#services;
    const tookMs = clock.now() - stepBeganAt;
    return new Promise((resolve) => {
      clock.after(Math.max(BREATHER_MS, tookMs * BREATHER_SHARE), resolve);
    });
  }

  #sweepAfter(delayMs: number): void {
    this.#cancel = this.#services.clock.after(delayMs, () => {
      this.#running = (this.#nodes.leads() ? this.sweep() : Promise.resolve()).then(() => {
        if (!this.#stopping) this.#sweepAfter(EVERY_MS);
        return undefined;
      });
    });
  }
}
