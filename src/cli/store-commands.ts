import type { Command } from 'commander';
import { migrateStore } from '../app/migrate-store.ts';
import { type MovePlan, type MoveResult, type MoveStep, planMove, runMove } from '../app/move-store.ts';
import { loadSettings, settingText, withSettings } from './load-settings.ts';
import { CliFailure, failure, paint, printJson, printNote, printRows, printText } from './output.ts';

/** `migrate` and `move`: they work on a store itself, without a gateway. */
export function addStoreCommands(program: Command): void {
  const migrate = program
    .command('migrate')
    .summary("bring the store's schema up to date, or show what that would do")
    .description(
      'Bring the schema of the store up to date. A gateway does so by itself when it starts; do it beforehand ' +
        'to see what is pending, or with a user that may do more than the one of the gateway. On PostgreSQL ' +
        'gateways may be at work meanwhile.',
    )
    .option('--dry-run', 'show what is pending and change nothing')
    .option('--json', 'as JSON');
  withSettings(migrate).action(async (flags: Record<string, unknown>) => {
    const { dryRun, json, ...settings } = flags;
    await runMigrate(settings, dryRun === true, json === true);
  });
  program
    .command('move')
    .summary('move everything from one store to another: events, deliveries, settings, all of it')
    .description(
      'Move everything from one store to another, with places in the log, secrets as they are sealed, attempts ' +
        'and history. Stop the gateway first. Both stores are compared by number and content before the new one ' +
        'can be used, and the old one is not changed. What was interrupted goes on where it was when the same ' +
        'command is given again.',
    )
    .requiredOption('--from <url>', 'the store that there is: sqlite:PATH or postgres://...')
    .requiredOption('--to <url>', 'the store to fill, which must be new or empty')
    .option('--dry-run', 'look at both and show what would be moved')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
A password need not stand in the URL: PGPASSWORD and ~/.pgpass are read.

Examples:
  $ ringback move --from sqlite:.ringback/ringback.db --to postgres://ringback@db.example/ringback --dry-run
  $ ringback move --from postgres://ringback@db.example/ringback --to sqlite:/var/lib/ringback/ringback.db`,
    )
    .action(async (flags: Record<string, unknown>) => {
      await runMoveCommand(String(flags['from']), String(flags['to']), {
        dryRun: flags['dryRun'] === true,
        json: flags['json'] === true,
      });
    });
}

async function runMigrate(
  settings: Readonly<Record<string, unknown>>,
  dryRun: boolean,
  json: boolean,
): Promise<void> {
  const storeUrl = settingText(loadSettings('dev', settings), 'storeUrl');
  if (storeUrl === null) throw failure('store_url is wrong; "ringback config show" says why');
  const report = await told(() => migrateStore(storeUrl, dryRun));
  const { store, before, newest, steps } = report;
  if (json) return printJson({ dry_run: dryRun, ...report });
  printText(`${paint('bold', store)}  version ${before} of ${newest}`);
  if (steps.length === 0) return printText('nothing is pending');
  for (const step of steps) {
    printText(`  ${paint(dryRun ? 'yellow' : 'green', dryRun ? 'pending' : 'applied')}  ${step}`);
  }
}

async function runMoveCommand(
  from: string,
  to: string,
  { dryRun, json }: { readonly dryRun: boolean; readonly json: boolean },
): Promise<void> {
  if (dryRun) {
    const plan = await told(() => planMove(from, to));
    if (json) printJson({ dry_run: true, ...plan, rows: Object.fromEntries(plan.rows) });
    else showPlan(plan);
    return;
  }
  const progress = new ProgressLine(!json);
  const result = await told(() => runMove(from, to, (step) => progress.show(step))).finally(() =>
    progress.end(),
  );
  if (json)
    printJson({ dry_run: false, rows: Object.fromEntries(result.rows), resumed_from: result.resumedFrom });
  else showResult(result, from);
}

function showPlan({ from, to, target, rows }: MovePlan): void {
  printText(`from  ${from}\nto    ${to} (${TARGETS[target]})\n`);
  showRows(rows);
}

const TARGETS: Readonly<Record<MovePlan['target'], string>> = {
  absent: 'will be made',
  empty: 'is empty',
  unfinished: 'an interrupted move, which will go on',
};

function showResult({ rows, resumedFrom }: MoveResult, from: string): void {
  if (resumedFrom > 0) printText(`${resumedFrom} rows were there from an interrupted move`);
  showRows(rows);
  printText(`\n${paint('green', 'moved')}, and the same in number and content on both sides.`);
  printText('Next:');
  printText('  - start the gateway with store_url (RINGBACK_STORE_URL) set to the new store');
  printText(
    '  - give it the same keys for secrets: RINGBACK_SECRET_KEY, or secret.key of the data directory',
  );
  printText(`  - start none on the old store again: both would deliver what is pending (${kindOf(from)})`);
}

function kindOf(url: string): string {
  return url.startsWith('sqlite:') ? url : 'the old database';
}

function showRows(rows: ReadonlyMap<string, number>): void {
  printRows(
    ['what', 'rows'],
    Array.from(rows, ([kind, count]) => [kind.replaceAll('_', ' '), count.toLocaleString('en')]),
  );
}

/** One line that is written over on a terminal; elsewhere a line for each kind that is through. */
class ProgressLine {
  readonly #isShown: boolean;
  readonly #isTerminal = process.stderr.isTTY;

  constructor(isShown: boolean) {
    this.#isShown = isShown;
  }

  show({ doing, kind, rows, of }: MoveStep): void {
    if (!this.#isShown) return;
    const count = `${rows.toLocaleString('en')} of ${of.toLocaleString('en')}`;
    const line = `${doing} ${kind.replaceAll('_', ' ')}: ${count}`;
    if (this.#isTerminal) process.stderr.write(`\r\u001b[2K${line}`);
    else if (rows >= of) printNote(line);
  }

  end(): void {
    if (this.#isShown && this.#isTerminal) process.stderr.write('\r\u001b[2K');
  }
}

/** What goes wrong here is for the person at the terminal: a message with its fix, and no stack. */
async function told<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw new CliFailure(error instanceof Error ? error.message : String(error));
  }
}
