import { describe, expect, it } from 'vitest';
import { makePlan, type Plan } from './plan.ts';
import type { PresentSettings } from './present-settings.ts';
import { escapeReferences, resolveReferences } from './references.ts';
import { KINDS } from './setting-kinds.ts';
import { readSettingsFile, type SettingsFile } from './settings-file.ts';

const CRM = {
  id: 'dst_1',
  name: 'crm',
  tenant: 'default',
  kind: 'webhook',
  url: 'https://crm.example.com/',
  headers: {},
  timeout: '1m',
  max_in_flight: 64,
  rate_limit: null,
  signing: { scheme: 'standard', secrets: [{ created_at: '2026-01-01T00:00:00.000Z', expires_at: null }] },
  auth: null,
};

const PUSHES = {
  id: 'sub_1',
  name: 'pushes',
  tenant: 'default',
  destination_id: 'dst_1',
  sources: ['src_1', 'src_gone'],
  types: ['push', 'pull_request.*'],
  filter: null,
  retry: { max_attempts: 3, schedule: ['10s', '20s'], max_delay: '1d', jitter: 0.2 },
};

const GITHUB = {
  id: 'src_1',
  name: 'github',
  tenant: 'default',
  provider: 'github',
  secrets: [],
  dedupe: { key: null, window: '2d' },
  max_body_bytes: 65_536,
};

const PRESENT: PresentSettings = {
  tenant: 'default',
  byKind: {
    event_types: [],
    destinations: [CRM],
    sources: [GITHUB],
    subscriptions: [PUSHES],
  },
};

function noFile(): string {
  throw new Error('no files here');
}

function read(text: string, env: Readonly<Record<string, string>> = {}): SettingsFile {
  return readSettingsFile(`version: 1\n${text}`, { env, readFile: noFile });
}

function planOf(text: string, wishes: { prune?: boolean; rotateSecrets?: boolean } = {}): Plan {
  const file = read(text, { SECRET: 'value' });
  expect(file.mistakes).toEqual([]);
  return makePlan(file.wanted, PRESENT, {
    prune: wishes.prune ?? false,
    rotateSecrets: wishes.rotateSecrets ?? false,
    kinds: file.kinds,
  });
}

describe('makePlan', () => {
  it.each([
    ['durations', 'destinations: { crm: { url: "https://crm.example.com/", timeout: 60s } }'],
    ['sizes', 'sources: { github: { provider: github, max_body_bytes: 64KiB } }'],
    ['parts of dedupe', 'sources: { github: { provider: github, dedupe: { window: 48h } } }'],
    [
      'the order of types',
      'subscriptions: { pushes: { destination: crm, types: ["pull_request.*", push] } }',
    ],
    ['ids for names', 'subscriptions: { pushes: { destination: dst_1, sources: [src_1] } }'],
    ['sources that are gone', 'subscriptions: { pushes: { destination: crm, sources: [github] } }'],
    [
      'a schedule written as base and factor',
      'subscriptions: { pushes: { destination: crm, retry: { max_attempts: 3, base: 10s, factor: 2, max_delay: 24h, jitter: 0.2 } } }',
    ],
  ])('sees no difference in %s', (_, text) => {
    const { steps, mistakes } = planOf(text);
    expect(mistakes).toEqual([]);
    expect(steps.map(({ action, changes }) => [action, changes])).toEqual([['unchanged', []]]);
  });

  it('makes what is named before what names it, and deletes the other way round', () => {
    const entries = {
      event_types: 'versions: [{ schema: { type: object } }]',
      destinations: 'url: "https://new.example.com/"',
      sources: 'provider: none',
      subscriptions: 'destination: new, sources: [new]',
    };
    const text = KINDS.toReversed()
      .map((kind) => `${kind}: { new: { ${entries[kind]} } }`)
      .join('\n');
    const { steps, mistakes } = planOf(text, { prune: true });
    expect(mistakes).toEqual([]);
    expect(steps.map(({ action, kind }) => `${action} ${kind}`)).toEqual([
      'create event_types',
      'create destinations',
      'create sources',
      'create subscriptions',
      'delete subscriptions',
      'delete sources',
      'delete destinations',
    ]);
  });

  it('refuses names of what --prune deletes', () => {
    const text = 'destinations: {}\nsubscriptions: { pushes: { destination: crm } }';
    const { mistakes } = planOf(text, { prune: true });
    expect(mistakes.map(({ line, path, message }) => `${line} ${path} ${message}`)).toEqual([
      '3 subscriptions.pushes.destination --prune deletes the destination "crm", which is not in the file',
    ]);
  });

  it('gives a source its first secret, and shows none', () => {
    const { steps } = planOf('sources: { github: { provider: github, secrets: ["${env:SECRET}"] } }');
    expect(steps[0]?.secrets).toEqual(['value']);
    expect(JSON.stringify(steps[0]?.changes)).not.toContain('value');
  });

  it('shows the reference, not what it stands for', () => {
    const text = 'destinations: { crm: { url: "https://${env:SECRET}.example.com/" } }';
    expect(planOf(text).steps[0]?.changes).toEqual([
      { field: 'url', from: '(not shown)', to: 'https://${env:SECRET}.example.com/' },
    ]);
  });
});

describe('readSettingsFile', () => {
  it.each([
    ['a: [', 'the YAML is broken'],
    ['sources: 5', 'must be a map'],
    ['sources: [{ provider: none }]', 'with a "name"'],
    ['sources: [{ name: a, provider: none }, { name: a, provider: none }]', 'same name'],
    ['sources: { a: { provider: none, name: b } }', 'its name in the map'],
    ['sources: { a: { provider: none }, a: { provider: none } }', 'unique'],
    ['subscriptions: { a: {} }', 'destination is required'],
    ['sources: { a: *nowhere }', 'nowhere'],
  ])('refuses %s', (text, message) => {
    const { mistakes } = read(text);
    expect(mistakes.length).toBeGreaterThan(0);
    if (!message.startsWith('the YAML')) {
      expect(mistakes.map((mistake) => `${mistake.path} ${mistake.message}`).join('\n')).toContain(message);
    }
  });

  it('refuses aliases that unfold without end', () => {
    const lines = ['a: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 9; level += 1) {
      const alias = `*a${level - 1}`;
      lines.push(`x-${level}: &a${level} [${Array.from({ length: 9 }, () => alias).join(', ')}]`);
    }
    expect(read(lines.join('\n')).mistakes.length).toBe(1);
  });
});

describe('references', () => {
  const sources = { env: { A: 'one', EMPTY: '' }, readFile: (path: string) => `in ${path}\n` };

  it.each([
    ['${env:A}', 'one'],
    ['x${env:A}y${file:b/c}', 'xoneyin b/c'],
    ['$${env:A}', '${env:A}'],
    ['${other:A} $5 ${A}', '${other:A} $5 ${A}'],
  ])('%s gives %s', (text, expected) => {
    expect(resolveReferences(text, sources)).toEqual({ value: expected, missing: [] });
  });

  it.each(['${env:EMPTY}', '${env:B}', '${env:A B}'])('%s has no value', (text) => {
    expect(resolveReferences({ a: [text] }, sources).missing).toMatchObject([{ path: ['a', 0] }]);
  });

  it.each(['${env:A}', '$${env:A}', '$$${file:A}', 'a $ b', '${x}'])('%s survives being escaped', (text) => {
    expect(resolveReferences(escapeReferences(text), sources).value).toBe(text);
  });
});
