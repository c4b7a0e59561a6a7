import type { SeededRandomness } from '../../src/testing/seeded-randomness.ts';
import type { GatewayNode } from './gateway-node.ts';
import type { Sent } from './ledger.ts';
import type { World } from './world.ts';

/** What a harm finds when it strikes. Its choices come from `random` alone, so that a seed repeats them. */
export interface Scene {
  readonly world: World;
  readonly random: SeededRandomness;
  /** The node that the harm is done to. */
  readonly node: GatewayNode;
  /** Resolves when so many events of this round have been acknowledged, or all have that will be. */
  readonly acknowledged: (count: number) => Promise<readonly Sent[]>;
  /** The harm is over: the time to recover counts from here. */
  readonly healed: () => void;
  /** The place to die at was not reached in time; the process was killed where it was. */
  readonly missed: () => void;
}

export interface Harm {
  readonly what: string;
  readonly stores: readonly ('sqlite' | 'postgres')[];
  /** How often it is chosen, beside the others; 1 unless it is said. */
  readonly weight?: number;
  /** It must have the world to itself: it stops nodes in good order, or changes what they stand on. */
  readonly alone?: true;
  /** Deliveries may come again even without a crash: leases pass, answers get lost. */
  readonly mayRepeat?: false;
  /** Why it cannot be done here; `null` = it can. */
  readonly impossible?: () => string | null;
  /** How many nodes it needs. */
  readonly minNodes?: number;
  /** It replays events: done by two of them, an event may go out twice in good right. */
  readonly replays?: true;
  /** Rough receivers take part. */
  readonly isRough?: true;
  /** Before there is any load. */
  readonly before?: (scene: Scene) => Promise<void>;
  readonly strike: (scene: Scene) => Promise<void>;
  /** After the verdict: what it has changed must not reach the next round. */
  readonly undo?: (world: World) => Promise<void>;
}

/** A whole number from `from` to `to`. */
export function between(random: SeededRandomness, from: number, to: number): number {
  return from + Math.floor(random.fraction() * (to - from + 1));
}
