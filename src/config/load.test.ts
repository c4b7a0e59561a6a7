import { describe, expect, expectTypeOf, it } from 'vitest';
import { loadConfig, type ConfigInput, type LoadedConfig } from './load.ts';
import { configName, defaultOf, envName, flagName, SETTING_KEYS, settingOf, type Config } from './schema.ts';
import { parseSettingValue } from './setting-value.ts';
import { formatProblem, showConfig } from './show.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');

interface Given extends Partial<Omit<ConfigInput, 'readFile'>> {
  readonly files?: Readonly<Record<string, string>>;
}

function load({ files = {}, ...given }: Given = {}): LoadedConfig {
  return loadConfig({
    profile: 'dev',
    flags: {},
    env: {},
    cwd: '/work',
    ...given,
    readFile: (path) => files[path] ?? null,
  });
}

function config(given: Given = {}): Config {
  const loaded = load(given);
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.config;
}

function problems(given: Given): string[] {
  const loaded = load(given);
  return loaded.ok ? [] : loaded.problems.map(formatProblem);
}

function yaml(text: string): Given {
  return { files: { '/work/ringback.yaml': text } };
}

describe('defaults', () => {
  it('are those of dev', () => {
    expect(config()).toEqual({
      host: '127.0.0.1',
      port: 8420,
      publicUrl: null,
      tlsCert: null,
      tlsKey: null,
      dataDir: '/work/.ringback',
      storeUrl: 'sqlite:/work/.ringback/ringback.db',
      storeMaxBytes: 0,
      role: ['ingest', 'deliver', 'api'],
      apiKey: null,
      secretKeys: null,
      allowPrivate: ['127.0.0.0/8', '::1/128'],
      allowHosts: [],
      denyHosts: [],
      allowHttpDestinations: true,
      outboundProxy: null,
      trustedProxies: [],
      maxBodyBytes: 10 * 1024 ** 2,
      defaultBodyBytes: 1024 ** 2,
      requestTimeoutMs: 30_000,
      ingestMemoryBytes: 128 * 1024 ** 2,
      deliveryMemoryBytes: 128 * 1024 ** 2,
      maxHops: 16,
      maxInFlight: 1_024,
      drainTimeoutMs: 20_000,
      redact: [],
      retentionMs: 30 * 86_400_000,
      retentionBytes: 0,
      dedupeWindowMs: 7 * 86_400_000,
      rejectionsPerSource: 1_000,
      rejectionsBytes: 64 * 1024 ** 2,
      logLevel: 'info',
      logFormat: 'json',
    });
  });

  it('are stricter in production', () => {
    expect(config({ profile: 'production' })).toMatchObject({
      host: '0.0.0.0',
      dataDir: '/var/lib/ringback',
      storeUrl: 'sqlite:/var/lib/ringback/ringback.db',
      allowPrivate: [],
      allowHttpDestinations: false,
    });
  });

  it('make the log readable only on a terminal in dev', () => {
    expect(config({ isTerminal: true }).logFormat).toBe('pretty');
    expect(config({ isTerminal: true, profile: 'production' }).logFormat).toBe('json');
    expect(config({ isTerminal: true, env: { RINGBACK_LOG_FORMAT: 'json' } }).logFormat).toBe('json');
  });

  it('all fit their own setting', () => {
    for (const key of SETTING_KEYS) {
      for (const profile of ['dev', 'production'] as const) {
        const preset = defaultOf(key, profile);
        if (preset !== null)
          expect(parseSettingValue(settingOf(key), preset, '/')).toMatchObject({ ok: true });
      }
    }
  });
});

describe('types', () => {
  it('say what each setting is', () => {
    expectTypeOf<Config['port']>().toEqualTypeOf<number>();
    expectTypeOf<Config['requestTimeoutMs']>().toEqualTypeOf<number>();
    expectTypeOf<Config['maxBodyBytes']>().toEqualTypeOf<number>();
    expectTypeOf<Config['storeUrl']>().toEqualTypeOf<string>();
    expectTypeOf<Config['publicUrl']>().toEqualTypeOf<string | null>();
    expectTypeOf<Config['logFormat']>().toEqualTypeOf<'json' | 'pretty'>();
    expectTypeOf<Config['allowPrivate']>().toEqualTypeOf<readonly string[]>();
    expectTypeOf<Config['secretKeys']>().toEqualTypeOf<readonly Uint8Array[] | null>();
  });

  it('have the names of the schema', () => {
    expect(Object.keys(config())).toEqual(SETTING_KEYS.map(configName));
  });
});

describe('hosts', () => {
  it('are names, addresses and patterns', () => {
    expect(
      config({
        env: {
          RINGBACK_ALLOW_HOSTS: 'Example.com, *.example.org,10.0.0.1',
          RINGBACK_DENY_HOSTS: 'bücher.example',
        },
      }),
    ).toMatchObject({
      allowHosts: ['example.com', '*.example.org', '10.0.0.1'],
      denyHosts: ['xn--bcher-kva.example'],
    });
    expect(problems({ env: { RINGBACK_ALLOW_HOSTS: 'https://a.example' } })).toEqual([
      expect.stringContaining('"https://a.example" is not a host; write hosts such as example.com'),
    ]);
    expect(problems({ env: { RINGBACK_ALLOW_HOSTS: 'a.*.example' } })).toHaveLength(1);
  });
});

describe('the outbound proxy', () => {
  it('is a URL whose password is never shown', () => {
    const loaded = load({ env: { RINGBACK_OUTBOUND_PROXY: 'http://me:hush@proxy.example:3128' } });
    expect(loaded).toMatchObject({ ok: true });
    const row = showConfig(loaded).find(({ key }) => key === 'outboundProxy');
    expect(row?.value).toBe('http://me:********@proxy.example:3128/');
    expect(
      config({ files: { '/p': 'http://p:1\n' }, env: { RINGBACK_OUTBOUND_PROXY_FILE: '/p' } }),
    ).toMatchObject({
      outboundProxy: 'http://p:1/',
    });
    const wrong = problems({ env: { RINGBACK_OUTBOUND_PROXY: 'socks5://me:hush@proxy.example' } });
    expect(wrong).toEqual([expect.stringContaining('not the URL of a proxy; write http://HOST:PORT')]);
    expect(wrong.join()).not.toContain('hush');
  });
});

describe('TLS', () => {
  it('takes certificate and key, or neither', () => {
    expect(config({ env: { RINGBACK_TLS_CERT: 'a.crt', RINGBACK_TLS_KEY: '/b.key' } })).toMatchObject({
      tlsCert: '/work/a.crt',
      tlsKey: '/b.key',
    });
    expect(problems({ env: { RINGBACK_TLS_CERT: 'a.crt' } })).toEqual([
      'tlsCert (env RINGBACK_TLS_CERT): it is of no use without tlsKey; set tlsKey too, or neither',
    ]);
    expect(problems({ flags: { tlsKey: 'b.key' } })).toEqual([
      'tlsKey (flag --tls-key): it is of no use without tlsCert; set tlsCert too, or neither',
    ]);
  });
});

describe('origins', () => {
  it('go flag, environment, file, profile', () => {
    const files = yaml('port: 1\nhost: file.example\nretention: 1d\n').files ?? {};
    const loaded = load({
      files,
      env: { RINGBACK_PORT: '2', RINGBACK_HOST: 'env.example' },
      flags: { port: 3, dataDir: undefined },
    });
    expect(loaded).toMatchObject({
      ok: true,
      config: { port: 3, host: 'env.example', retentionMs: 86_400_000, maxInFlight: 1_024 },
      origins: {
        port: 'flag --port',
        host: 'env RINGBACK_HOST',
        retention: 'ringback.yaml:3',
        maxInFlight: 'default (dev)',
        apiKey: 'not set',
      },
    });
  });

  it('take an empty variable for an absent one', () => {
    expect(config({ env: { RINGBACK_PORT: '' } }).port).toBe(8420);
  });

  it('take flags in either spelling', () => {
    expect(config({ flags: { 'max-body-size': '2MiB' } }).maxBodyBytes).toBe(2 * 1024 ** 2);
    expect(config({ flags: { maxBodySize: '2MiB', logLevel: 'debug' } }).logLevel).toBe('debug');
  });

  it('take another file by flag or variable, and then it must be there', () => {
    const files = { '/etc/rb.yaml': 'port: 9' };
    expect(config({ files, flags: { config: '/etc/rb.yaml' } }).port).toBe(9);
    expect(config({ files, env: { RINGBACK_CONFIG: '../etc/rb.yaml' } }).port).toBe(9);
    expect(problems({ flags: { config: 'no.yaml' } })).toEqual([
      'config (flag --config): there is no file /work/no.yaml; correct the path',
    ]);
  });

  it('take secrets from files', () => {
    const files = { '/run/key': `${KEY}\n`, '/run/store': 'postgres://u:p@db/ringback\n' };
    const env = { RINGBACK_SECRET_KEY_FILE: '/run/key', RINGBACK_STORE_URL_FILE: '/run/store' };
    expect(config({ files, env })).toMatchObject({
      secretKeys: [Buffer.alloc(32, 7)],
      storeUrl: 'postgres://u:p@db/ringback',
    });
  });
});

describe('the configuration file', () => {
  it('may be flat or nested, in camelCase or snake_case', () => {
    const text = `
      log: { level: warn }
      max_in_flight: 5
      rejections: { perSource: 7, size: 2MiB }
      allow_private: [10.0.0.0/8, 'fd00::/8']
      trustedProxies: []
      public_url:
      host: "::1"
    `;
    expect(config(yaml(text))).toMatchObject({
      logLevel: 'warn',
      maxInFlight: 5,
      rejectionsPerSource: 7,
      rejectionsBytes: 2 * 1024 ** 2,
      allowPrivate: ['10.0.0.0/8', 'fd00::/8'],
      trustedProxies: [],
      publicUrl: null,
      tlsCert: null,
      tlsKey: null,
      host: '::1',
    });
  });

  it('tells all of its mistakes at once, with line and fix', () => {
    const text = [
      'port: 99999',
      'retension: 7d',
      'log:',
      '  level: verbose',
      'requestTimeout: 30',
      'allowPrivate: [10.0.0.0/33]',
      'logLevel: info',
    ].join('\n');
    expect(problems(yaml(text))).toEqual([
      'retension (ringback.yaml:2): there is no setting "retension"; perhaps retention',
      'logLevel (ringback.yaml:7): it is already set in line 4; remove one of the two',
      'port (ringback.yaml:1): 99999 is out of range; write a whole number from 0 to 65535',
      'allowPrivate (ringback.yaml:6): "10.0.0.0/33" is not an address block; write blocks such as 10.0.0.0/8,fd00::/8, separated by commas, or none',
      'requestTimeout (ringback.yaml:5): "30" has no unit; write 30ms if that is meant, or another duration such as 200ms, 30s, 5m, 2h or 7d',
      'logLevel (ringback.yaml:4): "verbose" is not one of its values; write one of debug, info, warn, error, silent',
    ]);
  });

  it('may be no YAML or no map', () => {
    expect(problems(yaml('a: [1\nb: }'))[0]).toMatch(
      /^ringback.yaml \(ringback.yaml:\d\): .*; correct the YAML$/,
    );
    expect(problems(yaml('just text'))).toEqual([
      'ringback.yaml (ringback.yaml:1): the file does not hold settings; write lines such as "port: 8420"',
    ]);
    expect(problems(yaml('port: {a: 1}'))).toHaveLength(1);
    expect(problems(yaml('# nothing\n'))).toEqual([]);
  });

  it('may be unreadable', () => {
    const loaded = loadConfig({
      profile: 'dev',
      flags: {},
      env: {},
      cwd: '/work',
      readFile: () => {
        throw new Error('EACCES');
      },
    });
    expect(loaded).toMatchObject({ ok: false, problems: [{ key: 'config', origin: 'ringback.yaml' }] });
  });
});

describe('mistakes', () => {
  it('are told from every origin at once, also where another one hides them', () => {
    const found = problems({
      files: { '/work/ringback.yaml': 'port: no\nstore_url: mysql://x' },
      env: { RINGBACK_PORT: '-1', RINGBACK_PUBLIC_URL: 'hooks.example.com' },
      flags: { port: '80', retenion: '1d', apiKey: 'x', host: 'a:1' },
    });
    expect(found).toEqual([
      'retenion (flag --retenion): there is no such flag; perhaps --retention',
      "apiKey (flag --api-key): secrets are not taken from flags; set RINGBACK_API_KEY: other users can read a process's flags",
      'host (flag --host): "a:1" is neither an address nor a host name; write an address such as 127.0.0.1, without scheme and port',
      'port (env RINGBACK_PORT): -1 is out of range; write a whole number from 0 to 65535',
      'port (ringback.yaml:1): "no" is not a whole number; write a whole number from 0 to 65535',
      'publicUrl (env RINGBACK_PUBLIC_URL): "hooks.example.com" is not an http or https URL; write a URL such as https://hooks.example.com',
      'storeUrl (ringback.yaml:2): it is not the URL of a store; write sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or memory:',
    ]);
  });

  it('never repeat a secret', () => {
    const env = {
      RINGBACK_SECRET_KEY: 'hunter2',
      RINGBACK_API_KEY: 'hunter2 ',
      RINGBACK_STORE_URL: 'x:hunter2',
    };
    expect(problems({ env })).toHaveLength(3);
    expect(JSON.stringify(problems({ env }))).not.toContain('hunter2');
  });

  it('are also settings that do not fit each other', () => {
    expect(
      problems({ flags: { maxBodySize: '1MiB', defaultBodySize: '2MiB', ingestMemory: '1MiB' } }),
    ).toEqual([
      'defaultBodySize (flag --default-body-size): it is more than maxBodySize; write at most 1MiB',
    ]);
    expect(problems({ flags: { ingestMemory: '1MiB' } })).toHaveLength(1);
  });
});

describe('warnings', () => {
  it('name unknown variables and what was probably meant', () => {
    const loaded = load({
      env: { RINGBACK_PROT: '1', RINGBACK_URL: 'x', PATH: '/bin' },
      otherEnv: ['RINGBACK_URL'],
    });
    expect(loaded.ok).toBe(true);
    expect(loaded.warnings.map(formatProblem)).toEqual([
      'RINGBACK_PROT (env RINGBACK_PROT): there is no such setting; perhaps RINGBACK_PORT',
    ]);
  });
});

describe('production', () => {
  it('refuses what is insecure', () => {
    const given: Given = {
      profile: 'production',
      env: {
        RINGBACK_API_KEY: 'short',
        RINGBACK_ALLOW_PRIVATE: '0.0.0.0/0',
        RINGBACK_TRUSTED_PROXIES: '::/0',
        RINGBACK_STORE_URL: 'memory:',
      },
    };
    expect(problems(given).map((problem) => problem.split(' ')[0])).toEqual([
      'allowPrivate',
      'trustedProxies',
      'apiKey',
      'storeUrl',
    ]);
    expect(problems({ ...given, profile: 'dev' })).toEqual([]);
  });

  it('warns of a public URL that is missing or not encrypted', () => {
    expect(load({ profile: 'production' }).warnings).toMatchObject([{ key: 'publicUrl', origin: 'not set' }]);
    const env = { RINGBACK_PUBLIC_URL: 'http://hooks.example.com/' };
    expect(load({ profile: 'production', env }).warnings).toMatchObject([{ key: 'publicUrl' }]);
  });
});

describe('show', () => {
  it('masks secrets and passwords and tells every origin', () => {
    const loaded = load({
      env: {
        RINGBACK_API_KEY: 'rb_visible',
        RINGBACK_SECRET_KEY: KEY,
        RINGBACK_STORE_URL: 'postgres://rb:hunter2@db:5432/ringback?sslpassword=hunter2',
      },
    });
    const rows = showConfig(loaded);
    expect(rows.map(({ key }) => key)).toEqual(SETTING_KEYS);
    const text = JSON.stringify(rows);
    for (const secret of ['hunter2', 'rb_visible', KEY]) expect(text).not.toContain(secret);
    expect(rows.find(({ key }) => key === 'storeUrl')).toMatchObject({
      value: 'postgres://rb:********@db:5432/ringback?sslpassword=********',
      origin: 'env RINGBACK_STORE_URL',
    });
    expect(rows.find(({ key }) => key === 'maxBodySize')).toMatchObject({
      value: '10MiB',
      origin: 'default (dev)',
      env: 'RINGBACK_MAX_BODY_SIZE',
      flag: '--max-body-size',
    });
    expect(rows.find(({ key }) => key === 'publicUrl')?.value).toBeNull();
  });

  it('works when the configuration is wrong', () => {
    const env = { RINGBACK_PORT: 'x', RINGBACK_STORE_URL: 'mysql://u:hunter2@h', RINGBACK_HOST: '::1' };
    const rows = showConfig(load({ env }));
    expect(rows.find(({ key }) => key === 'port')).toMatchObject({
      value: 'x',
      origin: 'env RINGBACK_PORT',
      problem: '"x" is not a whole number; write a whole number from 0 to 65535',
    });
    expect(rows.find(({ key }) => key === 'host')).toMatchObject({ value: '::1', problem: null });
    expect(JSON.stringify(rows)).not.toContain('hunter2');
  });
});

describe('names', () => {
  it('follow from the key', () => {
    expect(envName('rejectionsPerSource')).toBe('RINGBACK_REJECTIONS_PER_SOURCE');
    expect(flagName('rejectionsPerSource')).toBe('--rejections-per-source');
    expect(flagName('apiKey')).toBeNull();
  });
});
