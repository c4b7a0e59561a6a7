import { basename, join, resolve } from 'node:path';
import { checkConfig } from './check-config.ts';
import { readConfigFile, type ConfigFile } from './config-file.ts';
import { nearestName } from './nearest-name.ts';
import type { ConfigProblem, ResolvedSetting } from './resolved-setting.ts';
import {
  configName,
  defaultOf,
  envName,
  flagName,
  SETTING_KEYS,
  settingOf,
  type Config,
  type Profile,
  type SettingKey,
  type SettingValue,
} from './schema.ts';
import { parseSettingValue } from './setting-value.ts';

export interface ConfigInput {
  readonly profile: Profile;
  /** Flags of settings only, in camelCase or kebab-case; `config` names another configuration file. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Variables named `RINGBACK_*` that are not settings, so that nobody is warned of them. */
  readonly otherEnv?: readonly string[];
  /** Whether the log goes to a terminal. */
  readonly isTerminal?: boolean;
  /** The file's text, `null` when there is none. Throws when it cannot be read. */
  readonly readFile: (path: string) => string | null;
}

export type Origins = Readonly<Record<string, string>>;

export type LoadedConfig = {
  /** Every setting, in the order of the schema, also when others are wrong. */
  readonly settings: readonly ResolvedSetting[];
  readonly warnings: readonly ConfigProblem[];
} & (
  | { readonly ok: true; readonly config: Config; readonly origins: Origins }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }
);

const FILE_NAME = 'ringback.yaml';
const FILE_ENV = 'RINGBACK_CONFIG';
const NOT_SET = 'not set';

/**
 * The settings from flags, then the environment, then the configuration file, then the profile.
 *
 * Reports every mistake at once, and reads values that another origin overrides too: a wrong line in
 * the file is a mistake even while a flag hides it.
 */
export function loadConfig(input: ConfigInput): LoadedConfig {
  return new Loader(input).load();
}

interface Found {
  readonly text: string;
  readonly origin: string;
}

class Loader {
  readonly #input: ConfigInput;
  readonly #problems: ConfigProblem[] = [];
  readonly #warnings: ConfigProblem[] = [];

  constructor(input: ConfigInput) {
    this.#input = input;
  }

  load(): LoadedConfig {
    const flags = this.#readFlags();
    const env = this.#readEnv();
    const file = this.#readFile();
    const settings = SETTING_KEYS.map((key) =>
      this.#resolve(key, [flags.get(key), env.get(key), file.get(key)]),
    );
    const values = new Map(settings.map(({ key, value }) => [key, value]));
    this.#derive(values);
    const resolved = settings.map((setting) => ({ ...setting, value: values.get(setting.key) }));
    const checked = checkConfig(this.#input.profile, resolved);
    const problems = [...this.#problems, ...checked.problems];
    const warnings = [...this.#warnings, ...checked.warnings];
    if (problems.length > 0) return { ok: false, problems, warnings, settings: resolved };
    const origins = Object.fromEntries(resolved.map(({ key, origin }) => [key, origin]));
    return { ok: true, config: configOf(resolved), origins, warnings, settings: resolved };
  }

  #resolve(key: SettingKey, candidates: readonly (Found | undefined)[]): ResolvedSetting {
    const { profile, cwd } = this.#input;
    const preset = defaultOf(key, profile);
    const origin = preset === null ? NOT_SET : `default (${profile})`;
    let chosen: ResolvedSetting | null = null;
    for (const found of candidates) {
      if (found === undefined) continue;
      const parsed = parseSettingValue(settingOf(key), found.text, cwd);
      if (!parsed.ok) this.#problems.push({ key, origin: found.origin, ...parsed.mistake });
      chosen ??= { key, value: parsed.ok ? parsed.value : undefined, ...found };
    }
    if (chosen !== null) return chosen;
    if (preset === null) return { key, text: null, value: null, origin };
    const parsed = parseSettingValue(settingOf(key), preset, cwd);
    return { key, text: preset, value: parsed.ok ? parsed.value : undefined, origin };
  }

  /** Fills in what depends on other settings. */
  #derive(values: Map<SettingKey, SettingValue | undefined>): void {
    const dataDir = values.get('dataDir');
    if (values.get('storeUrl') === null && typeof dataDir === 'string') {
      values.set('storeUrl', `sqlite:${join(dataDir, 'ringback.db')}`);
    }
    if (values.get('logFormat') === null) {
      const forPeople = this.#input.profile === 'dev' && this.#input.isTerminal === true;
      values.set('logFormat', forPeople ? 'pretty' : 'json');
    }
  }

  #readFlags(): Map<SettingKey, Found> {
    const found = new Map<SettingKey, Found>();
    const keys = SETTING_KEYS.filter((key) => flagName(key) !== null);
    for (const [name, given] of Object.entries(this.#input.flags)) {
      if (name === 'config' || given === undefined || given === null) continue;
      const key = keys.find((candidate) => candidate === name || flagName(candidate) === `--${name}`);
      const origin = `flag --${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      const text = flagText(given);
      if (key === undefined) this.#refuseName(name, origin, keys);
      else if (text === null) {
        this.#problems.push({ key, origin, message: 'it has no value', fix: `write ${flagName(key)} VALUE` });
      } else found.set(key, { text, origin });
    }
    return found;
  }

  #refuseName(name: string, origin: string, keys: readonly SettingKey[]): void {
    const nearest = keys.find((key) => key === nearestName(name.replaceAll('-', ''), keys));
    const fix = nearest === undefined ? 'remove it' : `perhaps ${flagName(nearest)}`;
    const secret = SETTING_KEYS.find((key) => key === name && flagName(key) === null);
    this.#problems.push({
      key: name,
      origin,
      message: secret === undefined ? 'there is no such flag' : 'secrets are not taken from flags',
      fix: secret === undefined ? fix : `set ${envName(secret)}: other users can read a process's flags`,
    });
  }

  #readEnv(): Map<SettingKey, Found> {
    const { env, readFile, cwd, otherEnv = [] } = this.#input;
    const found = new Map<SettingKey, Found>();
    const known = new Set([FILE_ENV, ...otherEnv]);
    for (const key of SETTING_KEYS) {
      const name = envName(key);
      const fileName = `${name}_FILE`;
      known.add(name);
      // An empty variable counts as absent: Compose files pass on what is not set as "".
      const text = env[name];
      if (text !== undefined && text !== '') found.set(key, { text, origin: `env ${name}` });
      if (!mayComeFromFile(key)) continue;
      known.add(fileName);
      const path = env[fileName];
      if (path === undefined || path === '') continue;
      const origin = `env ${fileName}`;
      const content = this.#readText(resolve(cwd, path), key, origin, readFile);
      if (content !== null && !found.has(key)) found.set(key, { text: content.trim(), origin });
    }
    for (const name of Object.keys(env)) {
      if (name.startsWith('RINGBACK_') && !known.has(name)) this.#warnUnknownEnv(name, [...known]);
    }
    return found;
  }

  #warnUnknownEnv(name: string, known: readonly string[]): void {
    const nearest = nearestName(name, known);
    const fix = nearest === null ? 'remove it' : `perhaps ${nearest}`;
    this.#warnings.push({ key: name, origin: `env ${name}`, message: 'there is no such setting', fix });
  }

  #readFile(): Map<SettingKey, Found> {
    const { flags, env, cwd, readFile } = this.#input;
    const byFlag = flags['config'];
    const byEnv = env[FILE_ENV];
    const named = typeof byFlag === 'string' ? byFlag : byEnv === '' ? undefined : byEnv;
    const path = resolve(cwd, named ?? FILE_NAME);
    const origin =
      named === undefined ? FILE_NAME : typeof byFlag === 'string' ? 'flag --config' : `env ${FILE_ENV}`;
    const text = this.#readText(path, 'config', origin, readFile, named === undefined);
    if (text === null) return new Map();
    return this.#fileSettings(readConfigFile(text), basename(path));
  }

  #fileSettings(file: ConfigFile, name: string): Map<SettingKey, Found> {
    for (const { key, line, message, fix } of file.mistakes) {
      this.#problems.push({ key: key === '' ? name : key, origin: `${name}:${line}`, message, fix });
    }
    return new Map(
      Array.from(file.entries, ([key, { text, line }]) => [key, { text, origin: `${name}:${line}` }]),
    );
  }

  #readText(
    path: string,
    key: string,
    origin: string,
    readFile: ConfigInput['readFile'],
    mayBeMissing = false,
  ): string | null {
    try {
      const text = readFile(path);
      if (text === null && !mayBeMissing) {
        this.#problems.push({ key, origin, message: `there is no file ${path}`, fix: 'correct the path' });
      }
      return text;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const message = `${path} cannot be read (${reason})`;
      this.#problems.push({ key, origin, message, fix: 'make it readable for this user' });
      return null;
    }
  }
}

/** Secrets, and the URLs that may hold a password, can lie in files, as containers mount them. */
export function mayComeFromFile(key: SettingKey): boolean {
  return settingOf(key).secret === true || ['proxy', 'store'].includes(settingOf(key).type);
}

function flagText(given: unknown): string | null {
  if (typeof given === 'string') return given === '' ? null : given;
  if (typeof given === 'number' || typeof given === 'boolean') return String(given);
  return Array.isArray(given) ? given.join(',') : null;
}

function configOf(settings: readonly ResolvedSetting[]): Config {
  const properties = settings.map(({ key, value }) => [configName(key), value]);
  // Each value went through the parser of its setting's type, from which `Config` takes its own; a
  // test holds names and types equal to the schema.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(properties) as Config;
}
