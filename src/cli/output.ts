import { styleText } from 'node:util';

/** A failure that is told to the person at the terminal without a stack: they can act on it. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
}

/** A heading and the points under it. */
export function failure(heading: string, points: readonly string[] = []): CliFailure {
  return new CliFailure([heading, ...points.map((point) => `  - ${point}`)].join('\n'));
}

export function printText(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Colour only where a person looks and has not said no to it (NO_COLOR). */
export function paint(
  style: Parameters<typeof styleText>[0],
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return styleText(style, text, { stream, validateStream: true });
}

/** A table in columns as wide as they need to be. */
export function printRows(heading: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  printText(paint('bold', line(heading)));
  for (const row of rows) printText(line(row));
}
