import type { Delivery } from '../domain/delivery.ts';
import { Problem } from '../domain/problem.ts';
import type { LoggedEvent } from '../domain/event.ts';
import type { Replay, ReplayFilter, ReplayLosses } from '../domain/records.ts';
import type { NewDelivery } from '../ports/event-log.ts';
import type { ReplayCandidate } from '../ports/queries.ts';
import type { ReplayDelivery } from '../ports/store.ts';
import type { Directory } from './directory.ts';
import type { EventInput } from './expression-input.ts';
import type { EventViews } from './event-views.ts';
import { orderKeyOf, wants } from './owed-deliveries.ts';
import type { LeadingNode } from './node-membership.ts';
import { lossesOf } from './replay-losses.ts';
import type { Services } from './services.ts';
import type { Caller, LaneControl } from './settings-changes.ts';

export interface ReplayRequest {
  readonly filter: ReplayFilter;
  readonly tenant: string;
  readonly destinationId: string | null;
  readonly ratePerSecond: number | null;
}

export interface ReplayPreview extends ReplayLosses {
  readonly matched: number;
  /** Ids of what would go first. */
  readonly sample: readonly string[];
}

/** A replay that was just made, with what went first. */
export interface StartedReplay extends Replay {
  readonly losses: ReplayLosses;
  readonly sample: readonly string[];
}

/** What is there for a replay now. */
interface Found extends Pick<Replay, 'over' | 'matched' | 'endSeq'> {
  readonly losses: ReplayLosses;
  readonly sample: readonly string[];
}

const SAMPLE = 10;
/** Candidates looked at in one step: a short read, a short transaction. */
const STEP = 100;
const RETRY_AFTER_FAILURE_MS = 2_000;

/**
 * Makes new deliveries for old events. A replay is written down before anything is sent and moves by
 * compare-and-set, so it goes on where it was after a restart and never makes the same delivery twice.
 */
export class Replays {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #lanes: LaneControl;
  readonly #views: EventViews;
  readonly #nodes: LeadingNode;
  readonly #running = new Map<string, Promise<void>>();
  readonly #pauses = new Set<() => void>();
  #stopping = false;

  constructor(
    services: Services,
    directory: Directory,
    lanes: LaneControl,
    views: EventViews,
    nodes: LeadingNode,
  ) {
    this.#views = views;
    this.#services = services;
    this.#directory = directory;
    this.#lanes = lanes;
    this.#nodes = nodes;
  }

  /** Takes up what is running and nobody here is at: after a start, or because another node wrote it down. */
  async takeUp(): Promise<void> {
    try {
      const running = await this.#services.store.queries.runningReplays();
      for (const replay of running) if (!this.#running.has(replay.id)) this.#run(replay);
    } catch (error) {
      this.#services.log.error('replay.delayed', {}, error);
    }
  }

  /** What a replay would deliver, without delivering. */
  async preview(request: ReplayRequest): Promise<ReplayPreview> {
    const { matched, sample, losses } = await this.#find(request);
    return { matched, sample, ...losses };
  }

  /** Writes the replay down and starts it. */
  async start(request: ReplayRequest, caller: Caller): Promise<StartedReplay> {
    if (Object.keys(request.filter).length === 0) {
      throw new Problem(
        'validation_failed',
        'a replay of everything there is must be asked for with "from"',
        {
          errors: [{ pointer: '/filter', message: 'set at least one field' }],
        },
      );
    }
    const { store, ids, clock } = this.#services;
    // The losses are kept, for they cannot be found out later: retention goes on, also over what was there.
    const { over, matched, endSeq, sample, losses } = await this.#find(request);
    const now = clock.now();
    const replay = {
      id: ids.make('rpl'),
      tenant: request.tenant,
      filter: request.filter,
      destinationId: request.destinationId,
      ratePerSecond: request.ratePerSecond,
      state: matched === 0 ? 'completed' : 'running',
      matched,
      created: 0,
      over,
      cursor: 0,
      endSeq,
      losses,
      createdAt: now,
      updatedAt: now,
      principal: caller.principal.id,
    } satisfies Replay;
    await store.replays.create(replay);
    this.#services.log.info('replay.started', { replay_id: replay.id, matched, over });
    // Otherwise the leading node takes it up within a second.
    if (replay.state === 'running' && this.#nodes.leads()) this.#run(replay);
    return { ...replay, sample };
  }

  async #find({ filter, tenant }: ReplayRequest): Promise<Found> {
    const over = overWhat(filter);
    const { queries } = this.#services.store;
    const { matched, endSeq } = await queries.countReplay(filter, over, tenant);
    const place = { filter, over, tenant, cursor: 0, endSeq };
    const first = matched === 0 ? [] : await queries.replayCandidates(place, SAMPLE);
    const sample = first.map(({ delivery, event }) => delivery?.id ?? event.id);
    return { over, matched, endSeq, sample, losses: await lossesOf({ filter, tenant }, queries) };
  }

  /** Ends a replay; what it has made is delivered all the same. */
  cancel(replayId: string): Promise<boolean> {
    return this.#services.store.replays.cancel(replayId, this.#services.clock.now());
  }

  /** Resolves when no step is under way; the rest is done after the next start. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const end of this.#pauses) end();
    await Promise.all(this.#running.values());
  }

  #run(replay: Replay): void {
    if (this.#stopping) return;
    const done = this.#loop(replay)
      .catch((error: unknown) => this.#services.log.error('replay.failed', { replay_id: replay.id }, error))
      .finally(() => this.#running.delete(replay.id));
    this.#running.set(replay.id, done);
  }

  async #loop(started: Replay): Promise<void> {
    let replay: Replay | null = started;
    while (replay !== null && replay.state === 'running' && !this.#stopping) {
      try {
        replay = await this.#step(replay);
      } catch (error) {
        // A full disk or a busy store passes; the replay is durable and must not end because of it.
        this.#services.log.error('replay.delayed', { replay_id: started.id }, error);
        await this.#pause(RETRY_AFTER_FAILURE_MS);
      }
    }
  }

  /** One step; answers the replay as it is then, or `null` when someone else has moved or ended it. */
  async #step(replay: Replay): Promise<Replay | null> {
    const { store, clock } = this.#services;
    const size = Math.max(1, Math.min(STEP, Math.ceil(replay.ratePerSecond ?? STEP)));
    const candidates = await store.queries.replayCandidates(replay, size);
    const owed = await Promise.all(candidates.map((candidate) => this.#deliveries(replay, candidate)));
    const deliveries = owed.flat();
    const toCursor = candidates.at(-1)?.seq ?? replay.endSeq;
    const state = candidates.length < size || toCursor >= replay.endSeq ? 'completed' : 'running';
    const atMs = clock.now();
    const moved = await store.replays.advance({
      replayId: replay.id,
      fromCursor: replay.cursor,
      toCursor,
      deliveries,
      state,
      atMs,
    });
    if (!moved) return null;
    for (const destinationId of new Set(deliveries.map((delivery) => delivery.destinationId))) {
      this.#lanes.wake(destinationId, atMs);
    }
    if (state === 'completed') this.#services.log.info('replay.completed', { replay_id: replay.id });
    else if (replay.ratePerSecond !== null)
      await this.#pause((candidates.length / replay.ratePerSecond) * 1_000);
    return { ...replay, cursor: toCursor, state, created: replay.created + deliveries.length };
  }

  async #deliveries(replay: Replay, candidate: ReplayCandidate): Promise<ReplayDelivery[]> {
    const { delivery, event } = candidate;
    const input = this.#views.of(await this.#withBody(candidate));
    const owe = (subscriptionId: string | null, destinationId: string, replayOf: string | null) => {
      const orderKey = this.#orderKey(event, subscriptionId, input);
      return {
        id: this.#services.ids.make('dlv'),
        subscriptionId,
        destinationId,
        initial: this.#initial(destinationId),
        eventId: event.id,
        replayOf,
        ...(orderKey === null ? {} : { orderKey }),
      };
    };
    if (delivery !== null) {
      const { subscriptionId, destinationId, id } = delivery;
      return replay.destinationId === null
        ? [owe(subscriptionId, destinationId, id)]
        : [owe(null, replay.destinationId, id)];
    }
    const earlier = await this.#earlier(event.id);
    if (replay.destinationId !== null) return [owe(null, replay.destinationId, earlier[0]?.id ?? null)];
    const before = (id: string): string | null =>
      earlier.find(({ subscriptionId }) => subscriptionId === id)?.id ?? null;
    return this.#directory
      .candidates(event.tenant, event.sourceId, event.type)
      .filter((active) => {
        const seen = this.#views.seenBy(active.subscription, event, input);
        return wants({ ...event, receivedAt: this.#services.clock.now() }, active, seen);
      })
      .map(({ subscription }) => owe(subscription.id, subscription.destinationId, before(subscription.id)));
  }

  /** The event with its body, where the order key of its delivery is made from it. */
  async #withBody({ delivery, event }: ReplayCandidate): Promise<LoggedEvent> {
    const subscription =
      delivery === null || delivery.subscriptionId === null
        ? undefined
        : this.#directory.get('subscription', delivery.subscriptionId);
    if (subscription === undefined || subscription.sessionKey === null) return event;
    return (await this.#services.store.queries.event(event.id)) ?? event;
  }

  #orderKey(event: LoggedEvent, subscriptionId: string | null, input: EventInput): string | null {
    const subscription =
      subscriptionId === null ? undefined : this.#directory.get('subscription', subscriptionId);
    if (subscription === undefined) return null;
    const seen = this.#views.seenBy(subscription, event, input);
    return orderKeyOf(event, this.#directory.activeSubscription(subscription), seen);
  }

  /** The event's deliveries so far, newest first: a replay names what it repeats. */
  async #earlier(eventId: string): Promise<readonly Delivery[]> {
    const page = { limit: 100, before: null };
    return (await this.#services.store.queries.deliveries({ eventId }, page)).items;
  }

  #initial(destinationId: string): NewDelivery['initial'] {
    const destination = this.#directory.destination(destinationId);
    return destination === undefined || destination.state === 'disabled'
      ? { state: 'dead', reason: 'destination_disabled' }
      : { state: 'pending', dueAt: this.#services.clock.now() };
  }

  /** Ends early when the gateway stops: a slow replay must not hold the exit up. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#pauses.delete(end);
        resolve();
      };
      const cancel = this.#services.clock.after(ms, end);
      this.#pauses.add(end);
    });
  }
}

/** Past deliveries when the filter speaks of any; else events, matched anew by today's subscriptions. */
function overWhat(filter: ReplayFilter): Replay['over'] {
  const speaksOfDeliveries =
    filter.deliveryIds !== undefined ||
    filter.state !== undefined ||
    filter.destinationId !== undefined ||
    filter.subscriptionId !== undefined;
  return speaksOfDeliveries ? 'deliveries' : 'events';
}
