import { afterEach, describe, expect, it } from 'vitest';
import { isCompiledFresh } from './gateway-node.ts';
import { PLANTED_BUGS, type PlantedBugName } from './planted-bugs.ts';
import { type RoundOptions, type RoundResult, runRound } from './round.ts';
import { sqliteStore } from './stores.ts';
import { World } from './world.ts';

const worlds: World[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close(false);
});

/** A round without harm; receivers take their time, so that what may overlap does. */
async function calmRound(bug: string, size: NonNullable<RoundOptions['size']>): Promise<RoundResult> {
  const world = new World({ store: sqliteStore(), nodes: 1, seed: 1, isCompiled: isCompiledFresh(), bug });
  worlds.push(world);
  await world.open();
  const drainLimitMs = bug === '' ? 30_000 : 8_000;
  return runRound(world, { number: 1, seed: 1, harms: ['calm'], size, drainLimitMs });
}

const SMALL = { keys: 4, eventsPerKey: 4, loose: 4, latencyMs: 500 };
/** For what happens once in a thousand events. */
const LARGE = { keys: 60, eventsPerKey: 16, loose: 200, latencyMs: 1 };

describe('the oracle', () => {
  it('has nothing to say of a gateway as it is', async () => {
    const { violations, counts } = await calmRound('', SMALL);
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({ acknowledged: 20, delivered: 40 });
  }, 90_000);

  it.each(Object.entries(PLANTED_BUGS))(
    'finds a store that has the bug %s',
    async (name, { foundAs }) => {
      const isRare: PlantedBugName = 'drops_an_event';
      const { violations } = await calmRound(name, name === isRare ? LARGE : SMALL);
      expect(violations.map(({ kind }) => kind)).toContain(foundAs);
    },
    90_000,
  );
});
