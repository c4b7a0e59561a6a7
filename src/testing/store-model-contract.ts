import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Store } from '../ports/store.ts';
import { buildReplay } from './builders.ts';
import { allOf, deliveryOf, idsOf } from './store-assertions.ts';
import type { StoreHarness } from './store-harness.ts';
import { type ModelDelivery, StoreModel } from './store-model.ts';
import type { RealStore } from './store-model-command.ts';
import { reopenCommand, STORE_COMMANDS } from './store-model-commands.ts';

/** How long the random test goes on. */
export interface ModelRunBounds {
  readonly runs: number;
  readonly maxCommands: number;
}

/**
 * Runs random commands against a store and a model of it, and compares every answer and, at the end of
 * each run, everything that is in them.
 *
 * On failure fast-check prints the shortest sequence of commands that it found, the seed and the path
 * with which it can be repeated.
 */
export function describeStoreModel(
  name: string,
  harness: StoreHarness,
  bounds: ModelRunBounds = { runs: 150, maxCommands: 80 },
): void {
  describe(`${name} agrees with the model of a store`, () => {
    it(
      'after any sequence of commands',
      async () => {
        const { reopen } = harness;
        const commands = reopen === undefined ? STORE_COMMANDS : [...STORE_COMMANDS, reopenCommand(reopen)];
        const sequences = fc.commands([...commands], { maxCommands: bounds.maxCommands, size: 'max' });
        const property = fc.asyncProperty(sequences, async (sequence) => {
          const model = new StoreModel();
          const real: RealStore = { store: await harness.open() };
          const replay = buildReplay();
          model.replay = { ...model.replay, id: replay.id };
          await real.store.replays.create(replay);
          await fc.asyncModelRun(() => ({ model, real }), sequence);
          await expectSameState(model, real.store);
        });
        await fc.assert(
          property.afterEach(() => harness.dispose()),
          { numRuns: bounds.runs },
        );
      },
      5 * 60_000,
    );
  });
}

async function expectSameState(model: StoreModel, store: Store): Promise<void> {
  const events = await allOf((page) => store.queries.events({}, page), 7);
  expect(idsOf(events)).toEqual([...model.events.keys()].toReversed());
  const deliveries = await allOf((page) => store.queries.deliveries({}, page), 7);
  expect(idsOf(deliveries)).toEqual([...model.deliveries.keys()].toReversed());
  await Promise.all([...model.deliveries.values()].map((delivery) => expectSameDelivery(delivery, store)));
  const { id, cursor, created } = model.replay;
  expect(await store.queries.replay(id)).toMatchObject({ cursor, created, state: 'running' });
  for (const [key, { eventId, expiresAt }] of model.keys) {
    if (expiresAt > model.nowMs) expect(await store.queries.dedupeHolder('src_one', key)).toBe(eventId);
  }
  await expectSameBacklogs(model, store);
}

async function expectSameDelivery(expected: ModelDelivery, store: Store): Promise<void> {
  const { id, eventId, destinationId, subscriptionId, replayOf, replayId, state, attempts } = expected;
  const actual = await deliveryOf(store, id);
  const same = { id, eventId, destinationId, subscriptionId, replayOf, replayId, state, attempts };
  expect(actual).toMatchObject(same);
  // What stands there while a delivery is leased is left to the store.
  if (state !== 'leased') {
    expect(actual.dueAt, id).toBe(state === 'pending' ? expected.dueAt : null);
    if (expected.reason !== undefined) expect(actual.reason, id).toBe(expected.reason);
  }
  const made = await store.queries.attempts(id);
  expect(made.map(({ number, outcome, status }) => ({ number, outcome, status }))).toEqual(expected.made);
  const last = made.at(-1);
  expect([actual.lastStatus, actual.lastError], id).toEqual([last?.status ?? null, last?.error ?? null]);
}

async function expectSameBacklogs(model: StoreModel, store: Store): Promise<void> {
  const waiting = Map.groupBy(model.inState('pending'), (delivery) => delivery.destinationId);
  const expected = [...waiting].map(([destinationId, deliveries]) => ({
    destinationId,
    pending: deliveries.length,
    oldestDueAt: Math.min(...deliveries.map((delivery) => delivery.dueAt)),
  }));
  const backlogs = await store.queries.backlogs();
  expect(new Set(backlogs.filter((backlog) => backlog.pending > 0))).toEqual(new Set(expected));
  expect(new Set(await store.log.pendingLanes())).toEqual(
    new Set(expected.map(({ destinationId, oldestDueAt }) => ({ destinationId, nextDueAt: oldestDueAt }))),
  );
}
