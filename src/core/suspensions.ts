import { SUBSCRIPTION_SUSPENDED } from '../domain/delivery.ts';
import { FailureWindow } from '../domain/failure-window.ts';
import type { Subscription } from '../domain/settings.ts';
import type { Directory } from './directory.ts';
import type { OperatorEvents } from './operator-events.ts';
import type { Services } from './services.ts';

/** Deliveries let go in one transaction, so that nobody waits long behind it. */
const STEP = 500;
/** How often it is looked whether something is still held that should go on. */
const CHECK_EVERY_MS = 30_000;

/** What follows from what is found out. */
export interface SuspensionActions {
  /** Marks the subscription as suspended. */
  suspend(subscriptionId: string, reason: string): Promise<void>;
  /** Something of this destination is due. */
  wake(destinationId: string, dueAt: number): void;
}

/**
 * Suspends subscriptions whose deliveries have only failed for long: what they are owed is held, not
 * used up and not dropped, until someone resumes them.
 *
 * The breaker looks at a destination and opens when that is down. This looks at one subscription and
 * finds what the breaker cannot: a receiver that is up and says no, a transform that never works.
 */
export class Suspensions {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #events: OperatorEvents;
  readonly #act: SuspensionActions;
  /** Of subscriptions with a failure in the last hour; the others cost nothing. */
  readonly #windows = new Map<string, FailureWindow>();
  /** Subscriptions of which something is or was held, as far as this process knows. */
  readonly #held = new Set<string>();
  #cancelCheck: (() => void) | null = null;
  #checking: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(services: Services, directory: Directory, events: OperatorEvents, actions: SuspensionActions) {
    this.#services = services;
    this.#directory = directory;
    this.#events = events;
    this.#act = actions;
  }

  /** Goes on with what a resumption that was cut off has left. */
  start(): void {
    for (const { id, suspended } of this.#directory.list('subscription')) {
      if (suspended !== undefined) this.#held.add(id);
    }
    this.#checkLater();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelCheck?.();
    await this.#checking;
  }

  /** Takes note of an attempt's outcome. */
  record(subscription: Subscription, ok: boolean, error: string | null): void {
    let window = this.#windows.get(subscription.id);
    if (window === undefined && ok) return;
    const now = this.#services.clock.now();
    if (window === undefined || window.isOver(now)) {
      this.#windows.delete(subscription.id);
      if (ok) return;
      window = new FailureWindow(now);
      this.#windows.set(subscription.id, window);
    }
    if (!window.count(ok, now)) return;
    this.#windows.delete(subscription.id);
    void this.#suspend(subscription, window, error);
  }

  /** Something of the subscription is held from now on. */
  noteHeld(subscriptionId: string): void {
    this.#held.add(subscriptionId);
  }

  /** Lets go of what is held of a subscription that is no longer suspended, oldest first. */
  async release(subscriptionId: string): Promise<number> {
    this.#windows.delete(subscriptionId);
    const { clock, store } = this.#services;
    let total = 0;
    for (;;) {
      const atMs = clock.now();
      const { released, destinationIds } = await store.log.releaseHeld({
        subscriptionId,
        reason: SUBSCRIPTION_SUSPENDED,
        atMs,
        limit: STEP,
      });
      total += released;
      for (const destinationId of destinationIds) this.#act.wake(destinationId, atMs);
      if (released < STEP || this.#stopping) return total;
    }
  }

  async #suspend(subscription: Subscription, window: FailureWindow, error: string | null): Promise<void> {
    const { attempts, failed } = window.totals();
    const { id, tenant, name, destinationId } = subscription;
    try {
      await this.#act.suspend(id, 'failing_for_an_hour');
    } catch (failure) {
      this.#services.log.error('subscription.suspend_failed', { subscription_id: id }, failure);
      return;
    }
    this.#held.add(id);
    this.#events.tell('subscription.suspended', tenant, id, {
      subscription_id: id,
      name,
      destination_id: destinationId,
      attempts,
      failed,
      error,
      reason: 'failing_for_an_hour',
    });
  }

  #checkLater(): void {
    if (this.#stopping) return;
    this.#cancelCheck = this.#services.clock.after(CHECK_EVERY_MS, () => {
      this.#checking = this.#check().then(() => this.#checkLater());
    });
  }

  /**
   * An attempt may hold its delivery a moment after the subscription was resumed, here or on another node,
   * and a process may end between resuming and letting go: nobody else would come back to those.
   */
  async #check(): Promise<void> {
    for (const { id, suspended } of this.#directory.list('subscription')) {
      if ((suspended ?? null) !== null) this.#held.add(id);
    }
    for (const id of this.#held) {
      const subscription = this.#directory.get('subscription', id);
      if (subscription === undefined) this.#held.delete(id);
      else if ((subscription.suspended ?? null) === null) {
        try {
          if ((await this.release(id)) === 0) this.#held.delete(id);
        } catch (error) {
          this.#services.log.error('subscription.release_failed', { subscription_id: id }, error);
        }
      }
    }
  }
}
