import { styleText } from 'node:util';

/** A failure that is told to the person at the terminal without a stack: they can act on it. */
export class CliFailure extends Error {
  override readonly name: string = 'CliFailure';
  /** 1 = it could not be done, 2 = the command was not written as it must be. */
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A heading and the points under it. */
export function failure(heading: string, points: readonly string[] = []): CliFailure {
  return new CliFailure(withPoints(heading, points));
}

/** The command cannot be carried out as it was written: exit code 2. */
export function usageFailure(heading: string, points: readonly string[] = []): CliFailure {
  return new CliFailure(withPoints(heading, points), 2);
}

export function withPoints(heading: string, points: readonly string[]): string {
  return [heading, ...points.map((point) => `  - ${point}`)].join('\n');
}

export function printText(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** For what is said beside the answer, so that a pipe gets the answer alone. */
export function printNote(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** JSON as the server sent it, with the control characters that JSON leaves alone escaped. */
export function printJson(value: unknown): void {
  printText(asJson(value, 2));
}

export function asJson(value: unknown, indent?: number): string {
  // A terminal obeys U+009B as it does ESC [, and JSON.stringify lets it through.
  return JSON.stringify(value, null, indent).replaceAll(/[\u007f-\u009f\u2028\u2029]/g, escaped);
}

/**
 * Text from outside, harmless on a terminal: senders choose names, types and bodies, and a control
 * sequence in one could rewrite what the operator reads. Line breaks and tabs stay when `lines` is set.
 */
export function printable(text: string, lines = false): string {
  const unsafe = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]/gu;
  return text.replaceAll(unsafe, (one) => (lines && (one === '\n' || one === '\t') ? one : escaped(one)));
}

function escaped(one: string): string {
  return `\\u${(one.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
}

export type Style = Parameters<typeof styleText>[0];

/** Colour only where a person looks and has not said no to it (NO_COLOR). */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream, validateStream: true });
}

/** What stands in one place of a table. */
export type Cell = string | { readonly text: string; readonly style: Style };

export function cellText(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

/** A table in columns as wide as they need to be. */
export function printRows(heading: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => cellText(row[column] ?? '').length)),
  );
  const line = (cells: readonly Cell[]): string =>
    cells
      .map((cell, column) => {
        const text = cellText(cell);
        const padded = column === cells.length - 1 ? text : text.padEnd(widths[column] ?? 0);
        return typeof cell === 'string' ? padded : paint(cell.style, padded);
      })
      .join('  ')
      .trimEnd();
  printText(paint('bold', line(heading)));
  for (const row of rows) printText(line(row));
}
