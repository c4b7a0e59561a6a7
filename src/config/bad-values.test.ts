import { describe, expect, it } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from '../domain/units.ts';
import { loadConfig, mayComeFromFile, type ConfigInput, type LoadedConfig } from './load.ts';
import type { ConfigProblem } from './resolved-setting.ts';
import {
  defaultOf,
  envName,
  flagName,
  SETTING_KEYS,
  settingOf,
  type Setting,
  type SettingKey,
  type SettingType,
} from './schema.ts';
import { parseSettingValue } from './setting-value.ts';

/** What is no value of a type, whatever its range: a new type does not compile without an entry. */
const WRONG: Readonly<Record<SettingType, readonly string[]>> = {
  string: ['two words', 'line\nbreak'],
  secret: ['two words', 'line\nbreak'],
  host: ['a:1', 'http://a.example', '256.1.1.1', '-a'],
  port: ['http', '-1', '65536', '80.5', '0x50', '80s'],
  integer: ['many', '1.5', '1e3', '0x10', '5s', '9007199254740993'],
  duration: ['soon', '30', '1.5', '-5s', '5 s', '2w', '10MiB', '1S'],
  size: ['large', '1000', '-1KiB', '10MB', '10 MiB', '1h', '1kib'],
  boolean: ['maybe', '2', 'truee'],
  cidrs: ['10.0.0.0/33', 'fd00::/129', 'a.example', '10.0.0.0/8/8', '10.0.0.0/8,10.0.0'],
  hosts: ['https://a.example', 'a.*.example', 'a.example,b example'],
  roles: ['worker', 'ingest,worker', 'none', 'ingest;deliver'],
  fields: ['/', '/a/', 'a/b', '/a~2', 'email,/'],
  enum: ['no-such-choice'],
  keys: ['c2hvcnQ=', Buffer.alloc(31, 7).toString('base64'), `${Buffer.alloc(32, 7).toString('base64')},no`],
  url: ['hooks.example.com', 'ftp://a.example', 'https://u:p@a.example', 'https://a.example/?q', '//a'],
  path: ['a\u0000b', 'line\nbreak'],
  proxy: ['proxy.example', 'socks5://proxy.example', 'http://proxy.example/path'],
  store: ['mysql://h/d', 'postgres://h', 'sqlite:', 'ringback.db', 'sqlite:a\u0000b'],
};

/** Just outside of the least and the greatest value. */
function beyond(setting: Setting): string[] {
  const { type, min, max } = setting;
  const [parse, format] =
    type === 'duration'
      ? ([parseDuration, formatDuration] as const)
      : type === 'size'
        ? ([parseSize, formatSize] as const)
        : ([Number, String] as const);
  const least = min === undefined ? 0 : (parse(min) ?? 0);
  const below = least > 0 ? [format(least - 1)] : [];
  return max === undefined ? below : [...below, format((parse(max) ?? Number.NaN) + 1)];
}

function wrongTexts(key: SettingKey): string[] {
  const setting = settingOf(key);
  const choices = (setting.choices ?? []).map((choice) => choice.toUpperCase());
  return [...WRONG[setting.type], ...beyond(setting), ...choices, '  '];
}

/** One of a type that takes several values: in the file a list of them is a value. */
function isList(key: SettingKey): boolean {
  return ['cidrs', 'hosts', 'roles', 'fields', 'keys'].includes(settingOf(key).type);
}

interface Given extends Partial<Omit<ConfigInput, 'readFile'>> {
  readonly files?: Readonly<Record<string, string>>;
}

function load({ files = {}, ...given }: Given): LoadedConfig {
  const input = { profile: 'dev' as const, flags: {}, env: {}, cwd: '/work' };
  return loadConfig({ ...input, ...given, readFile: (path) => files[path] ?? null });
}

function problems(given: Given): readonly ConfigProblem[] {
  const loaded = load(given);
  return loaded.ok ? [] : loaded.problems;
}

function yaml(...lines: readonly string[]): Given {
  return { files: { '/work/ringback.yaml': lines.join('\n') } };
}

/** The same text from everywhere that the setting can come from. */
function origins(key: SettingKey, text: string): (readonly [origin: string, given: Given])[] {
  const flag = flagName(key);
  const env = envName(key);
  return [
    ...(flag === null ? [] : [[`flag ${flag}`, { flags: { [key]: text } }] as const]),
    [`env ${env}`, { env: { [env]: text } }],
    ...(mayComeFromFile(key)
      ? [[`env ${env}_FILE`, { env: { [`${env}_FILE`]: '/value' }, files: { '/value': text } }] as const]
      : []),
    ['ringback.yaml:2', yaml('# settings', `${key}: ${JSON.stringify(text)}`)],
  ];
}

function expectTold(found: readonly ConfigProblem[], key: string, origin: string): ConfigProblem {
  expect(found.map((problem) => [problem.key, problem.origin])).toEqual([[key, origin]]);
  const [problem] = found;
  if (problem === undefined) throw new Error('nothing was told');
  expect(problem.message).not.toBe('');
  expect(problem.fix).not.toBe('');
  return problem;
}

describe.each(SETTING_KEYS)('%s', (key) => {
  const setting = settingOf(key);

  it('refuses what it cannot be, with key, origin and fix, wherever it comes from', () => {
    for (const text of wrongTexts(key)) {
      for (const [origin, given] of origins(key, text)) {
        const told = expectTold(problems(given), key, origin);
        const mayBeSecret = setting.secret === true || ['proxy', 'store'].includes(setting.type);
        // The fix names what URLs begin with, so a text that is only that is no secret.
        if (mayBeSecret && text.length > 'sqlite:'.length) {
          expect(`${told.message} ${told.fix}`).not.toContain(text);
        }
      }
    }
  });

  it('takes its least, its greatest and its default', () => {
    const presets = [defaultOf(key, 'dev'), defaultOf(key, 'production')];
    for (const text of [setting.min, setting.max, ...presets, ...(setting.choices ?? [])]) {
      if (text === undefined || text === null) continue;
      expect(parseSettingValue(setting, text, '/'), text).toMatchObject({ ok: true });
    }
  });

  it('refuses in the file what is no value at all', () => {
    const forms = ['{ a: 1 }', '[[1]]', '[{ a: 1 }]', '""', ...(isList(key) ? [] : ['[a, b]', '[]'])];
    for (const form of forms) {
      expectTold(problems(yaml(`${key}: ${form}`)), key, 'ringback.yaml:1');
    }
  });

  it('is refused twice in a file, and without a value as a flag', () => {
    const line = `${key}: ${JSON.stringify(wrongTexts(key)[0])}`;
    expect(problems(yaml(line, line))).toMatchObject([
      { key, origin: 'ringback.yaml:2', message: 'it is already set in line 1' },
      { key, origin: 'ringback.yaml:1' },
    ]);
    const flag = flagName(key);
    const given = { flags: { [key]: '' } };
    if (flag === null)
      expect(problems(given)).toMatchObject([{ key, fix: expect.stringContaining('set RINGBACK_') }]);
    else expect(expectTold(problems(given), key, `flag ${flag}`).fix).toBe(`write ${flag} VALUE`);
  });

  it('is named when its name is misspelled', () => {
    const wrong = `${key}x`;
    const inFile = expectTold(problems(yaml(`${wrong}: 1`)), wrong, 'ringback.yaml:1');
    expect(inFile.fix).toBe(`perhaps ${key}`);
    const name = `${envName(key)}X`;
    // A variable may be another program's, so it is told and no mistake.
    const loaded = load({ env: { [name]: '1' } });
    expect(loaded).toMatchObject({ ok: true, warnings: [{ key: name, origin: `env ${name}` }] });
    expect(loaded.warnings[0]?.fix).toBe(`perhaps ${envName(key)}`);
    const flag = flagName(key);
    if (flag === null) return;
    expect(expectTold(problems({ flags: { [wrong]: '1' } }), wrong, `flag ${flag}x`).fix).toBe(
      `perhaps ${flag}`,
    );
  });
});

describe('a file of nothing but mistakes', () => {
  it('is told all of them at once, each at its line', () => {
    const lines = SETTING_KEYS.flatMap((key) => [
      `${key}: ${JSON.stringify(wrongTexts(key)[0])}`,
      `${key}x: 1`,
    ]);
    const expected = SETTING_KEYS.flatMap((key, index) => [
      `${key} ringback.yaml:${2 * index + 1}`,
      `${key}x ringback.yaml:${2 * index + 2}`,
    ]);
    const found = problems(yaml(...lines));
    expect(found.map(({ key, origin }) => `${key} ${origin}`).toSorted()).toEqual(expected.toSorted());
    expect(found.filter(({ fix, message }) => fix === '' || message === '')).toEqual([]);
  });
});

describe('roles', () => {
  it('are in one order, whatever is written', () => {
    const env = { RINGBACK_ROLE: 'API, deliver,api', RINGBACK_STORE_URL: 'postgres://h/d' };
    expect(load({ env })).toMatchObject({ ok: true, config: { role: ['deliver', 'api'] } });
  });

  it('are all needed over a store for one process', () => {
    const found = problems({ env: { RINGBACK_ROLE: 'ingest' } });
    expect(expectTold(found, 'role', 'env RINGBACK_ROLE').fix).toContain('set storeUrl to postgres://');
  });
});
