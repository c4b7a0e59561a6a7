import { durationText, fullTime, isTime, relativeTime, shortened, stateCell } from './format.ts';
import { type JsonRecord, isRecord, numberOf, recordsOf, textOf } from './json-value.ts';
import { printPlainTable } from './list-views.ts';
import { cellText, paint, printable, printRows, printText } from './output.ts';

const STATES = new Set(['state', 'outcome', 'status']);
const BODIES = new Set(['body', 'response_body']);

/** One thing as `key  value` lines; lists of things and bodies follow below under headings. */
export function printDetails(item: JsonRecord): void {
  const lines = plainFields(item, '');
  const width = Math.max(0, ...lines.map(([key]) => key.length));
  for (const [key, value] of lines) printText(`${paint('dim', key.padEnd(width))}  ${value}`);
  for (const [key, value] of Object.entries(item)) {
    if (isPairs(value)) printPairs(key, value);
    else if (Array.isArray(value) && recordsOf(value).length > 0) printItems(key, recordsOf(value));
    else if (BODIES.has(key) && typeof value === 'string' && value !== '') printBody(key, value);
  }
}

function plainFields(item: JsonRecord, base: string): (readonly [key: string, value: string])[] {
  return Object.entries(item).flatMap(([key, value]): (readonly [string, string])[] => {
    if (BODIES.has(key) || isPairs(value)) return [];
    if (Array.isArray(value) && recordsOf(value).length > 0) return [];
    const name = `${base}${key}`;
    if (isRecord(value) && Object.keys(value).length > 0 && base === '') return plainFields(value, `${key}.`);
    return [[name, valueText(key, value)]];
  });
}

function valueText(key: string, value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (isTime(value)) return fullTime(value);
  if (typeof value === 'string') {
    const cell = STATES.has(key) ? stateCell(value) : printable(value);
    return typeof cell === 'string' ? cell : paint(cell.style, cell.text);
  }
  if (Array.isArray(value)) return value.length === 0 ? 'none' : printable(value.map(String).join(', '));
  if (isRecord(value)) return Object.keys(value).length === 0 ? 'none' : printable(JSON.stringify(value));
  return printable(JSON.stringify(value) ?? '-');
}

/** Headers: a list of name and value. */
function isPairs(value: unknown): value is [string, string][] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (one) => Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === 'string'),
    )
  );
}

function printPairs(key: string, pairs: readonly (readonly [string, string])[]): void {
  heading(key);
  for (const [name, value] of pairs) printText(`  ${printable(name)}: ${printable(value)}`);
}

function printBody(key: string, body: string): void {
  heading(key);
  printText(printable(body, true));
}

function printItems(key: string, items: readonly JsonRecord[]): void {
  heading(key);
  if (key === 'attempts') printAttempts(items);
  else printPlainTable(items, '  ');
}

function heading(key: string): void {
  printText(`\n${paint('bold', key.replaceAll('_', ' '))}`);
}

/** Attempts as a table: number, when, how long, what came of it, what comes next. */
export function printAttempts(attempts: readonly JsonRecord[], indent = ''): void {
  const rows = attempts.map((attempt) => [
    `${indent}${numberOf(attempt, 'number') ?? ''}`,
    relativeTime(textOf(attempt, 'started_at') ?? ''),
    durationText(numberOf(attempt, 'duration_ms') ?? 0),
    stateCell(textOf(attempt, 'outcome') ?? '-'),
    String(numberOf(attempt, 'status') ?? textOf(attempt, 'error') ?? '-'),
    nextText(textOf(attempt, 'next_attempt_at')),
    shortened(textOf(attempt, 'response_body') ?? '', 48),
  ]);
  const titles = ['attempt', 'when', 'took', 'outcome', 'result', 'next', 'answer'];
  printRows(
    titles.map((title, index) => (index === 0 ? `${indent}${title}` : title)),
    rows.map((row) => row.map((cell) => (cellText(cell) === '' ? '' : cell))),
  );
}

function nextText(at: string | null): string {
  // Once it is past, the next line shows it.
  return at === null || Date.parse(at) < Date.now() ? '-' : relativeTime(at);
}
