import type { NodeRole } from '../domain/node-role.ts';

/** `dev` is `npm start`: loopback only. `production` is `ringback start`. */
export type Profile = 'dev' | 'production';

export type SettingType =
  | 'string'
  | 'host'
  | 'port'
  | 'integer'
  | 'duration'
  | 'size'
  | 'boolean'
  | 'cidrs'
  | 'hosts'
  | 'roles'
  | 'fields'
  | 'enum'
  | 'secret'
  | 'keys'
  | 'url'
  | 'path'
  | 'proxy'
  | 'store';

export interface Setting {
  readonly type: SettingType;
  /** As a person would write it, for each profile where they differ; `null` = not set. */
  readonly default: string | null | { readonly dev: string | null; readonly production: string | null };
  /** What is used when the default is `null`, in words, for people. */
  readonly whenUnset?: string;
  /** True when loading puts a value in place of `null`, so that the server never sees `null`. */
  readonly derived?: true;
  readonly choices?: readonly string[];
  /** The least and greatest value, written like the value itself. */
  readonly min?: string;
  readonly max?: string;
  readonly secret?: true;
  readonly description: string;
}

/**
 * Every setting there is. Environment names, flags, the configuration file's keys, `Config`,
 * `ringback config show` and docs/reference/configuration.md all come from this list.
 */
export const SETTINGS = {
  host: {
    type: 'host',
    default: { dev: '127.0.0.1', production: '0.0.0.0' },
    description: 'Address that the gateway listens on.',
  },
  port: {
    type: 'port',
    default: '8420',
    description: 'Port that the gateway listens on; 0 takes any free one.',
  },
  publicUrl: {
    type: 'url',
    default: null,
    whenUnset: 'made from the address that the gateway listens on',
    description: 'URL under which senders reach the gateway; ingest URLs begin with it.',
  },
  tlsCert: {
    type: 'path',
    default: null,
    whenUnset: 'the gateway speaks plain http',
    description: 'Certificate chain (PEM) with which the gateway serves https; read again when it changes.',
  },
  tlsKey: {
    type: 'path',
    default: null,
    whenUnset: 'the gateway speaks plain http',
    description: 'Private key (PEM) of `tlsCert`.',
  },
  dataDir: {
    type: 'path',
    default: { dev: './.ringback', production: '/var/lib/ringback' },
    description: 'Directory of the embedded store and of keys that the gateway makes itself.',
  },
  storeUrl: {
    type: 'store',
    default: null,
    derived: true,
    whenUnset: '`ringback.db` in the data directory',
    description: 'Where events are kept: `sqlite:PATH`, `postgres://...` or `memory:` (lost at exit).',
  },
  storeMaxSize: {
    type: 'size',
    default: '0',
    min: '0',
    description: 'Size of the store at which ingest answers 503 instead of filling the disk; 0 is no limit.',
  },
  role: {
    type: 'roles',
    default: 'ingest,deliver,api',
    description:
      'What this node does where several share a PostgreSQL store: `ingest`, `deliver`, `api`, or some of them.',
  },
  apiKey: {
    type: 'secret',
    default: null,
    whenUnset: 'in `dev`, a key is made and kept in the data directory',
    secret: true,
    description: 'First admin API key, to set up the others with.',
  },
  secretKey: {
    type: 'keys',
    default: null,
    whenUnset: 'a key is made and kept in the data directory',
    secret: true,
    description:
      'Key that encrypts secrets at rest: 32 bytes in base64. Several, separated by commas, to rotate: the first encrypts, all decrypt.',
  },
  allowPrivate: {
    type: 'cidrs',
    default: { dev: '127.0.0.0/8,::1/128', production: 'none' },
    description: 'Private networks that destinations may reach; all others are refused.',
  },
  allowHosts: {
    type: 'hosts',
    default: 'none',
    description:
      'When any are named, the only hosts that destinations may be at: `example.com`, `*.example.com`.',
  },
  denyHosts: {
    type: 'hosts',
    default: 'none',
    description: 'Hosts that destinations may not be at; stronger than `allowHosts`.',
  },
  allowHttpDestinations: {
    type: 'boolean',
    default: { dev: 'true', production: 'false' },
    description: 'Whether destinations may have http URLs, over which bodies travel unencrypted.',
  },
  outboundProxy: {
    type: 'proxy',
    default: null,
    whenUnset: 'connections go straight to destinations',
    description: 'HTTP proxy through which every delivery is tunnelled: `http://user:password@host:3128`.',
  },
  trustedProxies: {
    type: 'cidrs',
    default: 'none',
    description: 'Proxies whose `X-Forwarded-*` headers are believed.',
  },
  maxBodySize: {
    type: 'size',
    default: '10MiB',
    min: '1KiB',
    max: '1GiB',
    description: 'Largest body that any source may be set to accept.',
  },
  defaultBodySize: {
    type: 'size',
    default: '1MiB',
    min: '1KiB',
    max: '1GiB',
    description: 'Largest body that a source accepts when it says nothing itself.',
  },
  requestTimeout: {
    type: 'duration',
    default: '30s',
    min: '1s',
    max: '10m',
    description: 'Time in which a request must have arrived whole.',
  },
  ingestMemory: {
    type: 'size',
    default: '128MiB',
    min: '1MiB',
    description: 'Bodies waiting to be stored; beyond it ingest answers 503 with `Retry-After`.',
  },
  deliveryMemory: {
    type: 'size',
    default: '128MiB',
    min: '1MiB',
    description: 'Bodies of attempts in flight; beyond it deliveries wait in the store.',
  },
  maxInFlight: {
    type: 'integer',
    default: '1024',
    min: '1',
    max: '65536',
    description: 'Attempts in flight at once, over all destinations.',
  },
  drainTimeout: {
    type: 'duration',
    default: '20s',
    min: '0',
    max: '10m',
    description: 'Time that attempts in flight get to finish when the gateway is told to stop.',
  },
  maxHops: {
    type: 'integer',
    default: '16',
    min: '1',
    max: '1000',
    description:
      'Deliveries in a row after which a chain of events is ended: what comes then is kept, but goes nowhere.',
  },
  redact: {
    type: 'fields',
    default: 'none',
    description:
      'Payload fields of every event whose values nobody is shown, beside those that sources name: names such as `email`, or JSON pointers such as `/data/card/number`.',
  },
  retention: {
    type: 'duration',
    default: '30d',
    min: '1m',
    description: 'Time for which events, deliveries and their attempts are kept.',
  },
  retentionSize: {
    type: 'size',
    default: '0',
    min: '0',
    description:
      'Size of the store above which the oldest finished events go, whatever their age; 0 is no limit.',
  },
  dedupeWindow: {
    type: 'duration',
    default: '7d',
    min: '0',
    description: 'Time in which a repeated event is recognised when its source says nothing itself.',
  },
  rejectionsPerSource: {
    type: 'integer',
    default: '1000',
    min: '0',
    max: '1000000',
    description: 'Refused requests that are kept for each source, the newest.',
  },
  rejectionsSize: {
    type: 'size',
    default: '64MiB',
    min: '0',
    description: 'Room for refused requests, over all sources.',
  },
  logLevel: {
    type: 'enum',
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error', 'silent'],
    description: 'Least important lines that are logged.',
  },
  logFormat: {
    type: 'enum',
    default: null,
    derived: true,
    whenUnset: '`pretty` on a terminal in `dev`, `json` otherwise',
    choices: ['json', 'pretty'],
    description: 'One JSON object per line, or lines for people.',
  },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingKey = keyof typeof SETTINGS;

export const SETTING_KEYS: readonly SettingKey[] = Object.keys(SETTINGS).filter(isSettingKey);

type ConfigName<Key extends SettingKey> = (typeof SETTINGS)[Key]['type'] extends 'duration'
  ? `${Key}Ms`
  : (typeof SETTINGS)[Key]['type'] extends 'size'
    ? Key extends `${infer Name}Size`
      ? `${Name}Bytes`
      : `${Key}Bytes`
    : (typeof SETTINGS)[Key]['type'] extends 'keys'
      ? `${Key}s`
      : Key;

type TypedValue<One extends Setting> = One['type'] extends 'port' | 'integer' | 'duration' | 'size'
  ? number
  : One['type'] extends 'boolean'
    ? boolean
    : One['type'] extends 'cidrs' | 'hosts' | 'fields'
      ? readonly string[]
      : One['type'] extends 'roles'
        ? readonly NodeRole[]
        : One['type'] extends 'keys'
          ? readonly Uint8Array[]
          : One extends { readonly choices: readonly (infer Choice)[] }
            ? Choice
            : string;

type Value<One extends Setting> = One extends { readonly derived: true }
  ? TypedValue<One>
  : One extends { readonly default: null }
    ? TypedValue<One> | null
    : TypedValue<One>;

/**
 * The settings as the server uses them: durations in milliseconds (`requestTimeoutMs`), sizes in bytes
 * (`maxBodyBytes`), paths absolute, `secretKeys` as bytes.
 */
export type Config = {
  readonly [Key in SettingKey as ConfigName<Key>]: Value<(typeof SETTINGS)[Key]>;
};

/** What a setting's value can be once it is read. */
export type SettingValue = string | number | boolean | readonly string[] | readonly Uint8Array[] | null;

export function isSettingKey(name: string): name is SettingKey {
  return Object.hasOwn(SETTINGS, name);
}

export function settingOf(key: SettingKey): Setting {
  return SETTINGS[key];
}

/** The property of `Config`: `requestTimeout` -> `requestTimeoutMs`. `ConfigName` says the same. */
export function configName(key: SettingKey): string {
  const { type } = settingOf(key);
  if (type === 'duration') return `${key}Ms`;
  if (type === 'size') return `${key.replace(/Size$/, '')}Bytes`;
  return type === 'keys' ? `${key}s` : key;
}

/** `maxBodySize` -> `RINGBACK_MAX_BODY_SIZE`. */
export function envName(key: SettingKey): string {
  return `RINGBACK_${words(key).join('_').toUpperCase()}`;
}

/**
 * `maxBodySize` -> `--max-body-size`; `null` for secrets: every user of a machine can read the
 * arguments of its processes.
 */
export function flagName(key: SettingKey): string | null {
  return settingOf(key).secret === true ? null : `--${words(key).join('-')}`;
}

export function defaultOf(key: SettingKey, profile: Profile): string | null {
  const byProfile = settingOf(key).default;
  return byProfile === null || typeof byProfile === 'string' ? byProfile : byProfile[profile];
}

function words(key: string): string[] {
  return key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
