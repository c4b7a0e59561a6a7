/**
 * What waits to be recorded, of several senders, up to a bound over all of them. Who has the most makes
 * room for the others and waits for its turn like them: one who floods hides nothing of anybody else.
 */
export class FairQueues<Item> {
  readonly #most: number;
  readonly #queues = new Map<string, Item[]>();
  #size = 0;

  /** @param most items that may wait, over all senders. */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  /** How much of this sender waits. */
  sizeOf(from: string): number {
    return this.#queues.get(from)?.length ?? 0;
  }

  /** Whether an item of this sender would find a place. */
  hasPlaceFor(from: string): boolean {
    return this.#size < this.#most || this.#longest().length > this.sizeOf(from);
  }

  /** Lets an item wait, and returns the one that has no place for it: the latest of whoever has the most. */
  add(from: string, item: Item): Item | undefined {
    if (!this.hasPlaceFor(from)) return item;
    const dropped = this.#size < this.#most ? undefined : this.#longest().pop();
    if (dropped === undefined) this.#size += 1;
    const own = this.#queues.get(from);
    if (own === undefined) this.#queues.set(from, [item]);
    else own.push(item);
    return dropped;
  }

  /** Takes the oldest of each sender, then the next of each, and so on, as long as `mayTake` says so. */
  take(mayTake: () => boolean): Item[] {
    const taken: Item[] = [];
    for (;;) {
      const before = taken.length;
      for (const [from, queue] of this.#queues) {
        const [oldest] = queue;
        if (oldest !== undefined && !mayTake()) return taken;
        if (oldest !== undefined) taken.push(oldest);
        this.#dropOldest(from, queue);
      }
      if (taken.length === before) return taken;
    }
  }

  /** Forgets what waits and says how much that was. */
  clear(): number {
    const size = this.#size;
    this.#queues.clear();
    this.#size = 0;
    return size;
  }

  #dropOldest(from: string, queue: Item[]): void {
    if (queue.shift() !== undefined) this.#size -= 1;
    if (queue.length === 0) this.#queues.delete(from);
  }

  #longest(): Item[] {
    let longest: Item[] = [];
    for (const queue of this.#queues.values()) if (queue.length > longest.length) longest = queue;
    return longest;
  }
}
