import * as fc from 'fast-check';
import { expect } from 'vitest';
import type { AppendRequest, EndRequest, Settlement } from '../ports/event-log.ts';
import type { Store } from '../ports/store.ts';
import {
  buildAppend,
  buildAttempt,
  buildDedupe,
  buildEvent,
  buildFailedAttempt,
  buildNewDelivery,
} from './builders.ts';
import { deliveryOf } from './store-assertions.ts';
import type { StoreModel } from './store-model.ts';
import {
  always,
  anyOwed,
  anyPick,
  anyQuarters,
  command,
  DESTINATIONS,
  initialOf,
  pickFrom,
  type StoreCommand,
} from './store-model-command.ts';

const anyAppend = fc.record({
  key: fc.option(fc.constantFrom('k1', 'k2', 'k3')),
  windowMs: anyQuarters({ min: 1, max: 8 }),
  owed: fc.array(anyOwed, { maxLength: 3 }),
});

type AppendPlan = typeof anyAppend extends fc.Arbitrary<infer Plan> ? Plan : never;

function requestOf(plan: AppendPlan, model: StoreModel): AppendRequest {
  return buildAppend({
    event: buildEvent({ receivedAt: model.nowMs }),
    dedupe: plan.key === null ? null : buildDedupe({ key: plan.key, expiresAt: model.nowMs + plan.windowMs }),
    deliveries: plan.owed.map((owed) =>
      buildNewDelivery({
        destinationId: owed.destinationId,
        subscriptionId: owed.subscriptionId,
        initial: initialOf(owed, model),
      }),
    ),
  });
}

const append = anyAppend.map((plan) =>
  command(`append ${fc.stringify(plan)}`, always, async (model, store) => {
    const request = requestOf(plan, model);
    expect(await store.log.append(request)).toMatchObject(model.append(request));
  }),
);

const appendAll = fc.array(anyAppend, { minLength: 2, maxLength: 4 }).map((plans) =>
  command(`appendAll ${fc.stringify(plans)}`, always, async (model, store) => {
    const requests = plans.map((plan) => requestOf(plan, model));
    const answers = await store.log.appendAll(requests);
    expect(answers).toMatchObject(requests.map((request) => model.append(request)));
  }),
);

const anyLanes = fc.uniqueArray(
  fc.record({
    destinationId: fc.constantFrom(...DESTINATIONS),
    limit: fc.nat({ max: 3 }),
    leaseMs: anyQuarters({ min: 1, max: 4 }),
  }),
  { selector: (lane) => lane.destinationId, maxLength: 3 },
);

const claim = anyLanes.map((lanes) =>
  command(`claimDue ${fc.stringify(lanes)}`, always, (model, store) => claimBoth(model, store, lanes)),
);

/** Claims from both and compares; with no lanes it only takes back lost leases. */
export async function claimBoth(
  model: StoreModel,
  store: Store,
  lanes: readonly { readonly destinationId: string; readonly limit: number; readonly leaseMs: number }[],
): Promise<void> {
  const request = { nowMs: model.nowMs, token: model.nextToken(), lanes, maxBytes: 1 << 30 };
  const expected = model.claim(request);
  const actual = await store.log.claimDue(request);
  expect(actual.leased.map(({ id, attempt }) => [id, attempt])).toEqual(expected.leased);
  expect(new Map(actual.lanes.map((lane) => [lane.destinationId, lane.nextDueAt]))).toEqual(expected.lanes);
  expect(actual.abandoned).toBe(expected.abandoned);
  for (const { id, event, token } of actual.leased) {
    expect(token).toBe(request.token);
    expect(event.id).toBe(model.deliveries.get(id)?.eventId);
  }
}

const anySettlement = fc.record({
  pick: anyPick,
  ending: fc.constantFrom('succeeded', 'retry', 'dead', 'cancelled', 'given back', 'ended unattempted'),
  ms: anyQuarters({ min: -1, max: 4 }),
});

type Ending =
  typeof anySettlement extends fc.Arbitrary<infer Plan extends { ending: string }> ? Plan['ending'] : never;

function endingOf(ending: Ending, number: number, dueAt: number): Pick<Settlement, 'attempt' | 'next'> {
  const failed = buildFailedAttempt({ number });
  const retry = { state: 'pending', dueAt, reason: 'retry_scheduled' } as const;
  const endings: Record<Ending, Pick<Settlement, 'attempt' | 'next'>> = {
    succeeded: { attempt: buildAttempt({ number }), next: { state: 'succeeded' } },
    retry: { attempt: failed, next: retry },
    dead: { attempt: failed, next: { state: 'dead', reason: 'attempts_exhausted' } },
    cancelled: { attempt: failed, next: { state: 'cancelled', reason: 'asked_for' } },
    'given back': { attempt: null, next: { ...retry, reason: null } },
    'ended unattempted': { attempt: null, next: { state: 'dead', reason: 'destination_unknown' } },
  };
  return endings[ending];
}

const settle = anySettlement.map(({ pick, ending, ms }) =>
  command(
    `settle #${pick} as ${ending}, due in ${ms} ms`,
    (model) => model.inState('leased').length > 0,
    async (model, store) => {
      const delivery = pickFrom(model.inState('leased'), pick);
      const settlement = {
        deliveryId: delivery.id,
        token: delivery.lease?.token ?? '',
        atMs: model.nowMs,
        ...endingOf(ending, delivery.attempts, model.nowMs + ms),
      };
      expect(await store.log.settle(settlement)).toBe(model.settle(settlement));
    },
  ),
);

const settleLate = anySettlement.map(({ pick, ending, ms }) =>
  command(
    `settle with old token #${pick} as ${ending}`,
    (model) => model.oldTokens.length > 0,
    async (model, store) => {
      const old = pickFrom(model.oldTokens, pick);
      const settlement = { ...old, atMs: model.nowMs, ...endingOf(ending, 1, model.nowMs + ms) };
      expect(model.settle(settlement)).toBe('lease_lost');
      expect(await store.log.settle(settlement)).toBe('lease_lost');
    },
  ),
);

const passTime = anyQuarters({ min: 1, max: 4 }).map((ms) =>
  command(`${ms} ms pass`, always, async (model) => {
    model.nowMs += ms;
  }),
);

const anyEnding = fc.record({
  by: fc.constantFrom('delivery', 'destination', 'subscription'),
  pick: anyPick,
  state: fc.constantFrom('dead', 'cancelled'),
  limit: fc.integer({ min: 1, max: 3 }),
});

const endPending = anyEnding.map(({ by, pick, state, limit }) =>
  command(
    `end ${limit} pending by ${by} #${pick} as ${state}`,
    (model) => model.deliveries.size > 0,
    async (model, store) => {
      const picked = pickFrom([...model.deliveries.values()], pick);
      const which = {
        delivery: { deliveryId: picked.id },
        destination: { destinationId: picked.destinationId },
        subscription: { subscriptionId: picked.subscriptionId ?? '' },
      }[by];
      const request: EndRequest = { ...which, state, reason: 'asked_for', atMs: model.nowMs, limit };
      const count = model.countEnding(request);
      expect(await store.log.endPending(request)).toBe(count);
      const found = await Promise.all(model.inState('pending').map(({ id }) => deliveryOf(store, id)));
      const ended = found.filter((delivery) => delivery.state !== 'pending');
      expect(ended).toHaveLength(count);
      for (const { id } of ended) model.end(id, request);
    },
  ),
);

const bringForward = anyPick.map((pick) =>
  command(
    `bring #${pick} forward`,
    // Whether an overdue delivery keeps its older due time is not said, so none is asked for.
    (model) => model.deliveries.size > 0 && !(dueAtOf(model, pick) < model.nowMs),
    async (model, store) => {
      const { id } = pickFrom([...model.deliveries.values()], pick);
      expect(await store.log.bringForward(id, model.nowMs)).toBe(model.bringForward(id));
    },
  ),
);

function dueAtOf(model: StoreModel, pick: number): number {
  const delivery = pickFrom([...model.deliveries.values()], pick);
  return delivery.state === 'pending' ? delivery.dueAt : Number.NaN;
}

const anyReplayStep = fc.record({
  picks: fc.array(anyPick, { maxLength: 3 }),
  owed: anyOwed,
  isLate: fc.boolean(),
});

const advanceReplay = anyReplayStep.map((plan) =>
  command(
    `advance the replay ${fc.stringify(plan)}`,
    (model) => model.deliveries.size > 0,
    async (model, store) => {
      const { replay } = model;
      const deliveries = plan.picks.map((pick) => {
        const repeated = pickFrom([...model.deliveries.values()], pick);
        const owed = buildNewDelivery({ ...plan.owed, initial: initialOf(plan.owed, model) });
        const { id, subscriptionId, destinationId, initial } = owed;
        const { eventId, id: replayOf } = repeated;
        return { id, subscriptionId, destinationId, initial, eventId, replayOf };
      });
      const moved = await store.replays.advance({
        replayId: replay.id,
        fromCursor: plan.isLate ? replay.cursor - 1 : replay.cursor,
        toCursor: replay.cursor + 1,
        deliveries,
        state: 'running',
        atMs: model.nowMs,
      });
      expect(moved).toBe(!plan.isLate);
      if (plan.isLate) return;
      for (const owed of deliveries) model.owe(owed, owed.eventId, owed.replayOf, replay.id);
      model.replay = { ...replay, cursor: replay.cursor + 1, created: replay.created + deliveries.length };
    },
  ),
);

const prune = anyQuarters({ min: 2, max: 8 }).map((ageMs) =>
  command(`prune what is older than ${ageMs} ms`, always, async (model, store) => {
    const receivedBefore = model.nowMs - ageMs;
    expect(await store.upkeep.pruneEvents(receivedBefore, 1_000)).toBe(model.prune(receivedBefore));
    await store.upkeep.pruneDedupe(model.nowMs, 1_000);
  }),
);

/** The steps that every store can be put through; those on the way of a delivery come more often. */
export const STORE_COMMANDS: readonly fc.Arbitrary<StoreCommand>[] = [
  ...often(append, 3),
  appendAll,
  ...often(claim, 5),
  ...often(settle, 6),
  settleLate,
  ...often(passTime, 4),
  endPending,
  bringForward,
  advanceReplay,
  prune,
];

function often(arbitrary: fc.Arbitrary<StoreCommand>, times: number): fc.Arbitrary<StoreCommand>[] {
  return Array.from({ length: times }, () => arbitrary);
}

/**
 * The process dies and another opens the same data, after all leases have run out. Whether a store waits
 * for that is its own affair; once it has happened, all must agree.
 */
export function reopenCommand(reopen: (store: Store) => Promise<Store>): fc.Arbitrary<StoreCommand> {
  return fc.constant({
    check: always,
    async run(model, real) {
      model.nowMs = model.leasesOverAt();
      real.store = await reopen(real.store);
      await claimBoth(model, real.store, []);
    },
    toString: () => 'reopen',
  });
}
