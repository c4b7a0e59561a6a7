import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../src/api/catalogue.ts';
import { openApi } from '../../src/api/openapi.ts';
import { SETTING_KEYS, envName } from '../../src/config/schema.ts';
import { PROBLEMS } from '../../src/domain/problem.ts';
import { readText, ROOT } from './repository.ts';

const PAGES = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT });

/** Every term of the product's words; `dead` and `dead letter` are one. */
const TERMS = [
  'Source',
  'Event',
  'Rejection',
  'Subscription',
  'Destination',
  'Delivery',
  'Attempt',
  'dead',
  'dead letter',
  'retry',
  'replay',
  'Agent',
  'Run',
  'Session key',
  'Callback',
  'Tenant',
  'Principal',
];

describe('error codes', () => {
  const codes = Object.keys(PROBLEMS);

  it('are the sections of docs/reference/errors.md, all of them and no others', () => {
    const sections = Array.from(
      readText('docs/reference/errors.md').matchAll(/^## (.*)$/gm),
      ([, code]) => code,
    );
    expect(sections).toEqual(codes);
  });

  it('are the codes of the OpenAPI description, all of them and no others', () => {
    const described = openApi('0')['components'] as {
      schemas: { Problem: { properties: { code: unknown } } };
    };
    expect(described.schemas.Problem.properties.code).toEqual({ type: 'string', enum: codes });
  });

  it('exist when a page speaks of them', () => {
    const unknown = PAGES.flatMap((page) =>
      Array.from(readText(page).matchAll(/\b[45]\d\d `([a-z_]+)`|\["[45]\d\d ([a-z_]+)"\]/g))
        .map(([, inText, inDrawing]) => inText ?? inDrawing ?? '')
        .filter((code) => !Object.hasOwn(PROBLEMS, code))
        .map((code) => `${page}: ${code}`),
    );
    expect(unknown).toEqual([]);
  });
});

describe('pages', () => {
  it('link only to what exists, headings included', () => {
    const broken = PAGES.flatMap((page) =>
      Array.from(withoutCode(readText(page)).matchAll(/\]\(([^)\s]+)\)/g), ([, link = '']) => link)
        .filter((link) => !/^[a-z]+:/.test(link))
        .filter((link) => !resolves(page, link))
        .map((link) => `${page}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  it('are all in the index of the documentation', () => {
    const index = readText('docs/index.md');
    const pages = globSync('docs/**/*.{md,json}', { cwd: ROOT }).filter((page) => page !== 'docs/index.md');
    expect(pages.filter((page) => !index.includes(`(${page.slice('docs/'.length)}`))).toEqual([]);
  });

  it('name only settings that exist', () => {
    const ofClients = ['RINGBACK_CONFIG', 'RINGBACK_URL', 'RINGBACK_SIMULATE_SECRET'];
    const known = new Set([...SETTING_KEYS.map((key) => envName(key)), ...ofClients]);
    const unknown = PAGES.flatMap((page) =>
      Array.from(readText(page).matchAll(/\bRINGBACK_[A-Z_]+[A-Z]/g), ([name]) => name)
        .filter((name) => !known.has(name.replace(/_FILE$/, '')))
        .map((name) => `${page}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it('name only paths of the API that exist', () => {
    const known = CATALOGUE.map(({ method, path }) => `${method} ${path}`).concat(
      'GET /v1/events/{id}/raw',
      'GET /v1/stream',
      'GET /smee/{channel}',
      'GET /healthz',
      'GET /readyz',
      'GET /metrics',
      'GET /openapi.json',
      'GET /asyncapi.json',
    );
    const shapes = new Set(known.map((one) => one.replaceAll(/\{\w+\}/g, '{}')));
    const unknown = PAGES.flatMap((page) =>
      Array.from(readText(page).matchAll(/`((?:GET|POST|PATCH|DELETE) \/[\w/{}.-]*)/g), ([, one = '']) => one)
        .filter((one) => !shapes.has(one.replaceAll(/\{\w+\}/g, '{}')))
        .map((one) => `${page}: ${one}`),
    );
    expect(unknown).toEqual([]);
  });

  it('say nothing of the machines that they were written on', () => {
    const told = PAGES.filter((page) => /\/(tmp|work|root|home\/\w+)\//.test(readText(page)));
    expect(told).toEqual([]);
  });
});

describe('the README', () => {
  it('begins with what it is and the two commands', () => {
    const blocks = Array.from(
      readText('README.md').matchAll(/```sh\n([\s\S]*?)```/g),
      ([, text = '']) => text,
    );
    const commands = (blocks[0] ?? '').split('\n').map((line) => line.replace(/#.*/, '').trim());
    expect(commands.filter((line) => line !== '')).toEqual(['npm ci && npm start', 'npm ci && npm test']);
    expect(readText('README.md').indexOf('```')).toBeLessThan(1_500);
  });

  it('names only tests that exist as proof of what is guaranteed', () => {
    const named = Array.from(readText('README.md').matchAll(/\]\(((?:test|src|packages)\/[^)]*\.ts)\)/g));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter(([, file = '']) => !existsSync(ROOT + file))).toEqual([]);
  });
});

describe('the glossary', () => {
  it('has every term of the product', () => {
    const glossary = readText('docs/glossary.md');
    expect(TERMS.filter((term) => !glossary.includes(`**${term}**`))).toEqual([]);
  });
});

describe('docs/dependencies.md', () => {
  it('lists the runtime dependencies with their versions and Node ranges, no more and no less', () => {
    const { dependencies } = JSON.parse(readText('package.json')) as { dependencies: Record<string, string> };
    const rows = Array.from(readText('docs/dependencies.md').matchAll(/^\| `([^`]+)` .*$/gm), ([line]) => {
      const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll(String.raw`\|`, '|'));
      return [cells[1]?.replaceAll('`', '') ?? '', cells.slice(2, 4)] as const;
    });
    const wanted = Object.entries(dependencies).map(([name, version]) => {
      const { engines } = JSON.parse(readText(`node_modules/${name}/package.json`)) as {
        engines?: { node?: string };
      };
      return [name, [version, engines?.node ?? 'any']] as const;
    });
    expect(new Map(rows)).toEqual(new Map(wanted));
  });
});

describe('docs/delivery.md', () => {
  it('lists the events that the gateway publishes, and so do the types of the client', () => {
    const [, section = ''] = readText('docs/delivery.md').split('## Being told\n');
    const rows = Array.from(
      (section.split('\n## ')[0] ?? '').matchAll(/^\| (`.*?) *\|/gm),
      ([, cell = '']) => cell,
    );
    const listed = rows.flatMap((cell) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, type]) => type));
    const types = Array.from(
      readText('packages/client/src/receive/event-types.ts').matchAll(/^ {2}readonly '([a-z_.]+)':/gm),
      ([, type]) => type,
    );
    expect(new Set(types.filter((type) => type !== 'ringback.test'))).toEqual(new Set(listed));
  });
});

describe('docs/operations.md', () => {
  it('lists the metrics that there are', () => {
    const listed = Array.from(
      readText('docs/operations.md').matchAll(/^\| `(ringback_\w+)/gm),
      ([, name]) => name,
    );
    const sources = ['src/telemetry/metrics.ts', 'src/app/start-gateway.ts']
      .map((file) => readText(file))
      .join('');
    const made = new Set(Array.from(sources.matchAll(/'(ringback_\w+)'/g), ([, name]) => name));
    expect(new Set(listed)).toEqual(made);
  });
});

function withoutCode(text: string): string {
  return text.replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, '');
}

function resolves(page: string, link: string): boolean {
  const [path = '', heading] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(ROOT + target)) return false;
  if (heading === undefined || !target.endsWith('.md')) return true;
  const headings = Array.from(readText(target).matchAll(/^#+ (.*)$/gm), ([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
  return headings.includes(heading);
}
