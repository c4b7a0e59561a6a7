import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isCompiledFresh } from './gateway-node.ts';
import { HARMS } from './harms.ts';
import { runRound } from './round.ts';
import { sqliteStore } from './stores.ts';
import { World } from './world.ts';

let world: World;
let round = 0;

beforeAll(async () => {
  world = new World({ store: sqliteStore(), nodes: 1, seed: 1, isCompiled: isCompiledFresh() });
  await world.open();
}, 90_000);
afterAll(() => world.close(false));

const OF_SQLITE = Object.entries(HARMS).filter(([, { stores }]) => stores.includes('sqlite'));

describe('a gateway on SQLite to which harm is done', () => {
  // One store for all of them: what one harm damages another may bring to light.
  it.each(OF_SQLITE)(
    'keeps what it has acknowledged, in order: %s',
    async (name, { impossible }) => {
      const why = impossible?.() ?? null;
      if (why !== null) return;
      round += 1;
      const result = await runRound(world, { number: round, seed: 1, harms: [name] });
      expect(result.violations).toEqual([]);
      expect(result.counts.acknowledged).toBeGreaterThan(50);
    },
    90_000,
  );
});
