import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { readVersion } from '../../src/app/version.ts';
import { HARMS } from './harms.ts';
import type { RoundResult } from './round.ts';
import type { RunResult } from './run.ts';

export interface Tally {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly delivered: number;
  readonly again: number;
  readonly dead: number;
  readonly late: number;
  readonly missed: number;
  readonly lost: number;
  readonly order: number;
  readonly unexpected: number;
  readonly servesAfterMs: Spread;
  readonly settledAfterMs: Spread;
}

export interface Spread {
  readonly p50: number | null;
  readonly max: number | null;
}

export function tally(rounds: readonly RoundResult[]): Tally {
  const sum = (read: (round: RoundResult) => number): number =>
    rounds.reduce((total, round) => total + read(round), 0);
  const kinds = (wanted: readonly string[]): number =>
    sum((round) => round.violations.filter(({ kind }) => wanted.includes(kind)).length);
  return {
    rounds: rounds.length,
    acknowledged: sum(({ counts }) => counts.acknowledged),
    delivered: sum(({ counts }) => counts.delivered),
    again: sum(({ counts }) => counts.again),
    dead: sum(({ counts }) => counts.dead),
    late: sum(({ counts }) => counts.late),
    missed: sum(({ missed }) => missed),
    lost: kinds(['lost']),
    order: kinds(['out_of_order', 'two_in_flight']),
    unexpected: kinds(['unexpected', 'unrecorded', 'damaged', 'ended_by_itself']),
    servesAfterMs: spread(rounds.flatMap(({ servesAfterMs }) => servesAfterMs ?? [])),
    settledAfterMs: spread(rounds.map(({ settledAfterMs }) => settledAfterMs)),
  };
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  return { p50: sorted[Math.floor(sorted.length / 2)] ?? null, max: sorted.at(-1) ?? null };
}

/** By harm; a round with two harms counts for both. */
export function tallyByHarm(rounds: readonly RoundResult[]): Map<string, Tally> {
  const names = Object.keys(HARMS).filter((name) => rounds.some(({ harms }) => harms.includes(name)));
  return new Map(names.map((name) => [name, tally(rounds.filter(({ harms }) => harms.includes(name)))]));
}

/** The command that does the same again. */
export function commandOf({ options }: RunResult, round?: number): string {
  return [
    `npm run chaos -- --store ${options.store} --seed ${options.seed}`,
    ...fromOf(round ?? options.from),
    `--rounds ${round === undefined ? options.rounds : 1}`,
    ...(options.nodes === null ? [] : [`--nodes ${options.nodes}`]),
    ...options.harms.map((harm) => `--harm ${harm}`),
  ].join(' ');
}

function fromOf(round: number): string[] {
  return round === 1 ? [] : [`--from ${round}`];
}

/** The result for people, in a few lines. */
export function summary(result: RunResult): string {
  const all = tally(result.rounds);
  const lines: (readonly [string, string])[] = [
    ['rounds', `${all.rounds} in ${Math.round(result.tookMs / 1_000)} s, seed ${result.options.seed}`],
    ['store', result.storeVersion],
    ['acknowledged', String(all.acknowledged)],
    ['delivered', `${all.delivered} (an event goes to two destinations or more)`],
    ['delivered again', String(all.again)],
    ['given up, on record', String(all.dead)],
    ['late, from a node that stood still', String(all.late)],
    ['lost', String(all.lost)],
    ['order violations', String(all.order)],
    ['unexpected', String(all.unexpected)],
    ['serves again after', times(all.servesAfterMs)],
    ['owes nothing after', times(all.settledAfterMs)],
  ];
  return lines.map(([name, value]) => `${name.padEnd(36)}${value}`).join('\n');
}

function times({ p50, max }: Spread): string {
  return `${p50 ?? '-'} ms (p50), ${max ?? '-'} ms (max)`;
}

/** Puts the result into its store's part of a Markdown file and leaves the rest as it is. */
export function writeReport(file: string, result: RunResult): void {
  const { store } = result.options;
  const [begin, end] = [`<!-- ${store}: written by npm run chaos -->`, `<!-- ${store}: end -->`];
  const part = `${begin}\n\n${section(result)}\n\n${end}`;
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  const isThere = from !== -1 && to > from;
  const text = isThere
    ? before.slice(0, from) + part + before.slice(to + end.length)
    : `${before.trimEnd()}\n\n${part}\n`;
  writeFileSync(file, text.trimStart());
}

function section(result: RunResult): string {
  const { options } = result;
  const title = options.store === 'sqlite' ? 'SQLite' : 'PostgreSQL';
  const all = tally(result.rounds);
  const facts: (readonly [string, string])[] = [
    ['Date', result.startedAt.toISOString().slice(0, 10)],
    ['Seed', String(options.seed)],
    ['Rounds', `${all.rounds} in ${(result.tookMs / 60_000).toFixed(1)} minutes`],
    [
      'Nodes',
      options.nodes === null && options.store === 'postgres'
        ? '1, then 2, then 3'
        : String(options.nodes ?? 1),
    ],
    ['Versions', `Ringback ${readVersion()}, Node.js ${process.version}, ${result.storeVersion}`],
    [
      'Hardware',
      `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
    ],
    ['Again with', `\`${commandOf(result)}\``],
  ];
  const rows = [...tallyByHarm(result.rounds), ['**all**', all] as const].map(([name, one]) => [
    name,
    ...[one.rounds, one.acknowledged, one.delivered, one.again, one.dead, one.late].map(String),
    ...[one.missed, one.lost, one.order, one.unexpected].map(String),
    cell(one.servesAfterMs),
    cell(one.settledAfterMs),
  ]);
  return [
    `### ${title}`,
    table([['', ''], ...facts]),
    table([
      [
        'harm',
        'rounds',
        'acknowledged',
        'delivered',
        'again',
        'given up',
        'late',
        'missed',
        'lost',
        'order',
        'unexpected',
        'serves after',
        'settled after',
      ],
      ...rows,
    ]),
    ...violations(result),
  ].join('\n\n');
}

function violations(result: RunResult): string[] {
  const found = result.rounds.flatMap(({ number, violations: all }) =>
    all.map(({ kind, what }) => ({ number, kind, what })),
  );
  if (result.failure !== null) return [`The run could not go on: ${result.failure.split('\n')[0]}`];
  if (found.length === 0) return [];
  const shown = found.slice(0, 20).map(({ number, kind, what }) => `- round ${number}, ${kind}: ${what}`);
  return [`The run ended at its first violation:\n\n${shown.join('\n')}`];
}

function cell({ p50, max }: Spread): string {
  return p50 === null ? '-' : `${p50} / ${max} ms`;
}

/** As Prettier would write it, so that the file stays as it is. */
function table(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map((row) => line(row))].join(
    '\n',
  );
}
