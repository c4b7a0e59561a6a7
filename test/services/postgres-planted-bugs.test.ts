import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isCompiledFresh } from '../chaos/gateway-node.ts';
import { PLANTED_BUGS, type PlantedBugName } from '../chaos/planted-bugs.ts';
import { type RoundResult, runRound } from '../chaos/round.ts';
import { type ChaosStore, postgresStore } from '../chaos/stores.ts';
import { World } from '../chaos/world.ts';
import { OWN_BINARIES } from './postgres-harness.ts';

let store: ChaosStore;
const worlds: World[] = [];

beforeAll(async () => {
  store = await postgresStore(1, OWN_BINARIES);
}, 60_000);
afterAll(() => store.close(false));
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close(false);
});

/** A round without harm, in a database of its own on the server that all share. */
async function calmRound(bug: PlantedBugName | ''): Promise<RoundResult> {
  const shared = { ...store, close: () => Promise.resolve(null) };
  const world = new World({ store: shared, nodes: 1, seed: 1, isCompiled: isCompiledFresh(), bug });
  worlds.push(world);
  await world.open();
  // Receivers take their time, so that what may overlap does.
  const size = { keys: 4, eventsPerKey: 4, loose: 4, latencyMs: 500 };
  const drainLimitMs = bug === '' ? 30_000 : 8_000;
  return runRound(world, { number: 1, seed: 1, harms: ['calm'], size, drainLimitMs });
}

/** One for each question that the oracle has for the store: all there, in order, recorded, nothing else. */
const TELLING = [
  'loses_a_delivery',
  'swaps_order',
  'forgets_an_outcome',
  'gives_up_unrecorded',
] as const satisfies readonly PlantedBugName[];

describe('the oracle, over PostgreSQL', () => {
  it('has nothing to say of a gateway as it is', async () => {
    const { violations, counts } = await calmRound('');
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({ acknowledged: 20, delivered: 40 });
  }, 90_000);

  it.each(TELLING)(
    'finds a store that has the bug %s',
    async (name) => {
      const { violations } = await calmRound(name);
      expect(violations.map(({ kind }) => kind)).toContain(PLANTED_BUGS[name].foundAs);
    },
    90_000,
  );
});
