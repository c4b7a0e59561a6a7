import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { nearestName } from './nearest-name.ts';
import { SETTING_KEYS, settingOf, type SettingKey, type SettingType } from './schema.ts';

/** A value as it stands in the file. */
export interface FileEntry {
  readonly text: string;
  readonly line: number;
}

export interface FileMistake {
  readonly key: string;
  readonly line: number;
  readonly message: string;
  readonly fix: string;
}

export interface ConfigFile {
  readonly entries: ReadonlyMap<SettingKey, FileEntry>;
  readonly mistakes: readonly FileMistake[];
}

// `log_level`, `logLevel`, `log-level` and `log: {level}` name the same setting.
const KEY_BY_LETTERS = new Map(SETTING_KEYS.map((key) => [letters(key), key]));

/** Reads a configuration file: settings flat or nested, keys in camelCase or snake_case. */
export function readConfigFile(text: string): ConfigFile {
  const lines = new LineCounter();
  // A key that stands twice is told by the reader, beside all other mistakes; YAML would tell it alone.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const reader = new Reader((offset) => lines.linePos(offset).line);
  if (document.errors.length > 0) {
    for (const error of document.errors) {
      reader.refuse('', lines.linePos(error.pos[0]).line, error.message, 'correct the YAML');
    }
  } else if (isMap(document.contents)) {
    reader.readMap(document.contents, []);
  } else if (document.contents !== null) {
    reader.refuse('', 1, 'the file does not hold settings', 'write lines such as "port: 8420"');
  }
  return reader;
}

class Reader implements ConfigFile {
  readonly entries = new Map<SettingKey, FileEntry>();
  readonly mistakes: FileMistake[] = [];
  readonly #lineOf: (offset: number) => number;

  constructor(lineOf: (offset: number) => number) {
    this.#lineOf = lineOf;
  }

  readMap(
    map: { readonly items: readonly { key: unknown; value: unknown }[] },
    path: readonly string[],
  ): void {
    for (const { key, value } of map.items) {
      if (!isScalar(key)) continue;
      const inner = [...path, String(key.value)];
      const setting = KEY_BY_LETTERS.get(letters(inner.join('')));
      if (setting === undefined && isMap(value)) {
        this.readMap(value, inner);
      } else {
        this.#readEntry(setting, inner.join('.'), value, this.#lineOf(key.range?.[0] ?? 0));
      }
    }
  }

  refuse(key: string, line: number, message: string, fix: string): void {
    this.mistakes.push({ key, line, message, fix });
  }

  #readEntry(setting: SettingKey | undefined, name: string, value: unknown, line: number): void {
    if (setting === undefined) {
      const nearest = nearestName(letters(name), SETTING_KEYS);
      const fix = nearest === null ? 'remove it; "ringback config show" lists all' : `perhaps ${nearest}`;
      this.refuse(name, line, `there is no setting "${name}"`, fix);
      return;
    }
    const earlier = this.entries.get(setting);
    if (earlier !== undefined) {
      this.refuse(setting, line, `it is already set in line ${earlier.line}`, 'remove one of the two');
      return;
    }
    const isList = LISTS.has(settingOf(setting).type);
    const text = textOf(value, isList);
    if (text === undefined) {
      const message = `its value is neither a text nor a number${isList ? ' nor a list of them' : ''}`;
      this.refuse(setting, line, message, 'write one value');
    } else if (text !== null) {
      this.entries.set(setting, { text, line });
    }
  }
}

/** The types of which a setting takes several. */
const LISTS: ReadonlySet<SettingType> = new Set(['cidrs', 'hosts', 'roles', 'fields', 'keys']);

/** `null` = written without a value, that is left to its default; `undefined` = not a plain value. */
function textOf(value: unknown, mayBeList: boolean): string | null | undefined {
  if (value === null) return null;
  if (isScalar(value)) return scalarText(value);
  if (!isSeq(value) || !mayBeList) return undefined;
  const items = value.items.map((item) => (isScalar(item) ? scalarText(item) : undefined));
  if (items.length === 0) return 'none';
  return items.every((item) => typeof item === 'string') ? items.join(',') : undefined;
}

function scalarText(scalar: {
  readonly value: unknown;
  readonly source?: string | undefined;
}): string | null {
  if (scalar.value === null) return null;
  // The source text, since YAML would turn "0.10" and long digit strings into other numbers.
  return typeof scalar.value === 'string' ? scalar.value : (scalar.source ?? null);
}

function letters(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}
