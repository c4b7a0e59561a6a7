import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { INVOICE_DEFINITION } from '../support/protobuf-definitions.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { TEST_CERTIFICATE, TEST_PRIVATE_KEY } from './receivers/tls-fixture.ts';
import { type CliRun, runCli } from './run-cli.ts';

type Json = Readonly<Record<string, unknown>>;

const KINDS = ['event_types', 'destinations', 'sources', 'subscriptions'] as const;
type Kind = (typeof KINDS)[number];

const PROTOBUF = { descriptor_set: INVOICE_DEFINITION.descriptorSet, message: INVOICE_DEFINITION.message };
const AMOUNT = { type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] };
const DUE = { ...AMOUNT, properties: { ...AMOUNT.properties, due: { type: 'string' } } };
/** A text that would be a reference if it were not escaped. */
const NO_REFERENCE = '$${env:HOME}';

/** Every field that the API takes, with every value of those that have few. A test below sees to it. */
const SETTINGS: Readonly<Record<Kind, Readonly<Record<string, Json>>>> = {
  event_types: {
    'invoice.paid': {
      description: 'An invoice was paid.',
      compatibility: 'backward',
      versions: [
        { version: 1, description: 'the first', schema: AMOUNT, examples: [{ amount: 1 }] },
        { version: 4, description: 'with a due date', schema: DUE },
      ],
      converters: [
        { from: 1, to: 4, expression: '{"amount": data.amount, "due": ""}' },
        { from: 4, to: 1, expression: '{"amount": data.amount}' },
      ],
    },
    'invoice.binary': { compatibility: 'none', versions: [{ protobuf: PROTOBUF }] },
    'invoice.sent': { compatibility: 'forward' },
    'invoice.lost': { compatibility: 'full' },
  },
  destinations: {
    crm: {
      kind: 'webhook',
      url: 'https://crm.example.com/hook?a=1',
      headers: { 'X-Team': 'billing', 'X-Home': NO_REFERENCE },
      timeout: '90s',
      max_in_flight: 7,
      rate_limit: { limit: 2.5, period: '60s' },
      auth: { type: 'bearer', token: '${env:CRM_TOKEN}' },
      tls: {
        client_cert: '${env:CRM_CLIENT_CERT}',
        client_key: '${env:CRM_CLIENT_KEY}',
        ca: TEST_CERTIFICATE,
      },
      signing: { scheme: 'standard', secret: '${env:CRM_SIGNING_SECRET}' },
      allow_own_ingest: true,
    },
    erp: {
      url: 'https://erp.example.com/',
      auth: { type: 'basic', username: '${env:ERP_USERNAME}', password: '${env:ERP_PASSWORD}' },
      signing: { scheme: 'standard-ed25519' },
      allow_own_ingest: false,
    },
    audit: {
      url: 'https://audit.example.com/',
      auth: {
        type: 'oauth2',
        token_url: 'https://login.example.com/token',
        client_id: 'ringback',
        client_secret: '${env:AUDIT_CLIENT_SECRET}',
        scope: 'events:write other',
        audience: 'https://audit.example.com',
      },
      signing: { scheme: 'none' },
    },
  },
  sources: {
    shop: {
      provider: 'hmac',
      enabled: false,
      await_secret: false,
      secrets: ['${env:SHOP_SECRET}', '${env:SHOP_SECRET_2}'],
      verification: { alg: 'hmac-sha256', sig: { header: 'x-signature' }, content: '{body}' },
      dedupe: { key: 'string(data.id)', window: '48h' },
      allowed_ips: ['192.0.2.0/24', '2001:db8::/32'],
      content_types: ['application/json'],
      max_body_bytes: '1536KiB',
      schema: AMOUNT,
      use_catalogue: false,
      on_invalid: 'mark',
      rate_limit: { limit: 100, period: '1s' },
      redact: ['email', '/data/card/number'],
      expect_every: '36h',
      smee: false,
      expires_at: '2099-01-01T00:00:00+02:00',
    },
    probe: {
      provider: 'token',
      enabled: true,
      secrets: ['${env:PROBE_SECRET}'],
      config: { header_name: 'x-token' },
      on_invalid: 'reject',
      use_catalogue: true,
      smee: true,
    },
    binary: { provider: 'none', protobuf: PROTOBUF },
    bot: { provider: 'telegram', await_secret: true },
  },
  subscriptions: {
    paid: {
      destination: 'crm',
      sources: ['shop', 'binary'],
      types: ['invoice.paid', 'invoice.*'],
      type_versions: { 'invoice.paid': 1 },
      filter: `data.amount > 3 && data.name != "${NO_REFERENCE}"`,
      session_key: 'string(data.customer)',
      transform: '{"amount": data.amount}',
      ordering: 'key',
      delay: '90s',
      delivery_expiry: '24h',
      retry: { max_attempts: 4, schedule: ['5s', '1m', '90m'], max_delay: '2h', jitter: 0.5 },
      on_client_error: 'dead',
      enabled: false,
      expires_at: '2099-01-01T00:00:00+02:00',
    },
    rest: {
      destination: 'audit',
      ordering: 'none',
      retry: { max_attempts: 6, base: '90s', factor: 1.5 },
      on_client_error: 'retry',
      enabled: true,
    },
  },
};

const ENV: Readonly<Record<string, string>> = {
  CRM_TOKEN: 'crm-token-value',
  CRM_CLIENT_CERT: TEST_CERTIFICATE,
  CRM_CLIENT_KEY: TEST_PRIVATE_KEY,
  CRM_SIGNING_SECRET: `whsec_${Buffer.alloc(32, 5).toString('base64')}`,
  ERP_USERNAME: 'erp-user-value',
  ERP_PASSWORD: 'erp-password-value',
  AUDIT_CLIENT_SECRET: 'audit-secret-value',
  SHOP_SECRET: 'shop-secret-value',
  SHOP_SECRET_2: 'shop-older-value',
  PROBE_SECRET: 'probe-secret-value',
};

/** What the file says in another place: its names are keys, its tenant stands at the top. */
const ELSEWHERE = new Set(['name', 'tenant']);
/** What an export leaves out or says in other words, and why. */
const NOT_EXPORTED: Readonly<Record<string, string>> = {
  'destinations.signing.secret': 'a new server makes its own',
  'subscriptions.retry.base': 'the schedule says it',
  'subscriptions.retry.factor': 'the schedule says it',
};
/** The values that a new setting has anyway. */
const DEFAULTS = new Set([
  'event_types.compatibility=backward',
  'destinations.kind=webhook',
  'destinations.allow_own_ingest=false',
  'destinations.signing.scheme=standard',
  'sources.enabled=true',
  'sources.on_invalid=reject',
  'sources.use_catalogue=false',
  'sources.smee=false',
  'sources.await_secret=false',
  'subscriptions.ordering=none',
  'subscriptions.enabled=true',
  'subscriptions.on_client_error=retry',
]);

function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function alternatives(schema: Json): Json[] {
  const inner = [schema['anyOf'], schema['oneOf']].flatMap((list) => (Array.isArray(list) ? list : []));
  return [schema, ...inner.flatMap((one) => alternatives(record(one)))];
}

/** Every field of a schema as `auth.type`, and for each of few values one more as `auth.type=bearer`. */
function schemaFields(schema: Json, path: string): string[] {
  return alternatives(schema).flatMap((one) => {
    const few = Array.isArray(one['enum']) ? one['enum'] : 'const' in one ? [one['const']] : [];
    const values = one['type'] === 'boolean' ? [true, false] : few;
    const properties = Object.entries(record(one['properties'])).flatMap(([name, inner]) => {
      const field = name === 'destination_id' ? 'destination' : name;
      if (path.split('.').length === 1 && ELSEWHERE.has(field)) return [];
      return [`${path}.${field}`, ...schemaFields(record(inner), `${path}.${field}`)];
    });
    return [...values.map((value) => `${path}=${String(value)}`), ...properties, ...itemFields(one, path)];
  });
}

function itemFields(schema: Json, path: string): string[] {
  return schema['items'] === undefined ? [] : schemaFields(record(schema['items']), path);
}

/** The same of what stands in a file, so far as the schema speaks of it. */
function writtenFields(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => writtenFields(item, path));
  if (typeof value !== 'object' || value === null) return [`${path}=${String(value)}`];
  return Object.entries(value).flatMap(([name, inner]) => [
    `${path}.${name}`,
    ...writtenFields(inner, `${path}.${name}`),
  ]);
}

function fieldsOfFile(file: Json): Set<string> {
  return new Set(
    KINDS.flatMap((kind) => Object.values(record(file[kind])).flatMap((one) => writtenFields(one, kind))),
  );
}

let first: GatewayProcess;
let second: GatewayProcess;
let folder: string;
let known: readonly string[];
let exported: string;

function ringback(on: GatewayProcess, args: readonly string[], env: Json = ENV): Promise<CliRun> {
  const texts = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]));
  return runCli([...args, '--url', on.url], {
    cwd: folder,
    env: { RINGBACK_API_KEY: on.adminKey, ...texts },
  });
}

async function succeed(on: GatewayProcess, args: readonly string[], env: Json = ENV): Promise<string> {
  const run = await ringback(on, args, env);
  expect(run.code, run.stderr + run.stdout).toBe(0);
  return run.stdout;
}

/** What would be done, without what is as it should be. */
async function pending(on: GatewayProcess, file: string): Promise<unknown[]> {
  const { plan } = JSON.parse(await succeed(on, ['apply', file, '--dry-run', '--prune', '--json'])) as {
    plan: { action: string }[];
  };
  expect(plan.length).toBeGreaterThan(10);
  return plan.filter(({ action }) => action !== 'unchanged');
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-round-trip-'));
  [first, second] = await Promise.all([startGatewayProcess(), startGatewayProcess()]);
  const { body } = await first.api('GET', '/openapi.json');
  const paths = record(record(body)['paths']);
  known = KINDS.flatMap((kind) => {
    let inner: unknown = paths[`/v1/${kind.replace('_', '-')}`];
    for (const step of ['post', 'requestBody', 'content', 'application/json', 'schema']) {
      inner = record(inner)[step];
    }
    return schemaFields(record(inner), kind);
  });
  writeFileSync(join(folder, 'settings.yaml'), stringify({ version: 1, ...SETTINGS }));
  await succeed(first, ['apply', 'settings.yaml']);
  exported = await succeed(first, ['export'], {});
  writeFileSync(join(folder, 'exported.yaml'), exported);
});

afterAll(async () => {
  await Promise.all([first.stop(), second.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

describe('the settings file', () => {
  it('of this test has every field that the API takes, and every value of those that have few', () => {
    expect(known.length).toBeGreaterThan(80);
    const written = fieldsOfFile(SETTINGS);
    expect(known.filter((field) => !written.has(field))).toEqual([]);
  });

  it('is what the server has once it is applied', async () => {
    expect(await pending(first, 'settings.yaml')).toEqual([]);
  });
});

describe('an export', () => {
  it('says every field and every value that is not there anyway', () => {
    const written = fieldsOfFile(parse(exported) as Json);
    const missing = known.filter(
      (field) => !written.has(field) && !Object.hasOwn(NOT_EXPORTED, field) && !DEFAULTS.has(field),
    );
    expect(missing.filter((field) => field !== 'destinations.kind')).toEqual([]);
  });

  it('holds no secret', () => {
    for (const [name, value] of Object.entries(ENV)) {
      if (value !== TEST_CERTIFICATE) expect(exported, name).not.toContain(value.split('\n')[1] ?? value);
    }
  });

  it('is what the server has', async () => {
    expect(await pending(first, 'exported.yaml')).toEqual([]);
  });

  it('makes an empty server the same', async () => {
    await succeed(second, ['apply', 'exported.yaml']);
    expect(await succeed(second, ['export'], {})).toBe(exported);
    expect(await pending(second, 'settings.yaml')).toEqual([]);
  });
});
