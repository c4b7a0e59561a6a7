import { formatSize } from '../domain/units.ts';
import type { ConfigProblem, ResolvedSetting } from './resolved-setting.ts';
import type { Profile, SettingKey } from './schema.ts';

const MIN_API_KEY_CHARS = 16;

/**
 * What is wrong or unwise about settings taken together, and what `production` does not allow.
 */
export function checkConfig(
  profile: Profile,
  settings: readonly ResolvedSetting[],
): { readonly problems: readonly ConfigProblem[]; readonly warnings: readonly ConfigProblem[] } {
  const byKey = new Map(settings.map((setting) => [setting.key, setting]));
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const tell = (list: ConfigProblem[], key: SettingKey, message: string, fix: string): void => {
    list.push({ key, origin: byKey.get(key)?.origin ?? '', message, fix });
  };
  const number = (key: SettingKey): number => Number(byKey.get(key)?.value ?? Number.NaN);
  const text = (key: SettingKey): string => String(byKey.get(key)?.value ?? '');

  const maxBodyBytes = number('maxBodySize');
  if (number('defaultBodySize') > maxBodyBytes) {
    tell(
      problems,
      'defaultBodySize',
      'it is more than maxBodySize',
      `write at most ${formatSize(maxBodyBytes)}`,
    );
  }
  for (const key of ['ingestMemory', 'deliveryMemory'] as const) {
    if (number(key) < maxBodyBytes) {
      const fix = `write at least ${formatSize(maxBodyBytes)}, or lower maxBodySize`;
      tell(problems, key, 'a single body of maxBodySize would not fit', fix);
    }
  }
  if (number('dedupeWindow') > number('retention')) {
    const fix = 'lengthen retention or shorten dedupeWindow';
    tell(warnings, 'dedupeWindow', 'events are forgotten before the window ends', fix);
  }
  if (profile === 'dev') return { problems, warnings };

  for (const key of ['allowPrivate', 'trustedProxies'] as const) {
    if (coversEverything(byKey.get(key)?.value)) {
      tell(problems, key, 'it covers every address', 'name the networks that are meant');
    }
  }
  const apiKey = text('apiKey');
  if (apiKey !== '' && apiKey.length < MIN_API_KEY_CHARS) {
    const fix = `use at least ${MIN_API_KEY_CHARS} random characters: openssl rand -hex 24`;
    tell(problems, 'apiKey', 'it is short enough to be guessed', fix);
  }
  if (text('storeUrl') === 'memory:') {
    tell(
      problems,
      'storeUrl',
      'accepted events would be lost at exit',
      'write sqlite:PATH or postgres://...',
    );
  }
  if (text('publicUrl') === '') {
    const fix = 'set it to the URL that senders use, e.g. https://hooks.example.com';
    tell(warnings, 'publicUrl', 'ingest URLs will name the address that the gateway listens on', fix);
  } else if (text('publicUrl').startsWith('http:')) {
    tell(warnings, 'publicUrl', 'senders would send secrets and bodies unencrypted', 'use an https URL');
  }
  return { problems, warnings };
}

function coversEverything(value: unknown): boolean {
  return Array.isArray(value) && value.some((block) => String(block).endsWith('/0'));
}
