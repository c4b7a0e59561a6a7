import { nearestName } from '../../config/nearest-name.ts';
import { isRecord, type JsonRecord } from '../json-value.ts';
import { checkEntry } from './check-entry.ts';
import { printable } from '../output.ts';
import type { ReferenceSources } from './references.ts';
import { type Kind, KINDS, spoken } from './setting-kinds.ts';
import { type Place, readYaml, type YamlText } from './yaml-places.ts';

export type FilePath = readonly (string | number)[];

/** Something wrong, or doubtful, at one place of the file. */
export interface FileMistake extends Place {
  /** `sources.github.dedupe.window` */
  readonly path: string;
  readonly message: string;
}

/** One source, destination, subscription or event type as the file wants it. */
export interface WantedSetting {
  readonly kind: Kind;
  readonly name: string;
  /** `null` = the tenant of the key. */
  readonly tenant: string | null;
  /** The fields, references resolved; a subscription names its `destination` and `sources`. */
  readonly fields: JsonRecord;
  /** As written, so that a secret never reaches the terminal. */
  readonly written: JsonRecord;
  /** Secrets without a value here: mistakes only if they are to be sent. */
  readonly missingSecrets: readonly FileMistake[];
  readonly mistakeAt: (path: FilePath, message: string) => FileMistake;
}

export interface SettingsFile {
  readonly wanted: readonly WantedSetting[];
  /** The kinds that the file speaks of: of the others it deletes nothing. */
  readonly kinds: ReadonlySet<Kind>;
  /** The tenant at the top of the file. */
  readonly tenant: string | null;
  readonly mistakes: readonly FileMistake[];
  readonly warnings: readonly FileMistake[];
}

export const FILE_VERSION = 1;
const TOP = ['version', 'tenant', ...KINDS] as const;
const TENANT = /^[A-Za-z0-9_-]{1,64}$/;

/** Reads a settings file and lists every mistake in it. Never throws. */
export function readSettingsFile(text: string, sources: ReferenceSources): SettingsFile {
  return new Reader(readYaml(text), sources).read();
}

/** In the order of the file. */
export function byPlace(left: Place, right: Place): number {
  return left.line - right.line || left.column - right.column;
}

/** `FILE:LINE:COLUMN: PATH MESSAGE`, as editors and terminals jump to it. */
export function mistakeText(file: string, { line, column, path, message }: FileMistake): string {
  return printable(`${file}:${line}:${column}: ${path === '' ? '' : `${path} `}${message}`);
}

class Reader {
  readonly #yaml: YamlText;
  readonly #sources: ReferenceSources;
  readonly #mistakes: FileMistake[] = [];
  readonly #warnings: FileMistake[] = [];

  constructor(yaml: YamlText, sources: ReferenceSources) {
    this.#yaml = yaml;
    this.#sources = sources;
  }

  read(): SettingsFile {
    const root = this.#yaml.value;
    for (const mistake of this.#yaml.mistakes) this.#mistakes.push({ path: '', ...mistake });
    if (!isRecord(root)) {
      if (this.#mistakes.length === 0)
        this.#refuse([], 'must hold "version: 1" and sections such as "sources:"');
      return this.#file([], new Set(), null);
    }
    this.#checkTop(root);
    const tenant = this.#tenant(root['tenant'], ['tenant']);
    const kinds = new Set(KINDS.filter((kind) => Object.hasOwn(root, kind)));
    const wanted = [...kinds].flatMap((kind) => this.#section(kind, root[kind], tenant));
    this.#refuseTwins(wanted);
    return this.#file(wanted, kinds, tenant);
  }

  #file(wanted: readonly WantedSetting[], kinds: ReadonlySet<Kind>, tenant: string | null): SettingsFile {
    return {
      wanted,
      kinds,
      tenant,
      mistakes: this.#mistakes.toSorted(byPlace),
      warnings: this.#warnings.toSorted(byPlace),
    };
  }

  #checkTop(root: JsonRecord): void {
    if (root['version'] === undefined) this.#refuse([], `needs "version: ${FILE_VERSION}"`);
    else if (root['version'] !== FILE_VERSION) this.#refuse(['version'], `must be ${FILE_VERSION}`);
    for (const field of Object.keys(root)) {
      // Room for anchors, as in Compose files.
      if (TOP.some((known) => known === field) || field.startsWith('x-')) continue;
      const near = nearestName(field, TOP);
      const hint = near === null ? `known are ${TOP.join(', ')}` : `did you mean "${near}"?`;
      this.#refuse([field], `is not a section of a settings file; ${hint}`);
    }
  }

  #section(kind: Kind, section: unknown, tenant: string | null): WantedSetting[] {
    if (section === null) return [];
    if (Array.isArray(section)) {
      return section.flatMap((entry: unknown, index) => {
        const name = isRecord(entry) ? entry['name'] : undefined;
        if (isRecord(entry) && typeof name === 'string')
          return this.#entry(kind, [kind, index], name, entry, tenant);
        this.#refuse([kind, index], `must be a ${spoken(kind)} with a "name"`);
        return [];
      });
    }
    if (isRecord(section)) {
      return Object.entries(section).flatMap(([name, entry]) => {
        const inner = isRecord(entry) ? entry['name'] : undefined;
        if (inner !== undefined && inner !== name) {
          this.#refuse([kind, name, 'name'], `must be "${name}", its name in the map, or be left out`);
        }
        return this.#entry(kind, [kind, name], name, entry ?? {}, tenant);
      });
    }
    this.#refuse([kind], `must be a map of ${spoken(kind)}s by name, or a list of them`);
    return [];
  }

  #entry(
    kind: Kind,
    path: FilePath,
    name: string,
    entry: unknown,
    fileTenant: string | null,
  ): WantedSetting[] {
    if (!isRecord(entry)) {
      this.#refuse(path, `must be a map of the fields of a ${spoken(kind)}`);
      return [];
    }
    const checked = checkEntry(kind, name.trim(), entry, this.#sources);
    const at = (point: { readonly path: FilePath; readonly message: string }): FileMistake =>
      this.#mistakeAt([...path, ...point.path], point.message);
    this.#mistakes.push(...checked.mistakes.map(at));
    this.#warnings.push(...checked.warnings.map(at));
    return [
      {
        kind,
        name: name.trim(),
        tenant: this.#tenant(entry['tenant'], [...path, 'tenant']) ?? fileTenant,
        fields: checked.fields,
        written: entry,
        missingSecrets: checked.missingSecrets.map(at),
        mistakeAt: (inner, message) => this.#mistakeAt([...path, ...inner], message),
      },
    ];
  }

  #tenant(value: unknown, path: FilePath): string | null {
    if (value === undefined) return null;
    if (typeof value === 'string' && TENANT.test(value)) return value;
    // Of an entry, its own schema says so.
    if (path.length === 1) this.#refuse(path, 'must be 1 to 64 letters, digits, "_" or "-"');
    return null;
  }

  #refuseTwins(wanted: readonly WantedSetting[]): void {
    const seen = new Set<string>();
    for (const { kind, name, tenant, mistakeAt } of wanted) {
      const key = JSON.stringify([kind, tenant, name]);
      if (seen.has(key)) this.#mistakes.push(mistakeAt([], `another ${spoken(kind)} has the same name`));
      seen.add(key);
    }
  }

  #refuse(path: FilePath, message: string): void {
    this.#mistakes.push(this.#mistakeAt(path, message));
  }

  #mistakeAt(path: FilePath, message: string): FileMistake {
    return { ...this.#yaml.placeOf(path), path: path.join('.'), message };
  }
}
