import type { Destination } from '../domain/settings.ts';
import type { LeasedDelivery, NewDelivery } from '../ports/event-log.ts';
import type { Attempts } from './attempt.ts';
import type { DestinationHealth } from './destination-health.ts';
import type { Directory } from './directory.ts';
import { Lane } from './lane.ts';
import type { Services } from './services.ts';

export interface DispatchLimits {
  /** Requests under way at once, over all destinations. */
  readonly maxInFlight: number;
  /** Bytes of bodies held for deliveries that are leased to this process. */
  readonly maxBytes: number;
  /** How long a delivery may wait in memory for its turn, beyond its own time limit; absent = a minute. */
  readonly leaseSlackMs?: number;
  /** How often to look for lost leases and for what others wrote; absent = every five seconds. */
  readonly sweepEveryMs?: number;
}

/** This node among those that deliver from the same store. */
export interface NodeParts {
  /** The tokens of its leases begin with it. */
  readonly id: string;
  part(limit: number, destinationId: string): number;
  /** Whether an attempt may begin: false when others may already count on our leases to end. */
  mayBegin(now: number): boolean;
}

/** How long a delivery may wait in memory for its turn, beyond its own time limit. */
const LEASE_SLACK_MS = 60_000;
/** Outcomes waiting to be recorded beyond which no new attempt starts: the store is behind. */
const UNSETTLED_LIMIT = 4_096;
/** Share of the memory for bodies that one destination may hold, however slow it is. */
const LANE_SHARE = 0.25;
const CLAIM_PAUSE_AFTER_FAILURE_MS = 1_000;
const SWEEP_EVERY_MS = 5_000;

/**
 * Decides what is attempted when.
 *
 * Each destination has its own lane: what is slow, dead or piled up in one never holds up another.
 * Fresh deliveries come leased and go out without a second read of the store; everything else is found
 * by `claimDue`, which also takes back what a dead process had leased. There is no other recovery.
 */
export class Dispatcher {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #attempts: Attempts;
  readonly #health: DestinationHealth;
  readonly #limits: DispatchLimits;
  readonly #nodes: NodeParts;
  #leases = 0;
  readonly #lanes = new Map<string, Lane>();
  /** Lanes that had something ready when a limit over all lanes stopped them. */
  readonly #starved = new Set<Lane>();
  #inFlight = 0;
  #bytes = 0;
  #unsettled = 0;
  #claiming = false;
  /** A claim was due while there was no room for what it finds. */
  #claimWaits = false;
  #running = false;
  #looking = false;
  #lookAgain = false;
  #cancelTimer: (() => void) | null = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #cancelSweep: (() => void) | null = null;
  #idle: (() => void) | null = null;

  constructor(
    services: Services,
    directory: Directory,
    attempts: Attempts,
    health: DestinationHealth,
    nodes: NodeParts,
    limits: DispatchLimits,
  ) {
    this.#services = services;
    this.#directory = directory;
    this.#attempts = attempts;
    this.#health = health;
    this.#limits = limits;
    this.#nodes = nodes;
  }

  /** Finds what is pending and begins. */
  async start(): Promise<void> {
    this.#running = true;
    await this.#sweep();
  }

  /** Gives back what has not begun, then resolves when what has begun is recorded. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelTimer?.();
    this.#cancelSweep?.();
    for (const lane of this.#lanes.values()) for (const delivery of lane.clear()) this.#giveBack(delivery);
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      this.#tellIfIdle();
    });
  }

  /** How a new delivery should be written: leased to this process where it can go out at once. */
  reserve(destination: Destination, bodyBytes: number): NewDelivery['initial'] {
    const now = this.#services.clock.now();
    const lane = this.#lane(destination.id);
    const mayLease = this.#running && this.#bytes + bodyBytes <= this.#limits.maxBytes;
    if (!mayLease || !lane.reserve(destination, now)) return { state: 'pending', dueAt: now };
    this.#hold(lane, bodyBytes);
    return { state: 'leased', token: this.#newToken(), leaseUntil: now + this.#leaseMs(destination) };
  }

  /** The reserved delivery was not written after all. */
  unreserve(delivery: NewDelivery, bodyBytes: number): void {
    if (delivery.initial.state !== 'leased') return;
    const lane = this.#lane(delivery.destinationId);
    lane.release();
    this.#hold(lane, -bodyBytes);
  }

  /** What was written: leased deliveries begin, the lanes of pending ones are woken. */
  written(delivery: NewDelivery, leased: () => LeasedDelivery): void {
    const lane = this.#lane(delivery.destinationId);
    if (delivery.initial.state === 'leased') {
      lane.reservationUsed();
      this.#begin(lane, leased());
    } else if (delivery.initial.state === 'pending' && delivery.initial.dueAt !== null) {
      this.wake(delivery.destinationId, delivery.initial.dueAt);
    }
  }

  /** Something of this destination is due at `dueAt`, or its settings have changed. */
  wake(destinationId: string, dueAt: number): void {
    const lane = this.#lane(destinationId);
    lane.wake(dueAt);
    this.#pump(lane);
    this.#arm(dueAt);
  }

  /** Gives back what is ready but has not begun: the destination is paused, or its breaker has opened. */
  hold(destinationId: string): void {
    for (const delivery of this.#lane(destinationId).clear()) this.#giveBack(delivery);
  }

  /** As `hold`, for every destination: what is leased here may already be another node's. */
  holdAll(): void {
    for (const id of this.#lanes.keys()) this.hold(id);
  }

  /** This node was heard of again: what it could not begin meanwhile may begin. */
  heard(): void {
    this.#feedStarved();
  }

  /** Parts of the limits have changed: lanes go on, or give back what is no longer theirs to send. */
  partsChanged(): void {
    for (const lane of this.#lanes.values()) this.#pump(lane);
    this.#armForNext();
  }

  /** Destinations of which this node has more under way, or had begun lately, than is its part. */
  over(): string[] {
    const now = this.#services.clock.now();
    return [...this.#lanes.values()].flatMap((lane) => {
      const destination = this.#directory.destination(lane.destinationId);
      return destination !== undefined && lane.isOver(destination, now) ? [lane.destinationId] : [];
    });
  }

  /** Another node has written deliveries: those that it could not take on itself are for whoever can. */
  async lookForPending(): Promise<void> {
    this.#lookAgain = true;
    if (this.#looking || !this.#running) return;
    this.#looking = true;
    try {
      while (this.#lookAgain && this.#running) {
        this.#lookAgain = false;
        await this.#wakePending();
      }
    } catch (error) {
      // The next sweep looks again.
      this.#services.log.error('sweep.failed', {}, error);
    } finally {
      this.#looking = false;
    }
  }

  /** What is under way, for metrics and the status page. */
  load(): { inFlight: number; bytes: number; lanes: number } {
    return { inFlight: this.#inFlight, bytes: this.#bytes, lanes: this.#lanes.size };
  }

  #lane(destinationId: string): Lane {
    let lane = this.#lanes.get(destinationId);
    if (lane === undefined) {
      lane = new Lane(destinationId, {
        breaker: () => this.#health.breaker(destinationId),
        part: (limit) => this.#nodes.part(limit, destinationId),
        maxHeldBytes: this.#limits.maxBytes * LANE_SHARE,
      });
      this.#lanes.set(destinationId, lane);
    }
    return lane;
  }

  #arm(dueAt: number): void {
    if (!this.#running || dueAt >= this.#timerAt) return;
    this.#cancelTimer?.();
    this.#timerAt = dueAt;
    this.#cancelTimer = this.#services.clock.after(Math.max(0, dueAt - this.#services.clock.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#cancelTimer = null;
      void this.#claim();
    });
  }

  async #claim(): Promise<void> {
    if (this.#claiming || !this.#running) return;
    this.#claimWaits = this.#isFull();
    if (this.#claimWaits) return;
    const now = this.#services.clock.now();
    const lanes = this.#lanesToClaim(now);
    if (lanes.length === 0) {
      // Timers may fire a little before the clock gets there: nobody else would come back to it.
      this.#armForNext();
      return;
    }
    this.#claiming = true;
    let pauseMs = 0;
    try {
      const { maxBytes: allBytes } = this.#limits;
      const maxBytes = Math.max(1, Math.min(allBytes * LANE_SHARE, allBytes - this.#bytes));
      const claimed = await this.#services.store.log.claimDue({
        nowMs: now,
        token: this.#newToken(),
        lanes,
        maxBytes,
      });
      for (const { destinationId, nextDueAt } of claimed.lanes) {
        this.#lane(destinationId).claimed(nextDueAt);
      }
      for (const delivery of claimed.leased) this.#queue(delivery);
    } catch (error) {
      pauseMs = CLAIM_PAUSE_AFTER_FAILURE_MS;
      for (const { destinationId } of lanes) this.#lane(destinationId).claimed(now + pauseMs);
      this.#services.log.error('claim.failed', {}, error);
    } finally {
      this.#claiming = false;
    }
    this.#armForNext();
    this.#tellIfIdle();
  }

  #hold(lane: Lane, bytes: number): void {
    this.#bytes += bytes;
    lane.hold(bytes);
  }

  #isFull(): boolean {
    return this.#inFlight >= this.#limits.maxInFlight || this.#bytes >= this.#limits.maxBytes;
  }

  #lanesToClaim(now: number) {
    const requests = [];
    for (const lane of this.#lanes.values()) {
      const destination = this.#directory.destination(lane.destinationId);
      const limit = lane.claimable(destination, now);
      if (limit > 0) {
        lane.claiming();
        requests.push({
          destinationId: lane.destinationId,
          limit,
          leaseMs: this.#leaseMs(destination),
        });
      }
    }
    return requests;
  }

  /** Sets the timer to when the next lane has something due and room for it. */
  #armForNext(): void {
    const now = this.#services.clock.now();
    for (const lane of this.#lanes.values()) {
      const readyAt = lane.readyAt(this.#directory.destination(lane.destinationId), now);
      if (readyAt !== null) this.#arm(readyAt);
    }
  }

  #queue(delivery: LeasedDelivery): void {
    const lane = this.#lane(delivery.destinationId);
    this.#hold(lane, delivery.event.body.byteLength);
    this.#begin(lane, delivery);
  }

  /** What comes leased after the stop goes back: left leased, it would count as a lost attempt. */
  #begin(lane: Lane, delivery: LeasedDelivery): void {
    if (!this.#running) {
      this.#giveBack(delivery);
      return;
    }
    lane.queue(delivery);
    this.#pump(lane);
  }

  #pump(lane: Lane): void {
    const destination = this.#directory.destination(lane.destinationId);
    const now = this.#services.clock.now();
    // Written or claimed while that changed: its lease would end here, and that counts as an attempt.
    if (lane.mustWait(destination, now)) this.hold(lane.destinationId);
    while (this.#running && lane.canBegin(destination, now)) {
      if (this.#mustStarve(now)) {
        this.#starved.add(lane);
        return;
      }
      const delivery = lane.begin(now);
      if (delivery === undefined) return;
      void this.#run(lane, destination, delivery);
    }
  }

  async #run(lane: Lane, destination: Destination | undefined, delivery: LeasedDelivery): Promise<void> {
    const now = this.#services.clock.now();
    if (destination !== undefined && now + destination.timeoutMs > delivery.leaseUntil) {
      // It waited so long for its turn that its lease could end mid-request: someone would repeat it.
      lane.ended(delivery);
      this.#giveBack(delivery);
      return;
    }
    this.#inFlight += 1;
    const finish = await this.#attempts.attempt(delivery);
    this.#inFlight -= 1;
    this.#hold(lane, -delivery.event.body.byteLength);
    lane.ended(delivery);
    this.#settle(lane, finish());
    this.#pump(lane);
    this.#feedStarved();
    this.#refill(lane);
  }

  #mustStarve(now: number): boolean {
    if (this.#inFlight >= this.#limits.maxInFlight || this.#unsettled >= UNSETTLED_LIMIT) return true;
    return !this.#nodes.mayBegin(now);
  }

  #feedStarved(): void {
    if (this.#claimWaits && !this.#isFull()) {
      this.#claimWaits = false;
      this.#armForNext();
    }
    if (this.#starved.size === 0) return;
    const lanes = [...this.#starved];
    this.#starved.clear();
    for (const lane of lanes) this.#pump(lane);
  }

  /** Claims more for a lane that has run low while more of it is due. */
  #refill(lane: Lane): void {
    const now = this.#services.clock.now();
    const readyAt = lane.readyAt(this.#directory.destination(lane.destinationId), now);
    if (readyAt !== null) this.#arm(readyAt);
  }

  #giveBack(delivery: LeasedDelivery): void {
    const lane = this.#lane(delivery.destinationId);
    this.#hold(lane, -delivery.event.body.byteLength);
    this.#settle(lane, this.#attempts.giveBack(delivery));
  }

  #settle(lane: Lane, settled: Promise<number | null>): void {
    this.#unsettled += 1;
    void settled.then((dueAt) => {
      this.#unsettled -= 1;
      this.#feedStarved();
      if (dueAt !== null) this.wake(lane.destinationId, dueAt);
      this.#tellIfIdle();
      return undefined;
    });
  }

  #tellIfIdle(): void {
    if (this.#running || this.#claiming || this.#inFlight + this.#unsettled > 0) return;
    this.#idle?.();
  }

  /** Step by step until none is left: a process that dies may leave thousands of leases behind. */
  async #takeBackLost(): Promise<void> {
    const { clock, log, store } = this.#services;
    for (;;) {
      const ask = { nowMs: clock.now(), token: this.#newToken(), lanes: [], maxBytes: 1 };
      const { abandoned } = await store.log.claimDue(ask);
      if (abandoned === 0) return;
      log.warn('lease.lost', { deliveries: abandoned });
    }
  }

  async #wakePending(): Promise<void> {
    for (const { destinationId, nextDueAt } of await this.#services.store.log.pendingLanes()) {
      this.#lane(destinationId).wake(nextDueAt);
    }
    this.#armForNext();
  }

  /** Looks for what no timer knows of: lost leases, and lanes of deliveries that others wrote. */
  async #sweep(): Promise<void> {
    try {
      await this.#takeBackLost();
      await this.#wakePending();
      const now = this.#services.clock.now();
      for (const [id, lane] of this.#lanes) if (lane.isIdle(now)) this.#lanes.delete(id);
    } catch (error) {
      this.#services.log.error('sweep.failed', {}, error);
    }
    if (!this.#running) return;
    const everyMs = this.#limits.sweepEveryMs ?? SWEEP_EVERY_MS;
    this.#cancelSweep = this.#services.clock.after(everyMs, () => void this.#sweep());
  }

  /**
   * Another one for each claim and each fresh delivery. With one for the whole process, what outlived a
   * lease here (the process was stopped for a while) could end the next lease of the same delivery.
   */
  #newToken(): string {
    this.#leases += 1;
    return `${this.#nodes.id}.${this.#leases}`;
  }

  #leaseMs(destination: Destination | undefined): number {
    return (destination?.timeoutMs ?? 0) + (this.#limits.leaseSlackMs ?? LEASE_SLACK_MS);
  }
}
