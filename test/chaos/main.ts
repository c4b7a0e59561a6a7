import { styleText } from 'node:util';
import { HARMS } from './harms.ts';
import { type ChaosOptions, readOptions, USAGE, UsageError } from './options.ts';
import { commandOf, summary, tally, writeReport } from './report.ts';
import type { RoundResult } from './round.ts';
import { runChaos } from './run.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args, Date.now());
    if (options === 'help') process.stdout.write(USAGE);
    else if (options === 'list') list();
    else return await run(options);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n(--help shows every option)\n`);
    return 2;
  }
}

function list(): void {
  for (const [name, { what, stores, impossible }] of Object.entries(HARMS)) {
    const why = impossible?.() ?? null;
    const where = stores.length === 2 ? '' : ` (${stores.join()} only)`;
    process.stdout.write(`${name.padEnd(20)}${what}${where}${why === null ? '' : `; not here: ${why}`}\n`);
  }
}

async function run(options: ChaosOptions): Promise<number> {
  const done: RoundResult[] = [];
  let isEnough = false;
  const onSignal = (): void => {
    // Ended at once, processes and a database server would be left behind.
    process.stderr.write(isEnough ? '' : '\nending after this round\n');
    isEnough = true;
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const result = await runChaos(options, {
    isEnough: () => isEnough,
    round: (round, nodes) => {
      done.push(round);
      progress(options, done, nodes);
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
  const violated = result.rounds.filter(({ violations }) => violations.length > 0);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ ...result, rounds: done, total: tally(done) })}\n`);
  } else process.stdout.write(`${summary(result)}\n`);
  if (options.report !== null) writeReport(options.report, result);
  for (const { number, harms, violations } of violated) {
    process.stderr.write(`\n${paint('red', `round ${number} (${harms.join(' + ')})`)}\n`);
    for (const { kind, what } of violations.slice(0, 20)) process.stderr.write(`  ${kind}: ${what}\n`);
    process.stderr.write(
      `\nseed ${options.seed}; the data is in ${result.dataDir}\nagain: ${commandOf(result, number)}\n`,
    );
  }
  if (result.failure !== null) {
    process.stderr.write(`\n${paint('red', result.failure)}\nthe data is in ${result.dataDir}\n`);
  }
  return violated.length > 0 || result.failure !== null ? 1 : 0;
}

/** One line that is written over on a terminal; elsewhere one line for every fifty rounds. */
function progress(options: ChaosOptions, done: readonly RoundResult[], nodes: number): void {
  const all = tally(done);
  const last = done.at(-1);
  const of = Number.isFinite(options.rounds) ? `/${options.rounds}` : '';
  const line =
    `round ${done.length}${of} ${options.store} ${nodes} node${nodes === 1 ? '' : 's'} ` +
    `${last?.harms.join('+')} ${last?.tookMs} ms | acknowledged ${all.acknowledged}, delivered ${all.delivered}, ` +
    `again ${all.again}, lost ${all.lost}, order ${all.order}, unexpected ${all.unexpected}`;
  if (process.stderr.isTTY)
    process.stderr.write(`\r\u001B[K${line.slice(0, (process.stderr.columns ?? 200) - 1)}`);
  else if (done.length % 50 === 0) process.stderr.write(`${line}\n`);
}

function paint(colour: 'red', text: string): string {
  return process.stderr.isTTY && process.env['NO_COLOR'] === undefined ? styleText(colour, text) : text;
}
