import { expect, test } from 'vitest';
import { providers } from '../../packages/client/src/verify/provider-table.ts';
import { publicSecretMistake, secretMistake } from './secret-mistakes.ts';
import { makeKeys } from './simulation/made-keys.ts';
import { readSuites } from './vector-files.ts';

function mistake(provider: string, text: string): string | null {
  return secretMistake(provider, providers[provider]?.scheme, false, text);
}

test.each([
  ['stripe', 'whsec_abc', null],
  ['stripe', 'abc', /begins with whsec_.*whole text/],
  ['stripe', 'sk_live_abc', /an API key; what signs is the signing secret/],
  ['openai', 'whsec_YWJj', null],
  ['openai', 'YWJj', /begins with whsec_/],
  ['openai', 'sk-proj-1', /an API key/],
  ['svix', 'whsec_YWJj', null],
  ['svix', 'YWJj', null],
  ['github', 'anything at all', null],
  ['github', 'github_pat_11AA', /an access token/],
  ['slack', '8f742231b10e8888abcd99yyyzzz85a5', null],
  ['slack', 'xoxb-1-2', /a token/],
  ['telegram', 'with space', /letters, digits/],
  ['twitch', 'short', /10 to 100/],
  ['lemonsqueezy', 'x'.repeat(41), /6 to 40/],
  ['chargebee', 'password', /user:password/],
  ['chargebee', 'user:pass:word', null],
  ['brevo', 'Bearer abc', /leave out "Bearer"/],
  ['github', '"quoted"', /quotation marks/],
  ['github', "'quoted'", /quotation marks/],
  ['github', 'two\nlines', /line break/],
  ['github', 'GITHUB_SECRET=abc', /name of a variable/],
  ['github', `sha256=${'0'.repeat(64)}`, /looks like a signature/],
  ['github', 't=1795262400,v1=00', /looks like a signature/],
] as const)('%s: %s', (provider, text, expected) => {
  if (expected === null) expect(mistake(provider, text)).toBeNull();
  else expect(mistake(provider, text)).toMatch(expected);
});

test('the shapes of a provider do not count where the source has a scheme of its own', () => {
  const scheme = { kind: 'mac', alg: 'hmac-sha256', sig: { header: 'x' }, content: '{body}' } as const;
  expect(secretMistake('stripe', scheme, true, 'abc')).toBeNull();
});

test('the secret that Zendesk prints for everybody is known as such', () => {
  const printed = Buffer.from('this_secret_is_for_testing_only').toString('base64');
  expect(publicSecretMistake('zendesk', printed)).toMatch(/anybody could sign/);
  expect(publicSecretMistake('zendesk', 'another')).toBeNull();
});

test.each(readSuites())('$provider: the secrets of its vectors are taken', ({ provider, vectors }) => {
  const secrets = new Set(vectors.flatMap(({ secrets: given = [] }) => given));
  expect([...secrets].filter((secret) => mistake(provider, secret) !== null)).toEqual([]);
});

test('secrets that are made for simulations have the shape of the provider', () => {
  const made = Object.keys(providers).flatMap((id) =>
    makeKeys(id).source.secrets.flatMap((secret) => mistake(id, secret) ?? []),
  );
  expect(made).toEqual([]);
});
