import type { Breaker } from '../domain/breaker.ts';
import { isSameRate } from '../domain/rate-limit.ts';
import { RateWindow } from '../domain/rate-window.ts';
import type { Destination } from '../domain/settings.ts';
import type { LeasedDelivery } from '../ports/event-log.ts';

/** Deliveries held ready for a lane beyond those under way, as a multiple of its `maxInFlight`. */
const READY_FACTOR = 4;

/** What a lane needs to know of the rest. */
export interface LaneContext {
  /** Asked anew each time: enabling a destination by hand gives it a new one. */
  breaker(): Breaker;
  /** This node's part of a limit of the destination: the whole where no other node delivers. */
  part(limit: number): number;
  readonly maxHeldBytes: number;
}

/**
 * What is known of one destination's deliveries: how many are under way, which are leased and ready,
 * and when the store has more. Only bookkeeping; the dispatcher acts.
 */
export class Lane {
  readonly destinationId: string;
  readonly #context: LaneContext;
  #ready: LeasedDelivery[] = [];
  /** The delivery whose attempt is to find out whether the destination is up again. */
  #probe: string | null = null;
  #reserved = 0;
  #inFlight = 0;
  /** When the earliest pending delivery is due, as far as is known; `null` = none is. */
  #nextDueAt: number | null = null;
  /** The earliest wake since the claim under way began: its answer may be older than that. */
  #wokenAt: number | null = null;
  #window: RateWindow | null = null;
  #windowOf: Destination['rateLimit'] = null;
  /** Bytes of the bodies that are reserved for, ready or under way. */
  #heldBytes = 0;

  constructor(destinationId: string, context: LaneContext) {
    this.destinationId = destinationId;
    this.#context = context;
  }

  /** A body is held in memory for this lane, or (negative) no longer is. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }

  /** Takes a place for a delivery that is being written; false when it should be written as pending. */
  reserve(destination: Destination, now: number): boolean {
    if (destination.state !== 'enabled' || this.#context.breaker().state(now) !== 'closed') return false;
    // What is due goes first: fresh deliveries must not starve a backlog.
    if (this.#nextDueAt !== null && this.#nextDueAt <= now) return false;
    const most = this.#context.part(destination.maxInFlight) * READY_FACTOR;
    if (this.#load() >= most || this.#isLaden() || this.#startsLeft(destination, now) < 1) return false;
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
  }

  queue(delivery: LeasedDelivery): void {
    this.#ready.push(delivery);
  }

  canBegin(destination: Destination | undefined, now: number): boolean {
    if (this.#ready.length === 0) return false;
    // Deliveries of a destination that is gone are ended by their attempt, without a request.
    if (destination === undefined) return true;
    if (destination.state === 'paused' || this.#context.breaker().allowance(now) === 0) return false;
    if (this.#inFlight >= this.#context.part(destination.maxInFlight)) return false;
    return destination.rateLimit === null || this.#mayStart(destination, now) > 0;
  }

  /**
   * What is ready must go back to the store: its destination is paused, its breaker is open, or this node
   * has lost its part of the limits to another one, which may then send it.
   */
  mustWait(destination: Destination | undefined, now: number): boolean {
    if (destination === undefined || this.#ready.length === 0) return false;
    if (destination.state === 'paused' || this.#context.breaker().state(now) === 'open') return true;
    if (this.#context.part(destination.maxInFlight) === 0) return true;
    return destination.rateLimit !== null && this.#mayStart(destination, now) === 0;
  }

  /** More is under way, or has begun within the rate limit's period, than is this node's part. */
  isOver(destination: Destination, now: number): boolean {
    if (this.#inFlight > this.#context.part(destination.maxInFlight)) return true;
    const window = this.#windowFor(destination, now);
    if (window === null) return false;
    const whole = window.limit.limit;
    return whole - window.available(now) > this.#context.part(whole);
  }

  /** Nothing is known or held here; what counts for a rate limit must outlive the lull, though. */
  isIdle(now: number): boolean {
    return this.#load() === 0 && this.#nextDueAt === null && (this.#window?.isEmpty(now) ?? true);
  }

  begin(now: number): LeasedDelivery | undefined {
    const delivery = this.#ready.shift();
    if (delivery === undefined) return undefined;
    this.#inFlight += 1;
    this.#window?.add(now);
    if (this.#context.breaker().begin(now)) this.#probe = delivery.id;
    return delivery;
  }

  ended(delivery: LeasedDelivery): void {
    this.#inFlight -= 1;
    // Attempts from before the breaker opened end too while the probe is on its way.
    if (this.#probe !== delivery.id) return;
    this.#probe = null;
    this.#context.breaker().abandon();
  }

  /** Takes out what is ready but has not begun. */
  clear(): LeasedDelivery[] {
    const waiting = this.#ready;
    this.#ready = [];
    return waiting;
  }

  wake(dueAt: number): void {
    this.#nextDueAt = Math.min(this.#nextDueAt ?? Number.POSITIVE_INFINITY, dueAt);
    this.#wokenAt = Math.min(this.#wokenAt ?? Number.POSITIVE_INFINITY, dueAt);
  }

  claiming(): void {
    this.#wokenAt = null;
  }

  /** The store's answer to a claim: when the next one is due. */
  claimed(nextDueAt: number | null): void {
    const known = Math.min(nextDueAt ?? Number.POSITIVE_INFINITY, this.#wokenAt ?? Number.POSITIVE_INFINITY);
    this.#nextDueAt = known === Number.POSITIVE_INFINITY ? null : known;
  }

  /** How many deliveries to claim now; 0 = none is due, or there is no room. */
  claimable(destination: Destination | undefined, now: number): number {
    if (this.#nextDueAt === null || this.#nextDueAt > now) return 0;
    if (destination === undefined) return 50;
    if (destination.state === 'paused') return 0;
    const room = this.#isLaden() ? 0 : roomOf(this.#context.part(destination.maxInFlight), this.#load());
    return Math.min(room, this.#startsLeft(destination, now), this.#context.breaker().allowance(now));
  }

  /** When `claimable` may be more than 0; `null` = not before something else happens. */
  readyAt(destination: Destination | undefined, now: number): number | null {
    if (this.#nextDueAt === null) return null;
    if (destination === undefined) return this.#nextDueAt;
    if (destination.state === 'paused' || this.#isLaden()) return null;
    if (roomOf(this.#context.part(destination.maxInFlight), this.#load()) === 0) return null;
    const waitMs = this.#waitMs(destination, now);
    if (!Number.isFinite(waitMs)) return null;
    const breaker = this.#context.breaker();
    const openUntil = breaker.waitsUntil(now);
    // With a probe on its way only its result can tell when to go on.
    if (openUntil === null && breaker.allowance(now) === 0) return null;
    return Math.max(this.#nextDueAt, now + waitMs, openUntil ?? 0);
  }

  /** It holds its share of the memory: the rest is for other destinations, however slow this one is. */
  #isLaden(): boolean {
    return this.#heldBytes >= this.#context.maxHeldBytes;
  }

  #load(): number {
    return this.#inFlight + this.#reserved + this.#ready.length;
  }

  /** How many more may be taken on under the rate limit: what is ready or reserved will start, too. */
  #startsLeft(destination: Destination, now: number): number {
    if (destination.rateLimit === null) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#mayStart(destination, now) - this.#ready.length - this.#reserved);
  }

  #mayStart(destination: Destination, now: number): number {
    const window = this.#windowFor(destination, now);
    if (window === null) return Number.POSITIVE_INFINITY;
    return window.available(now, this.#context.part(window.limit.limit));
  }

  #waitMs(destination: Destination, now: number): number {
    const window = this.#windowFor(destination, now);
    if (window === null) return 0;
    // Those that are ready or reserved start first, and each needs its place in the window.
    const part = this.#context.part(window.limit.limit) - this.#ready.length - this.#reserved;
    return part < 1 ? Number.POSITIVE_INFINITY : window.waitMs(now, part);
  }

  #windowFor(destination: Destination, now: number): RateWindow | null {
    if (destination.rateLimit === null) {
      this.#window = null;
      this.#windowOf = null;
    } else if (this.#window === null || !isSameRate(this.#windowOf, destination.rateLimit)) {
      this.#window = new RateWindow(destination.rateLimit, now);
      this.#windowOf = destination.rateLimit;
    }
    return this.#window;
  }
}

/**
 * How many more deliveries may be held for a destination. Nothing until it has run down to half: few
 * large claims cost the store less than one for each delivery that ends.
 */
function roomOf(maxInFlight: number, load: number): number {
  return load > maxInFlight ? 0 : maxInFlight * 2 - load;
}
