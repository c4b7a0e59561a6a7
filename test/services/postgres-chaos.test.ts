import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isCompiledFresh } from '../chaos/gateway-node.ts';
import { HARMS } from '../chaos/harms.ts';
import { runRound } from '../chaos/round.ts';
import { postgresStore } from '../chaos/stores.ts';
import { World } from '../chaos/world.ts';
import { OWN_BINARIES } from './postgres-harness.ts';

let world: World;
let round = 0;

beforeAll(async () => {
  const store = await postgresStore(2, OWN_BINARIES);
  world = new World({ store, nodes: 2, seed: 1, isCompiled: isCompiledFresh() });
  await world.open();
}, 60_000);
afterAll(() => world.close(false));

const OF_POSTGRES = Object.entries(HARMS).filter(([, { stores }]) => stores.includes('postgres'));

describe('two gateways on PostgreSQL to which harm is done', () => {
  it.each(OF_POSTGRES)(
    'keep what they have acknowledged, in order: %s',
    async (name, { impossible }) => {
      const why = impossible?.() ?? null;
      if (why !== null) return;
      round += 1;
      const result = await runRound(world, { number: round, seed: 1, harms: [name] });
      expect(result.violations).toEqual([]);
      expect(result.counts.acknowledged).toBeGreaterThan(50);
    },
    120_000,
  );
});
