import type { SettingKey, SettingValue } from './schema.ts';

/** A mistake, or for a warning something to look at, with what to do about it. */
export interface ConfigProblem {
  /** The setting, or what was written in its place. */
  readonly key: string;
  /** `flag --port`, `env RINGBACK_PORT`, `ringback.yaml:12` or `default (dev)`. */
  readonly origin: string;
  readonly message: string;
  readonly fix: string;
}

/** One setting as it was found. `value` is `undefined` when it is wrong. */
export interface ResolvedSetting {
  readonly key: SettingKey;
  readonly text: string | null;
  readonly value: SettingValue | undefined;
  readonly origin: string;
}
