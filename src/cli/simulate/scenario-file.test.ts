import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadSimulation } from '../../app/simulation.ts';
import { readScenario } from './scenario-file.ts';

const simulation = await loadSimulation();

const missing = (): never => {
  throw Object.assign(new Error('none'), { code: 'ENOENT' });
};

function read(text: string, env: Record<string, string> = {}) {
  return readScenario(text, simulation, { env, readFile: missing, readBytes: missing });
}

function mistakes(text: string, env?: Record<string, string>): string[] {
  return read(text, env).mistakes.map(({ line, path, message }) => `${line} ${path}: ${message}`);
}

test('steps have what they say, and defaults for the rest', () => {
  const { steps, targets } = read(
    [
      'version: 1',
      'targets:',
      '  github: { source: mine, secret: "${env:GH}" }',
      'steps:',
      '  - { name: first, provider: github, type: com.github.issues.opened, object: a, bad: slow, slow_for: 2s }',
      '  - wait: 3s',
      '  - { provider: stripe, count: 5, rate: 10, size: 2MiB, bad: oversize, expect: accepted }',
      '  - { provider: github, type: made.up, data: { action: up } }',
    ].join('\n'),
    { GH: 'hush' },
  );
  expect(targets.get('github')).toMatchObject({ source: 'mine', own: { secret: 'hush' } });
  const [first, pause, many, own] = steps;
  expect(first).toMatchObject({
    name: 'first',
    waitMs: 0,
    events: { count: 1, fault: 'slow', slowMs: 2000 },
  });
  expect(first?.events?.type.eventType).toBe('com.github.issues.opened');
  expect(pause).toEqual({ name: null, waitMs: 3000, events: null });
  expect(many?.events).toMatchObject({ count: 5, rate: 10, sizeBytes: 2_097_152, expected: 'accepted' });
  expect(many?.events?.type.written).toBe('invoice.paid');
  expect(Buffer.from(own?.events?.data ?? []).toString()).toBe('{"action":"up"}');
});

test('every mistake is told, with its line', () => {
  const text = [
    'version: 2',
    'targets:',
    '  github: { sorce: mine, secret: "${env:NONE}" }',
    '  guthub: { to: "http://127.0.0.1/" }',
    'steps:',
    '  - { provider: github, type: isues.opened }',
    '  - provider: telegram',
    '    bad: body',
    '    count: 0',
    '  - { wait: 3 }',
    '  - { type: push }',
    '  - {}',
    '  - { provider: github, data_file: none.json, bad: signatur }',
    'extra: 1',
  ].join('\n');
  expect(mistakes(text)).toEqual([
    expect.stringMatching(/^1 version: /),
    '3 targets.github.sorce: is not a field here; did you mean "source"?',
    '3 targets.github.secret: the environment variable NONE is not set',
    '4 targets.guthub: there is no provider "guthub"; did you mean github?',
    expect.stringMatching(
      /^6 steps\.0\.type: there is no payload of the type "isues\.opened" for github; did you mean issues\.opened\?/,
    ),
    expect.stringMatching(
      /^8 steps\.1\.bad: --bad body means nothing for telegram: .*what applies: signature/,
    ),
    expect.stringMatching(/^9 steps\.1\.count: /),
    expect.stringMatching(/^10 steps\.2\.wait: /),
    '11 steps.3: needs a "provider" for its type',
    '12 steps.4: needs a "provider" or a "wait"',
    expect.stringMatching(/^13 steps\.5\.bad: /),
    '14 extra: is not a field here; known are version, targets, steps',
  ]);
});

test('what is no scenario, or no YAML, is told as that', () => {
  expect(mistakes('')).toEqual(['1 : must hold "version: 1" and "steps:"']);
  expect(mistakes('version: 1')).toEqual(['1 steps: is required']);
  expect(mistakes('version: 1\nsteps: [')[0]).toMatch(/^\d /);
  expect(mistakes('version: 1\nsteps:\n  - { provider: github, data_file: none.json }')).toEqual([
    '3 steps.0.data_file: none.json cannot be read: there is no such file',
  ]);
});

test('the examples are scenarios without a mistake', () => {
  const folder = new URL('../../../examples/scenarios/', import.meta.url);
  const names = readdirSync(folder);
  expect(names.length).toBeGreaterThan(2);
  for (const name of names) {
    const scenario = read(readFileSync(new URL(name, folder), 'utf8'));
    expect(scenario.mistakes, name).toEqual([]);
    expect(scenario.steps.length, name).toBeGreaterThan(2);
  }
});
