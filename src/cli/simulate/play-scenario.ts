import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SimulatedProvider, Simulation } from '../../app/simulation.ts';
import { mistakeText } from '../apply/settings-file.ts';
import { durationText } from '../format.ts';
import { paint, printable, printNote, usageFailure } from '../output.ts';
import type { Player } from './play-events.ts';
import { readScenario, type Scenario, type ScenarioStep } from './scenario-file.ts';
import type { Target, TargetWish } from './target.ts';

/** Reads a scenario from a file, `-` for standard input. Throws a usage failure with every mistake in it. */
export function loadScenario(path: string, simulation: Simulation): Scenario {
  const folder = path === '-' ? process.cwd() : dirname(resolve(path));
  const scenario = readScenario(readText(path), simulation, {
    env: process.env,
    readFile: (name) => readFileSync(resolve(folder, name), 'utf8'),
    readBytes: (name) => readFileSync(resolve(folder, name)),
  });
  const { mistakes } = scenario;
  if (mistakes.length === 0) return scenario;
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
  const points = mistakes.map((mistake) => mistakeText(path, mistake));
  throw usageFailure(`${path} has ${count}; nothing was sent:`, [...new Set(points)]);
}

function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw usageFailure(`${path} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code}`);
  }
}

/** Plays the steps in their order. `wish` is for the providers that the file names no target for. */
export async function playScenario(
  scenario: Scenario,
  wish: TargetWish,
  means: {
    readonly player: Player;
    readonly findTarget: (provider: SimulatedProvider, wish: TargetWish) => Promise<Target>;
    readonly signal: AbortSignal;
    readonly quiet: boolean;
  },
): Promise<void> {
  const targets = new Map<string, Target>();
  for (const [index, step] of scenario.steps.entries()) {
    if (means.signal.aborted) return;
    if (!means.quiet) printNote(stepText(index, step));
    // oxlint-disable-next-line no-await-in-loop -- a sequence in time is what a scenario is
    if (step.waitMs > 0) await delay(step.waitMs, undefined, { signal: means.signal }).catch(() => undefined);
    if (step.events === null || means.signal.aborted) continue;
    const { provider } = step.events;
    const target =
      targets.get(provider.id) ??
      // oxlint-disable-next-line no-await-in-loop -- once for each provider
      (await means.findTarget(provider, scenario.targets.get(provider.id) ?? wish));
    targets.set(provider.id, target);
    // oxlint-disable-next-line no-await-in-loop -- the next step begins when this one is done
    await means.player.play({ ...step.events, target }, means.signal);
  }
}

function stepText(index: number, { name, waitMs, events }: ScenarioStep): string {
  const parts = [
    ...(waitMs > 0 ? [`waits ${durationText(waitMs)}`] : []),
    ...(events === null
      ? []
      : [
          `${events.count > 1 ? `${events.count} × ` : ''}${events.type.eventType}${events.fault === null ? '' : `, bad: ${events.fault}`}`,
        ]),
  ];
  const title = paint(
    'bold',
    `step ${index + 1}${name === null ? '' : ` ${printable(name)}`}`,
    process.stderr,
  );
  return `${title}: ${printable(parts.join(', then '))}`;
}
