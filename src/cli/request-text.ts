import { sizeText } from './format.ts';
import { parseJson } from './json-value.ts';
import { asJson, paint, printable } from './output.ts';

/** A request as it came in. */
export interface ShownRequest {
  readonly method: string;
  readonly path: string;
  /** Name, value, name, value, ... */
  readonly headers: readonly string[];
  /** The start of it, or all; `null` = not at hand. */
  readonly body: Uint8Array | null;
  readonly bodyBytes: number;
}

export interface RequestTextOptions {
  /** Shows credentials whole. */
  readonly reveal: boolean;
}

const CREDENTIALS = /authorization|cookie|token|secret|password|api-?key/i;
const SHOWN_LETTERS = 4;
const TEXT_BYTES = 4_096;
const DUMP_BYTES = 256;
const ROW_BYTES = 16;
/** Escape too: coloured output is text, and is shown without its effect. */
const CONTROLS_OF_TEXT = '\t\n\v\f\r\u001b';

/** A request for people to read, each line indented: headers, then the body as what it is. */
export function requestText(request: ShownRequest, options: RequestTextOptions): string {
  const lines = [
    `${paint('bold', printable(request.method))} ${printable(request.path === '' ? '/' : request.path)}`,
  ];
  for (let index = 0; index + 1 < request.headers.length; index += 2) {
    const name = request.headers[index] ?? '';
    const value = shownValue(name, request.headers[index + 1] ?? '', options.reveal);
    lines.push(`${paint('cyan', printable(name))}: ${printable(value)}`);
  }
  lines.push('', ...bodyLines(request));
  return lines.map((line) => `    ${line}`.trimEnd()).join('\n');
}

/** What proves who is asking stays out of terminals and their logs, unless it is asked for. */
function shownValue(name: string, value: string, reveal: boolean): string {
  if (reveal || !CREDENTIALS.test(name) || value === '(hidden)') return value;
  const space = value.indexOf(' ') + 1;
  const secret = value.slice(space);
  // A short secret is not shown in part: a few letters would be most of it.
  const start = secret.length >= 4 * SHOWN_LETTERS ? secret.slice(0, SHOWN_LETTERS) : '';
  return `${value.slice(0, space)}${start}... (${secret.length - start.length} characters hidden)`;
}

function bodyLines({ body, bodyBytes }: ShownRequest): string[] {
  if (bodyBytes === 0) return [paint('dim', '(no body)')];
  if (body === null) return [paint('dim', `(${sizeText(bodyBytes)}: too large to show here)`)];
  const text = textOf(body, body.byteLength < bodyBytes);
  if (text === null) return dumpLines(body, bodyBytes);
  const parsed = body.byteLength === bodyBytes ? parseJson(text) : { mistake: 'cut' };
  const shown = 'value' in parsed ? asJson(parsed.value, 2) : printable(text.replaceAll('\r\n', '\n'), true);
  const lines = shown.slice(0, TEXT_BYTES).split('\n');
  const isCut = shown.length > TEXT_BYTES || body.byteLength < bodyBytes;
  return isCut ? [...lines, paint('dim', `... cut: it has ${sizeText(bodyBytes)} in all`)] : lines;
}

/** `null` for what is no text. The end of a body that was cut may be half a letter. */
function textOf(body: Uint8Array, isCut: boolean): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body, { stream: isCut });
    const controls = text.match(/\p{Cc}/gu) ?? [];
    return controls.every((one) => CONTROLS_OF_TEXT.includes(one)) ? text : null;
  } catch {
    return null;
  }
}

function dumpLines(body: Uint8Array, bodyBytes: number): string[] {
  const lines = [paint('dim', `(binary, ${sizeText(bodyBytes)})`)];
  for (let at = 0; at < Math.min(body.byteLength, DUMP_BYTES); at += ROW_BYTES) {
    const row = [...body.subarray(at, Math.min(at + ROW_BYTES, DUMP_BYTES))];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const letters = row
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'))
      .join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(ROW_BYTES * 3)} ${letters}`);
  }
  if (bodyBytes > DUMP_BYTES) lines.push(paint('dim', `... ${sizeText(bodyBytes - DUMP_BYTES)} more`));
  return lines;
}
