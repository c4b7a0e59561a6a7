import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { cleanEnv, type GatewayProcess, startGatewayProcess } from './gateway-process.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

const FILE = `version: 1
destinations:
  crm:
    url: https://crm.example.com/hook
    timeout: 60s
    headers: { X-Team: billing }
    rate_limit: { limit: 10, period: 60s }
    auth: { type: bearer, token: "\${env:CRM_TOKEN}" }
  audit:
    url: https://audit.example.com/hook
    signing: { scheme: none }
    auth:
      type: oauth2
      token_url: https://login.example.com/token
      client_id: ringback
      client_secret: "\${env:AUDIT_CLIENT_SECRET}"
      scope: events
sources:
  github:
    provider: github
    secrets: ["\${env:GITHUB_SECRET}"]
    max_body_bytes: 1024KiB
    dedupe: { window: 48h }
    content_types: [application/json]
  open:
    provider: none
subscriptions:
  pushes:
    destination: crm
    sources: [open, github]
    types: ["push", "pull_request.*"]
    filter: data.ref == "refs/heads/main"
    delivery_expiry: 24h
    retry: { max_attempts: 4, base: 90s, factor: 1.5 }
  once:
    destination: audit
    retry: { max_attempts: 1 }
    expires_at: 2030-01-01T00:00:00+02:00
`;

const ENV = {
  CRM_TOKEN: 'crm-token-value',
  GITHUB_SECRET: 'github-secret-value',
  AUDIT_CLIENT_SECRET: 'audit-secret-value',
};

interface PlanJson {
  readonly plan: readonly {
    readonly action: string;
    readonly kind: string;
    readonly name: string;
    readonly changes: readonly { readonly field: string; readonly from: unknown; readonly to: unknown }[];
  }[];
  readonly applied: readonly { readonly name: string; readonly action: string; readonly secret?: string }[];
}

let gateway: GatewayProcess;
let folder: string;

function ringback(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = ENV,
  on = gateway,
  input = '',
) {
  const result = spawnSync(process.execPath, [MAIN, ...args, '--url', on.url], {
    cwd: folder,
    encoding: 'utf8',
    input,
    env: { ...cleanEnv(), NO_COLOR: '1', RINGBACK_API_KEY: on.adminKey, ...env },
  });
  return { code: result.status, out: result.stdout, err: result.stderr, all: result.stdout + result.stderr };
}

function write(text: string, name = 'ringback-settings.yaml'): string {
  writeFileSync(join(folder, name), text);
  return name;
}

function plan(args: readonly string[], on = gateway): PlanJson {
  const result = ringback(['apply', ...args, '--json'], ENV, on);
  expect(result.err).toBe('');
  return JSON.parse(result.out) as PlanJson;
}

function actions({ plan: steps }: PlanJson): string[] {
  return steps.map(({ action, kind, name }) => `${action} ${kind} ${name}`);
}

async function names(kind: string, on = gateway): Promise<string[]> {
  const { body } = await on.api('GET', `/v1/${kind}`);
  return (body as { data: { name: string }[] }).data.map(({ name }) => name).toSorted();
}

async function settingsOf(on: GatewayProcess): Promise<unknown> {
  const exported = ringback(['export', '--json'], {}, on);
  return JSON.parse(exported.out);
}

beforeAll(async () => {
  gateway = await startGatewayProcess();
});
afterAll(() => gateway.stop());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-apply-'));
});
afterEach(async () => {
  for (const kind of ['subscriptions', 'sources', 'destinations']) {
    const { body } = await gateway.api('GET', `/v1/${kind}`);
    for (const { id } of (body as { data: { id: string }[] }).data) {
      await gateway.api('DELETE', `/v1/${kind}/${id}`);
    }
  }
  rmSync(folder, { recursive: true, force: true });
});

describe('ringback apply', () => {
  it('makes everything the first time and changes nothing the second', async () => {
    const file = write(FILE);
    const first = ringback(['apply', file]);
    expect(first.code, first.all).toBe(0);
    expect(first.out).toContain('6 to create');
    expect(first.out).toMatch(/created destination crm\n {2}signing secret, shown this once: whsec_/);
    expect(first.out).toMatch(/created source github {2}http:\/\/\S+\/in\/\w+/);
    expect(await names('subscriptions')).toEqual(['once', 'pushes']);

    const before = await gateway.api('GET', '/v1/subscriptions');
    const second = ringback(['apply', file]);
    expect(second.out).toContain('nothing to change: 6 unchanged');
    expect((await gateway.api('GET', '/v1/subscriptions')).body).toEqual(before.body);
  });

  it('updates what differs, and only that', () => {
    ringback(['apply', write(FILE)]);
    const changed = FILE.replace('timeout: 60s', 'timeout: 30s')
      .replace('X-Team: billing', 'X-Team: sales')
      .replace('window: 48h', 'window: 3d')
      .replace('scope: events', 'scope: all')
      .replace('[open, github]', '[github]');
    const result = plan([write(changed)]);
    expect(actions(result)).toContain('unchanged source open');
    expect(result.plan.flatMap(({ changes }) => changes)).toEqual([
      { field: 'timeout', from: '1m', to: '30s' },
      { field: 'headers.X-Team', from: 'billing', to: 'sales' },
      { field: 'auth.scope', from: 'events', to: 'all' },
      { field: 'dedupe.window', from: '2d', to: '3d' },
      { field: 'sources', from: ['open', 'github'], to: ['github'] },
    ]);
    expect(result.applied.map(({ name }) => name)).toEqual(['crm', 'audit', 'github', 'pushes']);
    expect(new Set(actions(plan([write(changed)])).map((text) => text.split(' ')[0]))).toEqual(
      new Set(['unchanged']),
    );
  });

  it('leaves alone what the file does not name: fields, and without --prune settings', async () => {
    ringback(['apply', write(FILE)]);
    const small = 'version: 1\nsources:\n  open:\n    provider: none\nsubscriptions: {}\n';
    expect(actions(plan([write(small)]))).toEqual(['unchanged source open']);
    expect(actions(plan([write(small), '--prune'])).toSorted()).toEqual([
      'delete source github',
      'delete subscription once',
      'delete subscription pushes',
      'unchanged source open',
    ]);
    expect(await names('subscriptions')).toEqual([]);
    expect(await names('sources')).toEqual(['open']);
    // The file has no section for destinations, so it says nothing about them.
    expect(await names('destinations')).toEqual(['audit', 'crm']);
  });

  it('changes nothing in a dry run, and says by exit code whether there is something to change', async () => {
    const file = write(FILE);
    expect(ringback(['apply', file, '--dry-run']).code).toBe(0);
    expect(ringback(['apply', file, '--dry-run', '--exit-code']).code).toBe(2);
    expect(await names('sources')).toEqual([]);
    ringback(['apply', file]);
    expect(ringback(['apply', file, '--dry-run', '--exit-code']).code).toBe(0);
  });

  it('tells five mistakes at once, each with its place, and changes nothing', async () => {
    const wrong = FILE.replace('timeout: 60s', 'timeuot: 60s')
      .replace('48h', '48 hours')
      .replace('destination: audit', 'destination: audti')
      .replace('data.ref ==', 'data.ref = =')
      .replace('1024KiB', '"${env:NOT_SET}"');
    const { code, err, out } = ringback(['apply', write(wrong)]);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain('has 5 mistakes; nothing was changed');
    for (const text of [
      'yaml:5:5: destinations.crm.timeuot is not a field here; did you mean "timeout"?',
      'yaml:22:5: sources.github.max_body_bytes the environment variable NOT_SET is not set',
      'yaml:23:15: sources.github.dedupe.window "48 hours" is not a duration',
      'yaml:32:5: subscriptions.pushes.filter ',
      'yaml:36:5: subscriptions.once.destination there is no destination "audti"; did you mean "audit"?',
    ]) {
      expect(err).toContain(text);
    }
    expect(await names('destinations')).toEqual([]);
  });

  it('needs the value of a secret only when it sends it, and never shows it', () => {
    const file = write(FILE);
    const unset = ringback(['apply', file], {});
    expect(unset.code).toBe(2);
    expect(unset.err).toContain('the environment variable GITHUB_SECRET is not set');
    const applied = ringback(['apply', file]);
    expect(applied.all).not.toContain(ENV.GITHUB_SECRET);
    expect(applied.all).not.toContain(ENV.CRM_TOKEN);
    const again = ringback(['apply', file], {});
    expect(again.code).toBe(0);
    expect(again.out).toContain('secrets cannot be compared');
    expect(ringback(['apply', file, '--rotate-secrets'], {}).code).toBe(2);
  });

  it('sends secrets anew with --rotate-secrets, and the old ones run out', async () => {
    const file = write(FILE);
    ringback(['apply', file]);
    expect(plan([file, '--rotate-secrets']).applied.map(({ name }) => name)).toEqual([
      'crm',
      'audit',
      'github',
    ]);
    const { body } = await gateway.api('GET', '/v1/sources');
    const source = (body as { data: { name: string; secrets: { expires_at: string | null }[] }[] }).data.find(
      ({ name }) => name === 'github',
    );
    expect(source?.secrets.map(({ expires_at: at }) => at === null)).toEqual([true, false]);
  });

  it('warns of a secret in the file itself', () => {
    const { code, err } = ringback(['apply', write(FILE.replace('"${env:GITHUB_SECRET}"', 'hunter2'))]);
    expect(code).toBe(0);
    expect(err).toMatch(/warning: .*yaml:21:15: sources\.github\.secrets\.0 is a secret in the file itself/);
    expect(err).not.toContain('hunter2');
  });

  it('writes signing secrets to a file that others cannot read', () => {
    const { out } = ringback(['apply', write(FILE), '--secrets-out', 'secrets.env']);
    expect(out).not.toContain('whsec_');
    const path = join(folder, 'secrets.env');
    expect(readFileSync(path, 'utf8')).toMatch(/^CRM_SIGNING_SECRET=whsec_\S+\n$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('goes on where an interrupted run ended', async () => {
    // The server refuses the address of the second destination; the first one is made by then.
    const broken = FILE.replace('https://audit.example.com/hook', 'http://169.254.169.254/hook');
    const first = ringback(['apply', write(broken)]);
    expect(first.code).toBe(1);
    expect(first.err).toContain('could not create destination "audit"');
    expect(first.err).toContain('1 of 6 changes were made and stay; apply the file again to go on');
    expect(await names('destinations')).toEqual(['crm']);
    expect(actions(plan([write(FILE)]))).toEqual([
      'unchanged destination crm',
      'create destination audit',
      'create source github',
      'create source open',
      'create subscription pushes',
      'create subscription once',
    ]);
    expect(await names('subscriptions')).toEqual(['once', 'pushes']);
  });

  it('refuses what cannot be changed', () => {
    ringback(['apply', write(FILE)]);
    const { code, err } = ringback(['apply', write(FILE.replace('provider: none', 'provider: github'))]);
    expect(code).toBe(2);
    expect(err).toContain('sources.open.provider cannot change from none to github');
  });

  it('takes lists with names, JSON, standard input and anchors', () => {
    const json = { version: 1, sources: [{ name: 'open', provider: 'none' }] };
    expect(actions(plan([write(JSON.stringify(json), 'settings.json')]))).toEqual(['create source open']);
    const piped = ringback(['apply', '-'], ENV, gateway, JSON.stringify(json));
    expect(piped.out).toContain('nothing to change: 1 unchanged');
    const anchors = [
      'version: 1',
      'x-usual: &usual { timeout: 20s }',
      'destinations:',
      '  one: { <<: *usual, url: https://one.example.com/ }',
    ].join('\n');
    expect(actions(plan([write(anchors)]))).toEqual(['create destination one']);
    expect(actions(plan([write(anchors)]))).toEqual(['unchanged destination one']);
  });

  it('keeps tenants apart', async () => {
    const own = 'version: 1\nsources: { in: { provider: none } }\n';
    ringback(['apply', write(own)]);
    expect(actions(plan([write(`tenant: acme\n${own}`), '--prune']))).toEqual(['create source in']);
    expect(await names('sources')).toEqual(['in', 'in']);
    const key = await gateway.api('POST', '/v1/keys', {
      name: 'acme',
      scopes: ['manage', 'read'],
      tenant: 'acme',
    });
    const bound = { RINGBACK_API_KEY: (key.body as { key: string }).key };
    expect(ringback(['apply', write(own)], bound).out).toContain('nothing to change: 1 unchanged');
    const other = ringback(['apply', write(`tenant: beta\n${own}`)], bound);
    expect(other.err).toContain('the API key is bound to tenant "acme"');
    expect(ringback(['export']).err).toContain('other tenants are not in it: acme');
    expect(parse(ringback(['export', '--tenant', 'acme']).out)).toMatchObject({ tenant: 'acme' });
  });
});

describe('ringback export', () => {
  it('prints a file that changes nothing here and makes the same on an empty server', async () => {
    const text = FILE.replace('X-Team: billing', 'X-Team: "$${env:HOME}"');
    ringback(['apply', write(text)]);
    const exported = ringback(['export'], {});
    expect(exported.code, exported.err).toBe(0);
    expect(exported.out).not.toMatch(/secret-value|token-value|whsec_/);
    const file = write(exported.out, 'exported.yaml');
    expect(new Set(plan([file, '--prune']).plan.map(({ action }) => action))).toEqual(new Set(['unchanged']));

    const empty = await startGatewayProcess();
    try {
      const applied = ringback(['apply', file], ENV, empty);
      expect(applied.code, applied.all).toBe(0);
      expect(await settingsOf(empty)).toEqual(await settingsOf(gateway));
      expect(actions(plan([write(text)], empty)).filter((line) => !line.startsWith('unchanged'))).toEqual([]);
    } finally {
      await empty.stop();
    }
  });
});

describe('ringback apply --schema', () => {
  it('describes the files that are taken, and no others', () => {
    const schema = JSON.parse(ringback(['apply', '--schema']).out) as Record<string, unknown>;
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
    expect(validate(parse(FILE)), JSON.stringify(validate.errors)).toBe(true);
    expect(validate(parse(FILE.replace('timeout', 'timeuot')))).toBe(false);
    expect(validate(parse(FILE.replace('destination: crm', 'destination_id: crm')))).toBe(false);
    expect(validate({ sources: {} })).toBe(false);
  });
});
