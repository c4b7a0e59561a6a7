import { NODE_ROLES } from '../domain/node-role.ts';
import { formatSize } from '../domain/units.ts';
import type { ConfigProblem, ResolvedSetting } from './resolved-setting.ts';
import type { Profile, SettingKey, SettingValue } from './schema.ts';

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
  const originOf = (key: SettingKey): string => byKey.get(key)?.origin ?? '';
  const found: Findings = {
    value: (key) => byKey.get(key)?.value,
    refuse: (key, message, fix) => void problems.push({ key, origin: originOf(key), message, fix }),
    warn: (key, message, fix) => void warnings.push({ key, origin: originOf(key), message, fix }),
  };
  checkTogether(found);
  if (profile === 'production') checkProduction(found);
  return { problems, warnings };
}

/** The settings, and where what is found about them goes. */
interface Findings {
  readonly value: (key: SettingKey) => SettingValue | undefined;
  readonly refuse: (key: SettingKey, message: string, fix: string) => void;
  readonly warn: (key: SettingKey, message: string, fix: string) => void;
}

function checkTogether({ value, refuse, warn }: Findings): void {
  const number = (key: SettingKey): number => Number(value(key) ?? Number.NaN);
  const maxBodyBytes = number('maxBodySize');
  if (number('defaultBodySize') > maxBodyBytes) {
    refuse('defaultBodySize', 'it is more than maxBodySize', `write at most ${formatSize(maxBodyBytes)}`);
  }
  for (const key of ['ingestMemory', 'deliveryMemory'] as const) {
    if (number(key) < maxBodyBytes) {
      const fix = `write at least ${formatSize(maxBodyBytes)}, or lower maxBodySize`;
      refuse(key, 'a single body of maxBodySize would not fit', fix);
    }
  }
  if (number('dedupeWindow') > number('retention')) {
    const fix = 'lengthen retention or shorten dedupeWindow';
    warn('dedupeWindow', 'events are forgotten before the window ends', fix);
  }
  const roles = value('role');
  const isShared = /^postgres(ql)?:/.test(String(value('storeUrl') ?? ''));
  if (Array.isArray(roles) && roles.length < NODE_ROLES.length && !isShared) {
    const fix = 'leave role out, or set storeUrl to postgres://... for all nodes';
    refuse('role', 'no other process can do the rest: this store is for one process alone', fix);
  }
  for (const [given, missing] of TLS_PAIR) {
    // A wrong one is told already.
    if ((value(given) ?? null) === null || value(missing) !== null) continue;
    refuse(given, `it is of no use without ${missing}`, `set ${missing} too, or neither`);
  }
}

const TLS_PAIR = [
  ['tlsCert', 'tlsKey'],
  ['tlsKey', 'tlsCert'],
] as const;

function checkProduction({ value, refuse, warn }: Findings): void {
  const text = (key: SettingKey): string => String(value(key) ?? '');
  for (const key of ['allowPrivate', 'trustedProxies'] as const) {
    if (coversEverything(value(key))) {
      refuse(key, 'it covers every address', 'name the networks that are meant');
    }
  }
  const apiKey = text('apiKey');
  if (apiKey !== '' && apiKey.length < MIN_API_KEY_CHARS) {
    const fix = `use at least ${MIN_API_KEY_CHARS} random characters: openssl rand -hex 24`;
    refuse('apiKey', 'it is short enough to be guessed', fix);
  }
  if (text('storeUrl') === 'memory:') {
    refuse('storeUrl', 'accepted events would be lost at exit', 'write sqlite:PATH or postgres://...');
  }
  if (text('publicUrl') === '') {
    const fix = 'set it to the URL that senders use, e.g. https://hooks.example.com';
    warn('publicUrl', 'ingest URLs will name the address that the gateway listens on', fix);
  } else if (text('publicUrl').startsWith('http:')) {
    warn('publicUrl', 'senders would send secrets and bodies unencrypted', 'use an https URL');
  }
}

function coversEverything(value: unknown): boolean {
  return Array.isArray(value) && value.some((block) => String(block).endsWith('/0'));
}
