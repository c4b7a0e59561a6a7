import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { loadConfig, type LoadedConfig } from '../config/load.ts';
import { flagName, type Profile, SETTING_KEYS, type SettingKey, settingOf } from '../config/schema.ts';

/** Gives a command one option for each setting that may come from a flag. */
export function withSettings(command: Command): Command {
  command.option('--config <file>', 'configuration file (default: ringback.yaml when it is there)');
  for (const key of SETTING_KEYS) {
    const flag = flagName(key);
    if (flag !== null) command.option(`${flag} <value>`, settingOf(key).description);
  }
  return command;
}

/** The settings that a server started here, with these flags, would have. */
export function loadSettings(profile: Profile, flags: Readonly<Record<string, unknown>>): LoadedConfig {
  return loadConfig({
    profile,
    flags,
    env: process.env,
    cwd: process.cwd(),
    isTerminal: process.stdout.isTTY,
    otherEnv: ['RINGBACK_URL', 'RINGBACK_SIMULATE_SECRET'],
    readFile: (path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
        throw error;
      }
    },
  });
}

/** One setting as text, also when others are wrong; `null` when it is not set or is wrong itself. */
export function settingText(loaded: LoadedConfig, key: SettingKey): string | null {
  const value = loaded.settings.find((setting) => setting.key === key)?.value;
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}
