import { TokenBucket } from '../domain/rate-limit.ts';
import { type Duplicate, DUPLICATES_KEPT } from '../domain/records.ts';
import type { RepeatedEvent } from '../ports/store.ts';
import type { Services } from './services.ts';

/** Recorded at most this often, so that a sender that repeats everything costs the store next to nothing. */
const RECORDED = { limit: 200, periodMs: 1_000 };
/** Events whose duplicates wait, over all sources: some megabytes if each waits with as many as are kept. */
const MOST_WAITING = 500;
const FLUSH_AFTER_MS = 50;

interface Waiting {
  readonly eventId: string;
  count: number;
  /** The newest of them, oldest first. */
  readonly requests: Duplicate[];
}

/**
 * Remembers requests that repeated an event, for whoever wonders what became of one. Best effort: the sender
 * has its answer before anything is written, and a crash loses what came in the last moment.
 */
export class Duplicates {
  readonly #services: Services;
  readonly #bucket: TokenBucket;
  /** What waits, by where it came from: one sender that repeats everything must not hide what others do. */
  readonly #waiting = new Map<string, Map<string, Waiting>>();
  #waitingCount = 0;
  #untold = 0;
  #flushPlanned = false;
  #written: Promise<void> = Promise.resolve();

  constructor(services: Services) {
    this.#services = services;
    this.#bucket = new TokenBucket(RECORDED, services.clock.now());
  }

  /** Notes that a request repeated an event. `from`: its source, or whose publishers it came from. */
  note(eventId: string, duplicate: Duplicate, from: string): void {
    const waiting = this.#waitingFor(eventId, from);
    if (waiting === null) {
      this.#untold += 1;
    } else {
      waiting.count += 1;
      waiting.requests.push(duplicate);
      if (waiting.requests.length > DUPLICATES_KEPT) waiting.requests.shift();
    }
    this.#flushSoon();
  }

  /** Writes as much of what waits as may be written now; resolves when what was begun before is written, too. */
  flush(): Promise<void> {
    return this.#inTurn(() => this.#bucket.take(this.#services.clock.now()) === 0);
  }

  /** Writes all that waits. */
  stop(): Promise<void> {
    return this.#inTurn(() => true);
  }

  #inTurn(mayTake: () => boolean): Promise<void> {
    this.#written = this.#written.then(() => this.#write(mayTake));
    return this.#written;
  }

  async #write(mayTake: () => boolean): Promise<void> {
    this.#flushPlanned = false;
    const repeated = this.#chosen(mayTake);
    if (this.#waitingCount > 0) this.#flushSoon();
    if (this.#untold > 0) {
      this.#services.log.warn('duplicates.dropped', { count: this.#untold });
      this.#untold = 0;
    }
    if (repeated.length === 0) return;
    try {
      await this.#services.store.upkeep.recordDuplicates(repeated);
    } catch (error) {
      const count = repeated.reduce((sum, one) => sum + one.count, 0);
      this.#services.log.error('duplicates.lost', { count }, error);
    }
  }

  /** Where a duplicate of an event may wait; `null` = nowhere. Who has the most makes room. */
  #waitingFor(eventId: string, from: string): Waiting | null {
    let own = this.#waiting.get(from);
    const known = own?.get(eventId);
    if (known !== undefined) return known;
    if (this.#waitingCount >= MOST_WAITING && !this.#makeRoom(own?.size ?? 0)) return null;
    if (own === undefined) {
      own = new Map();
      this.#waiting.set(from, own);
    }
    const waiting: Waiting = { eventId, count: 0, requests: [] };
    own.set(eventId, waiting);
    this.#waitingCount += 1;
    return waiting;
  }

  /** Drops the latest event of whoever has the most; false when none has more than `size`. */
  #makeRoom(size: number): boolean {
    const most = [...this.#waiting.values()].reduce((one, other) => (other.size > one.size ? other : one));
    if (most.size <= size) return false;
    const latest = [...most.values()].at(-1);
    if (latest === undefined) return false;
    most.delete(latest.eventId);
    this.#waitingCount -= 1;
    this.#untold += latest.count;
    return true;
  }

  /**
   * As much as may be recorded now: first one request of each event, events of each sender in turn; what is
   * left of the allowance is for more of the same events, whose others are only counted. The rest waits on.
   */
  #chosen(mayTake: () => boolean): RepeatedEvent[] {
    const chosen: Waiting[] = [];
    for (const [queue, waiting] of takingTurns([...this.#waiting.values()])) {
      if (!mayTake()) break;
      chosen.push(waiting);
      queue.delete(waiting.eventId);
    }
    for (const [from, queue] of this.#waiting) if (queue.size === 0) this.#waiting.delete(from);
    this.#waitingCount -= chosen.length;
    return chosen.map(({ eventId, count, requests }) => {
      let told = 1;
      while (told < requests.length && mayTake()) told += 1;
      return { eventId, count, requests: requests.slice(-told) };
    });
  }

  #flushSoon(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#services.clock.after(FLUSH_AFTER_MS, () => void this.flush());
  }
}

/** One event of each queue, then a second one of each, and so on, with its queue. */
function* takingTurns(
  queues: readonly Map<string, Waiting>[],
): Generator<readonly [Map<string, Waiting>, Waiting]> {
  let left = queues.map((queue) => ({ queue, events: queue.values() }));
  while (left.length > 0) {
    const more: typeof left = [];
    for (const turn of left) {
      const { value, done } = turn.events.next();
      if (done === true) continue;
      yield [turn.queue, value];
      more.push(turn);
    }
    left = more;
  }
}
