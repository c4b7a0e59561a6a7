import { parseArgs } from 'node:util';
import { HARMS } from './harms.ts';

export interface ChaosOptions {
  readonly store: 'sqlite' | 'postgres';
  readonly seed: number;
  readonly rounds: number;
  readonly minutes: number;
  /** The first round, to repeat one of a longer run. */
  readonly from: number;
  /** `null`: by the store, 1 for SQLite, 1 to 3 in turn for PostgreSQL. */
  readonly nodes: number | null;
  /** The only harms to do; empty = all that the store knows. */
  readonly harms: readonly string[];
  readonly report: string | null;
  readonly json: boolean;
}

export class UsageError extends Error {}

export const USAGE = `npm run chaos -- [options]

Does harm to a gateway under load, round after round, and checks that nothing acknowledged is lost.

  --store sqlite|postgres  which store (sqlite); postgres starts a server of its own
  --rounds N               how many rounds (20)
  --minutes N              stop after so many minutes, whatever --rounds says
  --seed N                 choose harms and load by this number (from the clock)
  --from N                 begin with this round of the seed (1)
  --nodes N                gateways on one store (sqlite 1; postgres 1, 2 and 3 in turn)
  --harm NAME              only this harm; may be given several times, a+b does both in one round
  --report FILE            write the result into this Markdown file, beside that of the other store
  --json                   print the result as JSON
  --list                   print every harm and what it does
  --help                   print this

examples:
  npm run chaos -- --rounds 100
  npm run chaos -- --harm kill --harm restart --minutes 5
  npm run chaos -- --store postgres --nodes 3 --rounds 50
  npm run chaos -- --store sqlite --seed 7 --from 13 --rounds 1     the 13th round of seed 7 again
`;

/** What was asked for; `help` and `list` are answered by the caller. Throws `UsageError` with the fix. */
export function readOptions(args: readonly string[], nowMs: number): ChaosOptions | 'help' | 'list' {
  const { values } = parse(args);
  if (values.help === true) return 'help';
  if (values.list === true) return 'list';
  const store = storeOf(values.store ?? 'sqlite');
  return {
    store,
    nodes: nodesOf(values.nodes, store),
    minutes:
      values.minutes === undefined ? Number.POSITIVE_INFINITY : whole('minutes', values.minutes, 1, 10_000),
    seed: whole('seed', values.seed ?? String(nowMs % 1_000_000), 0, 2 ** 31),
    rounds: roundsOf(values.rounds, values.minutes),
    from: whole('from', values.from ?? '1', 1, 10_000_000),
    harms: (values.harm ?? []).map((harm) => known(harm, store)),
    report: values.report ?? null,
    json: values.json === true,
  };
}

function storeOf(text: string): ChaosOptions['store'] {
  if (text === 'sqlite' || text === 'postgres') return text;
  throw new UsageError(`--store: sqlite or postgres, not "${text}"`);
}

function nodesOf(text: string | undefined, store: ChaosOptions['store']): number | null {
  if (text === undefined) return null;
  const nodes = whole('nodes', text, 1, 9);
  if (store === 'postgres' || nodes === 1) return nodes;
  throw new UsageError('--nodes: a SQLite file has one gateway; several need --store postgres');
}

/** A time that is asked for without a number of rounds means: as many as there is time for. */
function roundsOf(rounds: string | undefined, minutes: string | undefined): number {
  if (rounds === undefined && minutes !== undefined) return Number.POSITIVE_INFINITY;
  return whole('rounds', rounds ?? '20', 1, 10_000_000);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        store: { type: 'string' },
        rounds: { type: 'string' },
        minutes: { type: 'string' },
        seed: { type: 'string' },
        from: { type: 'string' },
        nodes: { type: 'string' },
        harm: { type: 'string', multiple: true },
        report: { type: 'string' },
        json: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function whole(name: string, text: string, from: number, to: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= from && value <= to) return value;
  throw new UsageError(`--${name}: a whole number from ${from} to ${to}, not "${text}"`);
}

function known(harm: string, store: 'sqlite' | 'postgres'): string {
  for (const name of harm.split('+')) {
    const found = HARMS[name];
    if (found === undefined) throw new UsageError(`--harm: there is no "${name}"; --list shows every one`);
    if (!found.stores.includes(store)) throw new UsageError(`--harm: "${name}" cannot be done to ${store}`);
  }
  return harm;
}
