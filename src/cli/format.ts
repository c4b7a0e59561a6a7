import { type Cell, printable, type Style } from './output.ts';

const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ['day', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** `3 min ago`, `in 5 s`, `now`; the text itself when it is no time. */
export function relativeTime(iso: string, nowMs = Date.now()): string {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return printable(iso);
  const distance = amount(Math.abs(at - nowMs));
  if (distance === null) return 'now';
  return at > nowMs ? `in ${distance}` : `${distance} ago`;
}

function amount(ms: number): string | null {
  for (const [name, size] of UNITS) {
    if (ms < size) continue;
    const count = Math.floor(ms / size);
    return `${count} ${name}${name === 'day' && count > 1 ? 's' : ''}`;
  }
  return null;
}

/** `2026-01-31 12:00:00Z (3 min ago)` */
export function fullTime(iso: string): string {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return printable(iso);
  const text = new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
  return `${text} (${relativeTime(iso)})`;
}

export function isTime(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/.test(value);
}

/** `512 B`, `1.5 KiB`, `20 GiB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let size = bytes;
  let unit = '';
  for (const larger of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (size < 1024) break;
    size /= 1024;
    unit = larger;
  }
  return `${size < 10 ? Number(size.toFixed(1)) : Math.round(size)} ${unit}`;
}

export function durationText(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

const STATE_STYLES: Readonly<Record<string, Style>> = {
  succeeded: 'green',
  completed: 'green',
  enabled: 'green',
  ok: 'green',
  attention: 'yellow',
  pending: 'yellow',
  leased: 'yellow',
  running: 'yellow',
  retryable: 'yellow',
  paused: 'yellow',
  abandoned: 'yellow',
  dead: 'red',
  permanent: 'red',
  disabled: 'red',
  cancelled: 'gray',
};

/** A state in its colour. */
export function stateCell(state: string): Cell {
  const style = STATE_STYLES[state];
  return style === undefined ? printable(state) : { text: printable(state), style };
}

/** One line of at most `most` characters. */
export function shortened(text: string, most: number): string {
  const line = printable(text);
  return line.length <= most ? line : `${line.slice(0, most - 3)}...`;
}
