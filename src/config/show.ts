import { formatDuration, formatSize } from '../domain/units.ts';
import type { LoadedConfig } from './load.ts';
import type { ConfigProblem, ResolvedSetting } from './resolved-setting.ts';
import { envName, flagName, settingOf, type SettingKey } from './schema.ts';

/** One line of `ringback config show`. */
export interface ConfigRow {
  readonly key: SettingKey;
  /** As a person would write it; secrets are masked; `null` = not set. */
  readonly value: string | null;
  readonly origin: string;
  readonly env: string;
  readonly flag: string | null;
  /** What is wrong with it, and the fix. */
  readonly problem: string | null;
  readonly description: string;
}

const MASK = '********';

/** Every setting with its origin, also when some are wrong: nothing of the server is needed. */
export function showConfig(loaded: LoadedConfig): readonly ConfigRow[] {
  const problems = loaded.ok ? [] : loaded.problems;
  return loaded.settings.map((setting) => ({
    key: setting.key,
    value: shownValue(setting),
    origin: setting.origin,
    env: envName(setting.key),
    flag: flagName(setting.key),
    problem: problemOf(setting, problems),
    description: settingOf(setting.key).description,
  }));
}

/** A problem in one line: `port (env RINGBACK_PORT): "x" is not a whole number; write ...`. */
export function formatProblem({ key, origin, message, fix }: ConfigProblem): string {
  return `${key} (${origin}): ${message}; ${fix}`;
}

/** Hides the password of a URL such as that of a store. */
export function maskUrl(text: string): string {
  // Not parsed as a URL: a wrong one may hold a password too.
  return text
    .replace(/^([\w+.-]+:\/\/[^:@/]*):.*@/, `$1:${MASK}@`)
    .replaceAll(/([?&](?:password|sslpassword)=)[^&]*/gi, `$1${MASK}`);
}

function shownValue(setting: ResolvedSetting): string | null {
  const { type, secret } = settingOf(setting.key);
  const { value, text } = setting;
  if (value === null || (value === undefined && text === null)) return null;
  if (secret === true) return MASK;
  if (value === undefined) return maskUrl(text ?? '');
  if (typeof value === 'number') {
    if (type === 'duration') return formatDuration(value);
    return type === 'size' ? formatSize(value) : String(value);
  }
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(',');
  return maskUrl(String(value));
}

function problemOf(setting: ResolvedSetting, problems: readonly ConfigProblem[]): string | null {
  const own = problems.filter(({ key }) => key === setting.key);
  return own.length === 0 ? null : own.map(({ message, fix }) => `${message}; ${fix}`).join(' | ');
}
