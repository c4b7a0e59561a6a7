import * as fc from 'fast-check';
import type { NewDelivery } from '../ports/event-log.ts';
import type { Store } from '../ports/store.ts';
import { leasedBy, pendingAt } from './builders.ts';
import type { StoreModel } from './store-model.ts';

/** The store under test, in a box: a reopened one takes its place. */
export interface RealStore {
  store: Store;
}

/** One random step: what to do to a store and its model, and how to write it down. */
export type StoreCommand = fc.AsyncCommand<StoreModel, RealStore>;

/** Few, so that random commands meet. */
export const DESTINATIONS = ['dst_a', 'dst_b', 'dst_c'] as const;
const SUBSCRIPTIONS = ['sub_a', 'sub_b'] as const;

/** Does one thing to the store and to the model, and compares the answers. */
type Step = (model: StoreModel, store: Store) => Promise<void>;

/** A command that says itself as `said` in a report. */
export function command(said: string, isPossible: (model: StoreModel) => boolean, step: Step): StoreCommand {
  return {
    check: isPossible,
    run: (model, real) => step(model, real.store),
    toString: () => said,
  };
}

/** For commands that can come at any time. */
export const always = (): boolean => true;

/** A number that means one of however many things there are when the command runs. */
export const anyPick = fc.nat({ max: 1_000 });

/**
 * Milliseconds in quarters of a second: coarse, so that due times, leases and the present often fall
 * together and the boundaries between them are met.
 */
export function anyQuarters(bounds: { readonly min: number; readonly max: number }): fc.Arbitrary<number> {
  return fc.integer(bounds).map((quarters) => quarters * 250);
}

/** What `pick` means among these. */
export function pickFrom<Item>(items: readonly Item[], pick: number): Item {
  const item = items[pick % items.length];
  if (item === undefined) throw new Error('there is nothing to pick from');
  return item;
}

/** A delivery to be written; `ms` from now is its due time or the end of its lease. */
export const anyOwed = fc.record({
  destinationId: fc.constantFrom(...DESTINATIONS),
  subscriptionId: fc.constantFrom(...SUBSCRIPTIONS),
  state: fc.constantFrom('leased', 'pending', 'dead'),
  ms: anyQuarters({ min: -1, max: 4 }),
});

type OwedPlan = typeof anyOwed extends fc.Arbitrary<infer Plan> ? Plan : never;

/** The initial state of a planned delivery; a lease takes a new token. */
export function initialOf({ state, ms }: OwedPlan, model: StoreModel): NewDelivery['initial'] {
  if (state === 'leased') return leasedBy(model.nextToken(), model.nowMs + Math.max(250, ms));
  if (state === 'pending') return pendingAt(model.nowMs + ms);
  return { state: 'dead', reason: 'destination_unknown' };
}
