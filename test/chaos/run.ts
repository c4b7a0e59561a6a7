import { setTimeout as delay } from 'node:timers/promises';
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
  /** Why the run could not go on; that is no pass. */
  readonly failure: string | null;
}

/** With no number of nodes asked for, PostgreSQL has one for a third of the run, then two, then three. */
const STAGES = { sqlite: [1], postgres: [1, 2, 3] } as const;

export interface RunEvents {
  readonly round: (result: RoundResult, nodes: number) => void;
  /** True when the run should end after the round under way. */
  readonly isEnough: () => boolean;
}

/** A round that is not over by then never will be. */
const ROUND_LIMIT_MS = 300_000;

/**
 * Runs rounds until they are done, time is up or something is violated: what comes after a violation says
 * nothing. State carries over from round to round while the number of nodes stays.
 */
export async function runChaos(options: ChaosOptions, events: RunEvents): Promise<RunResult> {
  const startedAt = new Date();
  const isCompiled = isCompiledFresh();
  const until = performance.now() + options.minutes * 60_000;
  const stages = options.nodes === null ? STAGES[options.store] : [options.nodes];
  const done: StageResult = { rounds: [], storeVersion: '', dataDir: null, failure: null };
  for (const [index, nodes] of stages.entries()) {
    const stagesLeft = stages.length - index;
    const stage: Stage = {
      options,
      nodes,
      isCompiled,
      last: options.from + Math.ceil((options.rounds * (index + 1)) / stages.length) - 1,
      until: performance.now() + (until - performance.now()) / stagesLeft,
    };
    if (done.failure === null && done.dataDir === null && !events.isEnough()) {
      await runStage(stage, done, events);
    }
  }
  return { options, isCompiled, startedAt, tookMs: Date.now() - startedAt.getTime(), ...done };
}

interface Stage {
  readonly options: ChaosOptions;
  readonly nodes: number;
  readonly isCompiled: boolean;
  readonly last: number;
  readonly until: number;
}

interface StageResult {
  readonly rounds: RoundResult[];
  storeVersion: string;
  dataDir: string | null;
  failure: string | null;
}

async function runStage(stage: Stage, done: StageResult, events: RunEvents): Promise<void> {
  const { options, nodes, isCompiled } = stage;
  const store = await openStore(options.store, nodes);
  const world = new World({ store, nodes, seed: options.seed, isCompiled });
  let keepData = false;
  try {
    await world.open();
    done.storeVersion = await store.version();
    while (!keepData && performance.now() < stage.until && !events.isEnough()) {
      const number = options.from + done.rounds.length;
      if (number > stage.last) break;
      const harms = harmsOfRound(options.seed, number, { store: options.store, nodes, only: options.harms });
      const result = await withinLimit(runRound(world, { number, seed: options.seed, harms }));
      done.rounds.push(result);
      events.round(result, nodes);
      keepData = result.violations.length > 0;
    }
  } catch (error) {
    keepData = true;
    const told = world.ledger.violations.map(({ kind, what }) => `; ${kind}: ${what}`).join('');
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    done.failure = `round ${options.from + done.rounds.length} could not be carried out: ${why}${told}`;
  } finally {
    done.dataDir = await world.close(keepData);
  }
}

async function withinLimit(round: Promise<RoundResult>): Promise<RoundResult> {
  const late = delay(ROUND_LIMIT_MS, null, { ref: false });
  const result = await Promise.race([round, late]);
  if (result === null) throw new Error(`it was not over after ${ROUND_LIMIT_MS / 1_000} s`);
  return result;
}

function openStore(kind: 'sqlite' | 'postgres', nodes: number): Promise<ChaosStore> {
  return kind === 'sqlite' ? Promise.resolve(sqliteStore()) : postgresStore(nodes);
}
