import type { Clock } from '../../src/ports/clock.ts';
import type { Store } from '../../src/ports/store.ts';

const NEVER = new Promise<never>(() => {});

/**
 * A process inside a test that dies like one under `kill -9`: from then on nothing that it waits for comes
 * back to it, no timer of it fires, and what it had asked of the store was done or was not.
 */
export class MortalProcess {
  readonly #died = Promise.withResolvers<null>();
  #isDead = false;
  #callsLeft = Number.POSITIVE_INFINITY;
  #when: 'before' | 'after' = 'before';

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Dies at its store's call after so many more, before it is made or when it has been. */
  dieAt(callsLeft: number, when: 'before' | 'after'): void {
    this.#callsLeft = callsLeft;
    this.#when = when;
  }

  /** What comes of it, or `null` when the process dies first. */
  orDeath<Value>(work: Promise<Value>): Promise<Value | null> {
    return Promise.race([work, this.#died.promise]);
  }

  /** Work whose outcome the dead never learn. */
  async through<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#isDead) return NEVER;
    const value = await work();
    return this.#isDead ? NEVER : value;
  }

  clock(inner: Clock): Clock {
    return {
      now: () => inner.now(),
      after: (delayMs, wake) =>
        inner.after(delayMs, () => {
          if (!this.#isDead) wake();
        }),
    };
  }

  store(inner: Store): Store {
    return {
      ...inner,
      log: this.#part(inner.log),
      queries: this.#part(inner.queries),
      settings: this.#part(inner.settings),
      replays: this.#part(inner.replays),
      upkeep: this.#part(inner.upkeep),
    };
  }

  #part<Part extends object>(part: Part): Part {
    return new Proxy(part, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) =>
          this.#call(() => Reflect.apply(value, target, args) as Promise<unknown>);
      },
    });
  }

  async #call(work: () => Promise<unknown>): Promise<unknown> {
    if (this.#isDead) return NEVER;
    const isLast = this.#callsLeft <= 0;
    this.#callsLeft -= 1;
    if (isLast && this.#when === 'before') return this.#die();
    const value = await work();
    return isLast ? this.#die() : this.#isDead ? NEVER : value;
  }

  #die(): Promise<never> {
    this.#isDead = true;
    this.#died.resolve(null);
    return NEVER;
  }
}
