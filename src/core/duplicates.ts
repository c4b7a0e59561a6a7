import { TokenBucket } from '../domain/rate-limit.ts';
import { type Duplicate, DUPLICATES_KEPT } from '../domain/records.ts';
import type { RepeatedEvent } from '../ports/store.ts';
import { FairQueues } from './fair-queues.ts';
import type { Services } from './services.ts';

/** Recorded at most this often, so that a sender that repeats everything costs the store next to nothing. */
const RECORDED = { limit: 200, periodMs: 1_000 };
/** Events whose duplicates wait, over all sources: some megabytes if each waits with as many as are kept. */
const MOST_WAITING = 500;
const FLUSH_AFTER_MS = 50;

interface Waiting {
  readonly eventId: string;
  readonly from: string;
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
  readonly #waiting = new FairQueues<Waiting>(MOST_WAITING);
  /** The same by sender and event: what comes again joins what waits. */
  readonly #known = new Map<string, Waiting>();
  #untold = 0;
  #flushPlanned = false;
  #written: Promise<void> = Promise.resolve();

  constructor(services: Services) {
    this.#services = services;
    this.#bucket = new TokenBucket(RECORDED, services.clock.now());
  }

  /** Notes that a request repeated an event. `from`: its source, or whose publishers it came from. */
  note(eventId: string, duplicate: Duplicate, from: string): void {
    const waiting = this.#known.get(nameOf(from, eventId));
    if (waiting === undefined) {
      this.#begin({ eventId, from, count: 1, requests: [duplicate] });
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
    if (this.#waiting.size > 0) this.#flushSoon();
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

  #begin(waiting: Waiting): void {
    this.#known.set(nameOf(waiting.from, waiting.eventId), waiting);
    const dropped = this.#waiting.add(waiting.from, waiting);
    if (dropped === undefined) return;
    this.#forget(dropped);
    this.#untold += dropped.count;
  }

  #forget({ from, eventId }: Waiting): void {
    this.#known.delete(nameOf(from, eventId));
  }

  /**
   * As much as may be recorded now: first one request of each event, events of each sender in turn; what is
   * left of the allowance is for more of the same events, whose others are only counted. The rest waits on.
   */
  #chosen(mayTake: () => boolean): RepeatedEvent[] {
    const chosen = this.#waiting.take(mayTake);
    for (const waiting of chosen) this.#forget(waiting);
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

function nameOf(from: string, eventId: string): string {
  return `${eventId} ${from}`;
}
