import { cliName } from './cli-name.ts';
import { fullTime, relativeTime } from './format.ts';
import { type JsonRecord, numberOf, recordsOf, textOf } from './json-value.ts';
import { paint, printable, printText } from './output.ts';

/** What is stuck, each with since when, why, and the command that lets it go. */
export function printStatus(status: JsonRecord): void {
  const stuck = recordsOf(status['stuck']);
  const load = `${numberOf(status, 'pending') ?? 0} deliveries wait, ${numberOf(status, 'in_flight') ?? 0} are under way`;
  if (stuck.length === 0) {
    printText(`${paint('green', 'Nothing is stuck.')} ${load}.`);
    return;
  }
  const things = stuck.length === 1 ? '1 thing is stuck.' : `${stuck.length} things are stuck.`;
  printText(`${paint('red', things)} ${load}.`);
  for (const one of stuck) printStuck(one);
}

function printStuck(one: JsonRecord): void {
  const problem = (textOf(one, 'problem') ?? '').replaceAll('_', ' ');
  const pending = numberOf(one, 'pending');
  const since = textOf(one, 'since');
  const waiting = pending === null || pending === 0 ? '' : `; ${pending} deliveries wait for it`;
  printText(
    `\n${show(one, 'what')} ${paint('bold', show(one, 'name'))}: ${paint('red', printable(problem))}` +
      `${since === null ? '' : ` since ${fullTime(since)} (${relativeTime(since)})`}${waiting}`,
  );
  printText(`  why  ${show(one, 'why')}`);
  printText(`  fix  ${show(one, 'fix')}`);
  const command = textOf(one, 'command');
  if (command !== null) printText(`       ${printable(command.replace(/^ringback\b/, cliName()))}`);
}

function show(record: JsonRecord, field: string): string {
  return printable(textOf(record, field) ?? '-');
}
