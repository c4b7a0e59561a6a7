import { isCompiledFresh } from './gateway-node.ts';
import type { ChaosOptions } from './options.ts';
import { type RoundResult, runRound } from './round.ts';
import { harmsOfRound } from './schedule.ts';
import { type ChaosStore, postgresStore, sqliteStore } from './stores.ts';
import { World } from './world.ts';

export interface RunResult {
  readonly options: ChaosOptions;
  readonly storeVersion: string;
  readonly isCompiled: boolean;
  readonly startedAt: Date;
  readonly tookMs: number;
  readonly rounds: readonly RoundResult[];
  /** Where the data is, when something was violated; else it is gone. */
  readonly dataDir: string | null;
}

/** With no number of nodes asked for, PostgreSQL has one for a third of the run, then two, then three. */
const STAGES = { sqlite: [1], postgres: [1, 2, 3] } as const;

export interface RunEvents {
  readonly round: (result: RoundResult, nodes: number) => void;
}

/**
 * Runs rounds until they are done, time is up or something is violated: what comes after a violation says
 * nothing. State carries over from round to round while the number of nodes stays.
 */
export async function runChaos(options: ChaosOptions, events: RunEvents): Promise<RunResult> {
  const startedAt = new Date();
  const isCompiled = isCompiledFresh();
  const until = performance.now() + options.minutes * 60_000;
  const stages = options.nodes === null ? STAGES[options.store] : [options.nodes];
  const rounds: RoundResult[] = [];
  let storeVersion = '';
  let dataDir: string | null = null;
  let next = options.from;
  for (const [index, nodes] of stages.entries()) {
    const share = (index + 1) / stages.length;
    const last = options.from + Math.ceil(options.rounds * share) - 1;
    const stageUntil = Math.min(
      until,
      performance.now() + (until - performance.now()) / (stages.length - index),
    );
    const store = await openStore(options.store);
    const world = new World({ store, nodes, seed: options.seed, isCompiled });
    try {
      await world.open();
      storeVersion = await store.version();
      while (next <= last && performance.now() < stageUntil && dataDir === null) {
        const harms = harmsOfRound(options.seed, next, { store: options.store, nodes, only: options.harms });
        const result = await runRound(world, { number: next, seed: options.seed, harms });
        rounds.push(result);
        events.round(result, nodes);
        if (result.violations.length > 0) dataDir = world.dataDir;
        next += 1;
      }
    } catch (error) {
      dataDir = world.dataDir;
      throw new Error(`round ${next} could not be carried out; the data is in ${world.dataDir}`, {
        cause: error,
      });
    } finally {
      await world.close(dataDir !== null);
    }
    if (dataDir !== null) break;
  }
  const tookMs = Math.round(Date.now() - startedAt.getTime());
  return { options, storeVersion, isCompiled, startedAt, tookMs, rounds, dataDir };
}

function openStore(kind: 'sqlite' | 'postgres'): Promise<ChaosStore> {
  return kind === 'sqlite' ? Promise.resolve(sqliteStore()) : postgresStore();
}
