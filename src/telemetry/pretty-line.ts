import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

const LEVEL_STYLES: Readonly<Record<string, Style>> = {
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
};

/**
 * A JSON log line as one for people: time of day, level, event, fields; a stack on lines of its own.
 */
export function prettyLine(json: string, colour: boolean): string {
  const { level, time, event, error, ...fields } = parseLine(json);
  const paint = (style: Style, text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const levelText = asText(level);
  const parts = [
    paint('gray', localTime(asText(time))),
    paint(LEVEL_STYLES[levelText] ?? 'white', levelText.padEnd(5)),
    paint('bold', asText(event)),
    ...Object.entries(fields).map(([name, value]) => `${paint('gray', `${name}=`)}${fieldText(value)}`),
  ];
  return `${parts.join(' ')}\n${errorLines(error)}`;
}

function parseLine(json: string): Record<string, unknown> {
  const line: unknown = JSON.parse(json);
  return typeof line === 'object' && line !== null ? { ...line } : {};
}

function localTime(time: string): string {
  const date = new Date(time);
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) =>
    String(part).padStart(2, '0'),
  );
  return `${hours}:${minutes}:${seconds}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function fieldText(value: unknown): string {
  const text = asText(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function errorLines(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const stack = 'stack' in error ? error.stack : undefined;
  const text = typeof stack === 'string' ? stack : asText(error);
  const cause = 'cause' in error ? error.cause : undefined;
  const causeLines = typeof cause === 'object' ? errorLines(cause) : '';
  const lines = text.split('\n').map((line) => `    ${line}\n`);
  return `${lines.join('')}${causeLines === '' ? '' : `    caused by\n${causeLines}`}`;
}
