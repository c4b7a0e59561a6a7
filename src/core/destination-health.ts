import { Breaker } from '../domain/breaker.ts';
import type { Judgement } from '../domain/outcome.ts';
import type { Destination } from '../domain/settings.ts';
import type { OperatorEvents } from './operator-events.ts';
import type { Services } from './services.ts';

/** A destination that has only failed for this long is disabled (five days, as Svix and Stripe do). */
const DISABLE_AFTER_MS = 5 * 24 * 3_600_000;
/** The first warning: something has gone wrong for an hour and someone should look. */
const WARN_AFTER_MS = 3_600_000;

/** What follows from what is found out. */
export interface HealthActions {
  /** For destinations that have only failed for five days, and those that are gone. */
  disable(destination: Destination, reason: string): Promise<void>;
  /** For those whose breaker has opened: what is ready for them goes back to wait. */
  hold(destinationId: string): void;
  /** For those that are no longer left alone. */
  goOn(destinationId: string): void;
}

interface Health {
  readonly breaker: Breaker;
  /** Another node looks after it while it is down. */
  leftAlone: boolean;
  /** Since when nothing has succeeded; `null` = the last attempt did. */
  failingSince: number | null;
  warned: boolean;
}

/** How the destinations are: which to leave alone for a while, and which have been failing for too long. */
export class DestinationHealth {
  readonly #services: Services;
  readonly #events: OperatorEvents;
  readonly #act: HealthActions;
  readonly #health = new Map<string, Health>();
  #startedAt = 0;

  constructor(services: Services, events: OperatorEvents, actions: HealthActions) {
    this.#services = services;
    this.#events = events;
    this.#act = actions;
  }

  /** When this process began to watch: breakers are not older. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** Remembers what the last process knew. */
  async load(): Promise<void> {
    this.#startedAt = this.#services.clock.now();
    for (const { destinationId, failingSince } of await this.#services.store.upkeep.failingDestinations()) {
      this.#of(destinationId).failingSince = failingSince;
    }
  }

  breaker(destinationId: string): Breaker {
    return this.#of(destinationId).breaker;
  }

  failingSince(destinationId: string): number | null {
    return this.#health.get(destinationId)?.failingSince ?? null;
  }

  /** Destinations whose breaker attempts of this node have opened. */
  openBreakers(): string[] {
    return [...this.#health].flatMap(([id, { breaker }]) => (breaker.hasOpened ? [id] : []));
  }

  /** See `NodeActions.leaveAlone`. */
  leaveAlone(destinationIds: ReadonlySet<string>, recovered: ReadonlySet<string>): void {
    for (const id of destinationIds) {
      const health = this.#of(id);
      if (health.leftAlone) continue;
      health.leftAlone = true;
      health.breaker.hold();
      this.#act.hold(id);
    }
    for (const [id, health] of this.#health) {
      if (!health.leftAlone || destinationIds.has(id)) continue;
      health.leftAlone = false;
      health.breaker.letGo(this.#services.clock.now(), recovered.has(id));
      this.#act.goOn(id);
    }
  }

  /**
   * Takes note of an attempt's outcome. Operator events are kept out of the telling about themselves.
   * For a destination that is gone the answer resolves when it is disabled: until then no other attempt
   * may begin. `null` = there is nothing to wait for.
   */
  record(
    destination: Destination,
    judgement: Judgement,
    status: number | null,
    beganAt: number,
  ): Promise<void> | null {
    const now = this.#services.clock.now();
    if (judgement.gone) return this.#act.disable(destination, 'destination_gone');
    const health = this.#of(destination.id);
    const ok = judgement.outcome === 'succeeded';
    // A 4xx is about the request: the receiver is up and answers.
    const isDown = !ok && (status === null || status >= 500 || status === 429);
    const change = health.breaker.record(!isDown, now, beganAt);
    if (change !== null) this.#tell(`breaker.${change}`, destination, { error: judgement.error });
    if (change === 'opened') this.#act.hold(destination.id);
    if (ok) this.#recovered(destination, health);
    else this.#failed(destination, health, judgement.error, now);
    return null;
  }

  /** Forgets a destination that was enabled again by hand: it starts with a clean slate. */
  forget(destinationId: string): void {
    if (this.failingSince(destinationId) !== null) this.#note(destinationId, null);
    this.#health.delete(destinationId);
  }

  #recovered(destination: Destination, health: Health): void {
    if (health.failingSince === null) return;
    health.failingSince = null;
    health.warned = false;
    this.#note(destination.id, null);
  }

  #failed(destination: Destination, health: Health, error: string | null, now: number): void {
    if (health.failingSince === null) {
      health.failingSince = now;
      this.#note(destination.id, now);
      return;
    }
    const failingMs = now - health.failingSince;
    const since = new Date(health.failingSince).toISOString();
    if (failingMs >= DISABLE_AFTER_MS) void this.#act.disable(destination, 'failing_for_five_days');
    else if (failingMs >= WARN_AFTER_MS && !health.warned) {
      health.warned = true;
      this.#tell('destination.failing', destination, { error, failing_since: since });
    }
  }

  #tell(
    type: 'breaker.opened' | 'breaker.closed' | 'destination.failing',
    destination: Destination,
    data: Record<string, unknown>,
  ): void {
    this.#events.tell(type, destination.tenant, destination.id, {
      destination_id: destination.id,
      name: destination.name,
      ...data,
    });
  }

  #note(destinationId: string, failingSince: number | null): void {
    this.#services.store.upkeep.noteFailing(destinationId, failingSince).catch((error: unknown) => {
      this.#services.log.error('health.not_noted', { destination_id: destinationId }, error);
    });
  }

  #of(destinationId: string): Health {
    let health = this.#health.get(destinationId);
    if (health === undefined) {
      health = { breaker: new Breaker(), leftAlone: false, failingSince: null, warned: false };
      this.#health.set(destinationId, health);
    }
    return health;
  }
}
