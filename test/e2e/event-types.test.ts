import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeEventTypesJourney } from '../support/event-types-journey.ts';
import { freshName, ok, problem, publish } from './arrange.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { startReceiver } from './receiving.ts';
import { runCli } from './run-cli.ts';

let gateway: GatewayProcess;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-types-'));
  gateway = await startGatewayProcess({ dataDir: folder });
});

afterAll(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
});

function cli(...args: string[]) {
  return runCli(args, {
    env: { RINGBACK_URL: gateway.url, RINGBACK_API_KEY: gateway.adminKey },
    cwd: folder,
  });
}

function create(fields: Readonly<Record<string, unknown>>) {
  return gateway.api('POST', '/v1/event-types', { name: freshName('type'), ...fields });
}

describe('the embedded store', () => {
  describeEventTypesJourney({
    current: () => gateway,
    restart: async () => {
      await gateway.kill();
      gateway = await startGatewayProcess({ dataDir: folder });
    },
  });
});

describe('G3 bad input', () => {
  it('a schema that refers to the network fetches nothing', async () => {
    const server = await startReceiver();
    try {
      for (const $ref of [
        `${server.url}/schema.json`,
        '//example.com/x',
        'file:///etc/passwd',
        'other.json',
      ]) {
        const refused = await problem(
          create({ versions: [{ schema: { items: { $ref } } }] }),
          422,
          'validation_failed',
        );
        expect(refused.errors.map(({ pointer }) => pointer)).toEqual(['/versions/0/schema/items/$ref']);
      }
      expect(server.received).toEqual([]);
    } finally {
      await server.close();
    }
  });

  it('huge schemas are refused, and the gateway goes on', async () => {
    const wide = Object.fromEntries(
      Array.from({ length: 6_000 }, (_, index) => [`p${index}`, { type: 'string' }]),
    );
    await problem(create({ versions: [{ schema: { properties: wide } }] }), 422, 'validation_failed');
    await problem(
      create({ versions: [{ schema: { description: 'x'.repeat(300_000) } }] }),
      422,
      'validation_failed',
    );
    await problem(create({ versions: [{ schema: { pattern: '^(?=a)(a+)+$' } }] }), 422, 'validation_failed');
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
  });

  it('a schema that takes exponential time is cut short, and others are served meanwhile', async () => {
    const next = { $ref: '#' };
    const schema = {
      properties: { leaf: { type: 'string' } },
      anyOf: [{ properties: { next } }, { properties: { next } }],
    };
    const { name } = await ok<{ name: string }>(create({ versions: [{ schema }] }));
    let data: unknown = { leaf: 1 };
    for (let level = 0; level < 100; level += 1) data = { next: data };
    const before = performance.now();
    const refused = await problem(
      gateway.api('POST', '/v1/events', { type: name, data }),
      422,
      'schema_mismatch',
    );
    expect(refused.detail).toMatch(/too many steps/);
    expect(performance.now() - before).toBeLessThan(5_000);
    await publish(gateway, { type: name, data: { next: { leaf: 'x' } } });
  });
});

describe('G4 the shell and the catalogue as a whole', () => {
  it('event-types are commands that take a name', async () => {
    const made = await cli(
      'event-types',
      'create',
      '--name',
      'shell.made',
      '--versions',
      '[{"schema":{"type":"object"}}]',
      '--json',
    );
    expect(made.json()).toMatchObject({ name: 'shell.made', versions: [{ version: 1 }] });
    const added = await cli(
      'event-types',
      'add-version',
      'shell.made',
      '--schema',
      '{"type":"object"}',
      '--json',
    );
    expect(added.json()).toMatchObject({ versions: [{ version: 1 }, { version: 2 }] });
    expect((await cli('event-types', 'list')).stdout).toMatch(/shell\.made .*1,2/);
    const broken = await cli('event-types', 'add-version', 'shell.made', '--schema', '{"type":"string"}');
    expect([broken.code, broken.stderr]).toEqual([1, expect.stringMatching(/--schema.*must be string now/)]);
  });

  it('apply makes a type before what asks for it, export gives it back, and applying that changes nothing', async () => {
    const file = `version: 1
event_types:
  billing.paid:
    description: An invoice was paid
    versions:
      - schema: { type: object, required: [cents], properties: { cents: { type: integer } } }
        examples: [{ cents: 1 }]
      - schema: { type: object, required: [cents], properties: { cents: { type: integer }, note: { type: string } } }
    converters:
      - { from: 1, to: 2, expression: data }
      - { from: 2, to: 1, expression: '{"cents": data.cents}' }
destinations:
  billing: { url: 'https://billing.example.com/hook' }
subscriptions:
  billing: { destination: billing, types: [billing.paid], type_versions: { billing.paid: 1 } }
`;
    writeFileSync(join(folder, 'catalogue.yaml'), file);
    const applied = await cli('apply', 'catalogue.yaml');
    expect([applied.code, applied.stdout]).toEqual([
      0,
      expect.stringMatching(/created event type billing\.paid/),
    ]);
    expect((await cli('apply', 'catalogue.yaml', '--dry-run')).stdout).toMatch(/nothing to change/);
    const exported = await cli('export');
    expect(exported.stdout).toMatch(/event_types:[\s\S]*billing\.paid:[\s\S]*billing\.paid: 1/);
    writeFileSync(join(folder, 'exported.yaml'), exported.stdout);
    const again = await cli('apply', 'exported.yaml', '--dry-run');
    expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(/nothing to change/)]);
    const mistaken = readFileSync(join(folder, 'catalogue.yaml'), 'utf8').replace(
      'expression: data }',
      'expression: dta }',
    );
    writeFileSync(join(folder, 'mistaken.yaml'), mistaken);
    const refused = await cli('apply', 'mistaken.yaml');
    expect(refused.stderr).toMatch(
      /mistaken\.yaml:10:27: event_types\.billing\.paid\.converters\.0\.expression unknown name "dta"/,
    );
  });

  it('is served as AsyncAPI to those who may read', async () => {
    const served = await ok<{ channels: object }>(gateway.api('GET', '/asyncapi.json'));
    expect(Object.keys(served.channels)).toEqual(expect.arrayContaining(['delivery.died', 'shell.made']));
    await problem(
      gateway.api('GET', '/asyncapi.json', undefined, { authorization: 'Bearer none' }),
      401,
      'credentials_invalid',
    );
    expect(await ok(gateway.api('GET', '/asyncapi.json?tenant=nobody'))).not.toHaveProperty(
      'channels.shell.made',
    );
  });
});
