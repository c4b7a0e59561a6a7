import { SeededRandomness } from '../../src/testing/seeded-randomness.ts';
import { HARMS } from './harms.ts';

/** Share of the rounds in which two harms are done at once. */
const PAIRS = 0.2;

/** The harms of one round: chosen by seed and number alone, so that any round of a run can be had again. */
export function harmsOfRound(
  seed: number,
  round: number,
  where: { readonly store: 'sqlite' | 'postgres'; readonly nodes: number; readonly only: readonly string[] },
): readonly string[] {
  const { only } = where;
  if (only.length > 0) return (only[(round - 1) % only.length] ?? '').split('+');
  const random = new SeededRandomness(seed * 104_729 + round);
  const possible = Object.entries(HARMS).filter(
    ([, harm]) =>
      harm.stores.includes(where.store) &&
      (harm.minNodes ?? 1) <= where.nodes &&
      (harm.impossible?.() ?? null) === null,
  );
  const first = draw(possible, random);
  const isPair = random.fraction() < PAIRS;
  const second = draw(possible, random);
  const alone = HARMS[first]?.alone === true || HARMS[second]?.alone === true;
  // Each of them needs the database that the other one takes away.
  const doBothReplay = [first, second].every((name) => HARMS[name]?.replays === true);
  const areBothItsHarms = [first, second].every((name) => HARMS[name]?.stores.includes('sqlite') === false);
  const mayMeet = !alone && first !== second && !areBothItsHarms && !doBothReplay;
  return isPair && mayMeet ? [first, second] : [first];
}

function draw(
  possible: readonly (readonly [string, { readonly weight?: number }])[],
  random: SeededRandomness,
): string {
  const total = possible.reduce((sum, [, { weight = 1 }]) => sum + weight, 0);
  let left = random.fraction() * total;
  for (const [name, { weight = 1 }] of possible) {
    left -= weight;
    if (left < 0) return name;
  }
  return possible[0]?.[0] ?? '';
}
