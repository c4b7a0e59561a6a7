import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { writePayload } from '../../../packages/client/src/simulate/payload.ts';
import { readPayloads } from './payload-files.ts';

interface Published {
  readonly name: string;
  readonly examples: readonly unknown[];
}

const published = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly Published[];
const github = readPayloads().get('github');

/** `issue.user.login`, with `[]` for the items of lists. */
function pathsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, inner]) => pathsOf(inner, `${path}.${name}`))];
}

/** Published all the same, where the examples are older, have null, or an empty list. */
const unseen = [
  '.organization',
  '.organization.login',
  '.organization.id',
  '.issue.state_reason',
  '.pull_request.merged_by.login',
  '.commits[].modified[]',
];

test.each(Object.keys(github?.types ?? {}))('github %s has no field that GitHub does not publish', (type) => {
  if (github === undefined) throw new Error('no payloads of github');
  const [name = ''] = type.split('.');
  const examples = published.find((each) => each.name === name)?.examples ?? [];
  expect(examples.length).toBeGreaterThan(0);
  const known = new Set([...examples.flatMap((example) => pathsOf(example)), ...unseen]);
  const values = {
    eventSeed: 'a',
    objectSeed: 'b',
    timeMs: 0,
    type,
    sequence: 1,
    url: 'https://x',
    config: {},
  };
  const body: unknown = JSON.parse(Buffer.from(writePayload(github, values).body).toString());
  expect(pathsOf(body).filter((path) => !known.has(path))).toEqual([]);
});
