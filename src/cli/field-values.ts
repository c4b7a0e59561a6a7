import { readFileSync } from 'node:fs';
import { parseDuration } from '../domain/units.ts';
import { isRecord, parseJson } from './json-value.ts';
import type { Field } from './operation-fields.ts';
import { printNote, usageFailure } from './output.ts';

/** What an option's text cannot be read as. Collected, so that all mistakes are told at once. */
export class ValueMistake extends Error {
  override readonly name = 'ValueMistake';
}

/** The value that an option's text stands for. Throws `ValueMistake`. */
export function fieldValue(field: Field, raw: unknown, inputs: Inputs): unknown {
  if (field.kind === 'boolean') return raw === true;
  if (field.kind === 'list') return listValue(field, Array.isArray(raw) ? raw.map(String) : [], inputs);
  if (field.kind === 'map' && Array.isArray(raw)) return mapValue(raw.map(String), field, inputs);
  return singleValue(field, String(raw), inputs);
}

/** Reads what an option names instead of carrying it: `@file`, `@env:NAME`, or `-` for standard input, once. */
export class Inputs {
  #stdinTakenBy: string | null = null;

  /** `@@text` is the text `@text`. */
  expand(text: string, who: string): string {
    if (text === '-') return this.stdin(who);
    if (text.startsWith('@@')) return text.slice(1);
    if (text.startsWith('@env:')) return this.variable(text.slice('@env:'.length), who);
    return text.startsWith('@') ? this.file(text.slice(1), who) : text;
  }

  stdin(who: string): string {
    if (this.#stdinTakenBy !== null) {
      throw new ValueMistake(
        `standard input cannot be read twice: ${this.#stdinTakenBy} has it; give a file instead`,
      );
    }
    this.#stdinTakenBy = who;
    if (process.stdin.isTTY) printNote(`reading ${who} from the terminal; end with Ctrl-D`);
    return readFileSync(0, 'utf8');
  }

  variable(name: string, who: string): string {
    const value = process.env[name];
    if (value !== undefined && value !== '') return value;
    throw new ValueMistake(`${who}: the environment variable ${name} is not set`);
  }

  file(path: string, who: string): string {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      const why = code === 'ENOENT' ? 'there is no such file' : code;
      throw new ValueMistake(`${who}: cannot read ${path}: ${why}`);
    }
  }
}

/** A secret that an option carries or names. Throws a `CliFailure`. */
export function readSecret(text: string, flag: string): string {
  try {
    // A file ends in a line break that does not belong to the secret.
    return new Inputs().expand(text, flag).trim();
  } catch (error) {
    if (error instanceof ValueMistake) throw usageFailure(error.message);
    throw error;
  }
}

function singleValue(field: Field, raw: string, inputs: Inputs): unknown {
  if (field.nullable && raw === 'null') return null;
  const text = field.mayBeFile ? inputs.expand(raw, field.flag) : raw;
  const read = READERS[field.kind];
  if (read !== undefined) return read(field, text);
  // A file ends in a line break that belongs to neither a secret nor an expression.
  return text === raw ? text : text.trim();
}

const READERS: { readonly [Kind in Field['kind']]?: (field: Field, text: string) => unknown } = {
  number: numberValue,
  size: (_field, text) => (/^\d+$/.test(text) ? Number(text) : text),
  time: timeValue,
  json: (field, text) => jsonValue(field.flag, text),
  map: (field, text) => jsonValue(field.flag, text),
};

function numberValue(field: Field, text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isFinite(number)) return number;
  throw new ValueMistake(`${field.flag} must be a number, not "${text}"`);
}

/** RFC 3339, a date, or a duration: that long ago, or from now for what lies in the future. */
function timeValue(field: Field, text: string): string {
  const ms = parseDuration(text);
  if (ms !== null) {
    const isFuture = field.path.at(-1)?.startsWith('expires') === true;
    return new Date(Date.now() + (isFuture ? ms : -ms)).toISOString();
  }
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  throw new ValueMistake(
    `${field.flag} must be a time such as 2026-01-31T12:00:00Z, or a duration such as 2h`,
  );
}

export function jsonValue(flag: string, text: string): unknown {
  const parsed = parseJson(text);
  if ('value' in parsed) return parsed.value;
  const start = text.length > 40 ? `${text.slice(0, 40)}...` : text;
  throw new ValueMistake(
    `${flag} is not JSON: ${start} (${parsed.mistake}); write it in single quotes, e.g. '{"a":1}', ` +
      'or give a file: @file.json',
  );
}

/** `{"a":"b"}`, or `a=b` once for each. */
function mapValue(texts: readonly string[], field: Field, inputs: Inputs): unknown {
  const merged: Record<string, unknown> = {};
  for (const text of texts) {
    const pair = /^([^={@-][^=]*)=(.*)$/s.exec(text);
    const value = pair === null ? singleValue(field, text, inputs) : { [pair[1] ?? '']: pair[2] ?? '' };
    if (value === null) return null;
    if (!isRecord(value)) throw new ValueMistake(`${field.flag} must be a JSON object, or NAME=VALUE`);
    Object.assign(merged, value);
  }
  return merged;
}

function listValue(field: Field, texts: readonly string[], inputs: Inputs): unknown {
  return texts.flatMap((text): unknown[] => {
    // A secret may contain a comma.
    if (field.secret) return [inputs.expand(text, field.flag).trim()];
    if (text.startsWith('[')) {
      const value = jsonValue(field.flag, text);
      return Array.isArray(value) ? value : [value];
    }
    const items = text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    const wrong = field.choices.length === 0 ? [] : items.filter((item) => !field.choices.includes(item));
    if (wrong.length === 0) return items;
    throw new ValueMistake(`${field.flag} takes ${field.choices.join(', ')}; not ${wrong.join(', ')}`);
  });
}
