import type { Breaker } from '../domain/breaker.ts';
import { isSameRate, TokenBucket } from '../domain/rate-limit.ts';
import type { Destination } from '../domain/settings.ts';
import type { LeasedDelivery } from '../ports/event-log.ts';

/** Deliveries held ready for a lane beyond those under way, as a multiple of its `maxInFlight`. */
const READY_FACTOR = 4;

/**
 * What is known of one destination's deliveries: how many are under way, which are leased and ready,
 * and when the store has more. Only bookkeeping; the dispatcher acts.
 */
export class Lane {
  readonly destinationId: string;
  readonly #breaker: () => Breaker;
  #ready: LeasedDelivery[] = [];
  #reserved = 0;
  #inFlight = 0;
  /** When the earliest pending delivery is due, as far as is known; `null` = none is. */
  #nextDueAt: number | null = null;
  /** The earliest wake since the claim under way began: its answer may be older than that. */
  #wokenAt: number | null = null;
  #bucket: TokenBucket | null = null;
  #bucketOf: Destination['rateLimit'] = null;
  /** Tokens taken for the claim under way, before it is known how many deliveries it finds. */
  #claimTokens = 0;
  /** Bytes of the bodies that are reserved for, ready or under way. */
  #heldBytes = 0;
  readonly #maxHeldBytes: number;

  /** `breaker` is asked anew each time: enabling a destination by hand gives it a new one. */
  constructor(destinationId: string, breaker: () => Breaker, maxHeldBytes: number) {
    this.destinationId = destinationId;
    this.#maxHeldBytes = maxHeldBytes;
    this.#breaker = breaker;
  }

  /** A body is held in memory for this lane, or (negative) no longer is. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }

  /** Takes a place for a delivery that is being written; false when it should be written as pending. */
  reserve(destination: Destination, now: number): boolean {
    if (destination.state !== 'enabled' || this.#breaker().state(now) !== 'closed') return false;
    // What is due goes first: fresh deliveries must not starve a backlog.
    if (this.#nextDueAt !== null && this.#nextDueAt <= now) return false;
    if (this.#load() >= destination.maxInFlight * READY_FACTOR || this.#isLaden()) return false;
    if (!this.#takeToken(destination, now)) return false;
    this.#reserved += 1;
    return true;
  }

  /** The delivery that a place was taken for has been written: `queue` comes next. */
  reservationUsed(): void {
    this.#reserved -= 1;
  }

  /** The delivery that a place was taken for will not come. */
  release(): void {
    this.#reserved -= 1;
    this.#bucket?.giveBack(1);
  }

  queue(delivery: LeasedDelivery): void {
    this.#ready.push(delivery);
  }

  canBegin(destination: Destination | undefined, now: number): boolean {
    if (this.#ready.length === 0) return false;
    // Deliveries of a destination that is gone are ended by their attempt, without a request.
    if (destination === undefined) return true;
    if (destination.state === 'paused' || this.#breaker().allowance(now) === 0) return false;
    return this.#inFlight < destination.maxInFlight;
  }

  /** What is ready must go back to the store: its destination is paused, or its breaker is open. */
  mustWait(destination: Destination | undefined, now: number): boolean {
    if (destination === undefined || this.#ready.length === 0) return false;
    return destination.state === 'paused' || this.#breaker().waitsUntil(now) !== null;
  }

  /** Nothing is known or held here; a rate limit's bucket must outlive the lull, though. */
  isIdle(): boolean {
    return this.#load() === 0 && this.#nextDueAt === null && this.#bucket === null;
  }

  begin(now: number): LeasedDelivery | undefined {
    const delivery = this.#ready.shift();
    if (delivery === undefined) return undefined;
    this.#inFlight += 1;
    this.#breaker().begin(now);
    return delivery;
  }

  ended(): void {
    this.#inFlight -= 1;
    this.#breaker().abandon();
  }

  /** Takes out what is ready but has not begun. */
  clear(): LeasedDelivery[] {
    const waiting = this.#ready;
    this.#ready = [];
    this.#bucket?.giveBack(waiting.length);
    return waiting;
  }

  wake(dueAt: number): void {
    this.#nextDueAt = Math.min(this.#nextDueAt ?? Number.POSITIVE_INFINITY, dueAt);
    this.#wokenAt = Math.min(this.#wokenAt ?? Number.POSITIVE_INFINITY, dueAt);
  }

  claiming(): void {
    this.#wokenAt = null;
  }

  /** The store's answer to a claim: how many it found, and when the next one is due. */
  claimed(found: number, nextDueAt: number | null): void {
    if (this.#claimTokens > found) this.#bucket?.giveBack(this.#claimTokens - found);
    this.#claimTokens = 0;
    const known = Math.min(nextDueAt ?? Number.POSITIVE_INFINITY, this.#wokenAt ?? Number.POSITIVE_INFINITY);
    this.#nextDueAt = known === Number.POSITIVE_INFINITY ? null : known;
  }

  /** How many deliveries to claim now; 0 = none is due, or there is no room. */
  claimable(destination: Destination | undefined, now: number): number {
    if (this.#nextDueAt === null || this.#nextDueAt > now) return 0;
    if (destination === undefined) return 50;
    if (destination.state === 'paused') return 0;
    const room = this.#isLaden() ? 0 : roomOf(destination, this.#load());
    const tokens = this.#tokens(destination, now);
    const limit = Math.min(room, tokens, this.#breaker().allowance(now));
    for (let taken = 0; taken < limit && destination.rateLimit !== null; taken += 1) {
      this.#bucket?.take(now);
    }
    this.#claimTokens = destination.rateLimit === null ? 0 : limit;
    return limit;
  }

  /** When `claimable` may be more than 0; `null` = not before something else happens. */
  readyAt(destination: Destination | undefined, now: number): number | null {
    if (this.#nextDueAt === null) return null;
    if (destination === undefined) return this.#nextDueAt;
    if (destination.state === 'paused' || this.#isLaden()) return null;
    if (roomOf(destination, this.#load()) === 0) return null;
    const waitMs = destination.rateLimit === null ? 0 : (this.#bucketFor(destination, now)?.waitMs(now) ?? 0);
    const breaker = this.#breaker();
    const openUntil = breaker.waitsUntil(now);
    // With a probe on its way only its result can tell when to go on.
    if (openUntil === null && breaker.allowance(now) === 0) return null;
    return Math.max(this.#nextDueAt, now + waitMs, openUntil ?? 0);
  }

  /** It holds its share of the memory: the rest is for other destinations, however slow this one is. */
  #isLaden(): boolean {
    return this.#heldBytes >= this.#maxHeldBytes;
  }

  #load(): number {
    return this.#inFlight + this.#reserved + this.#ready.length;
  }

  #takeToken(destination: Destination, now: number): boolean {
    const bucket = this.#bucketFor(destination, now);
    return bucket === null || bucket.take(now) === 0;
  }

  #tokens(destination: Destination, now: number): number {
    return this.#bucketFor(destination, now)?.available(now) ?? Number.POSITIVE_INFINITY;
  }

  #bucketFor(destination: Destination, now: number): TokenBucket | null {
    if (destination.rateLimit === null) return null;
    if (this.#bucket === null || !isSameRate(this.#bucketOf, destination.rateLimit)) {
      this.#bucket = new TokenBucket(destination.rateLimit, now);
      this.#bucketOf = destination.rateLimit;
    }
    return this.#bucket;
  }
}

/**
 * How many more deliveries may be held for a destination. Nothing until it has run down to half: few
 * large claims cost the store less than one for each delivery that ends.
 */
function roomOf(destination: Destination, load: number): number {
  const full = destination.maxInFlight * 2;
  return load > destination.maxInFlight ? 0 : full - load;
}
