import { expect, test, vi } from 'vitest';
import { plivoContent } from './custom/plivo.ts';
import { sortedParameters } from './custom/twilio.ts';
import { groupParameters } from './form-groups.ts';
import { verify } from './verify.ts';

/** A form that counts how often all of its parameters are walked through. */
class CountingForm extends URLSearchParams {
  walks = 0;

  override getAll(name: string): string[] {
    this.walks += 1;
    return super.getAll(name);
  }

  override get(name: string): string | null {
    this.walks += 1;
    return super.get(name);
  }

  override keys(): ReturnType<URLSearchParams['keys']> {
    this.walks += 1;
    return super.keys();
  }

  override [Symbol.iterator](): ReturnType<URLSearchParams['entries']> {
    this.walks += 1;
    return super[Symbol.iterator]();
  }
}

function formOf(parameters: number): CountingForm {
  return new CountingForm(Array.from({ length: parameters }, (_, index) => `k${index}=v`).join('&'));
}

function walksOfTwilio(parameters: number): number {
  const form = formOf(parameters);
  sortedParameters(form);
  return form.walks;
}

function walksOfPlivo(parameters: number): number {
  const form = formOf(parameters);
  plivoContent('POST', 'https://h.example.com/in/x', form, form, 'n');
  return form.walks;
}

// Once it was one walk for each parameter: the square of the form's length, before any proof.
test.each([
  ['twilio', walksOfTwilio],
  ['plivo', walksOfPlivo],
] as const)('%s: a form is walked through as often with 1,000 parameters as with 10', (_, walks) => {
  expect(walks(10)).toBeGreaterThan(0);
  expect(walks(1_000)).toBe(walks(10));
});

test('grouping sorts names and values as a sort of the pairs would', () => {
  const pairs: [string, string][] = [
    ['b', '2'],
    ['a', 'z'],
    ['b', '10'],
    ['a', 'y'],
    ['ä', ''],
    ['B', '1'],
  ];
  expect(groupParameters(pairs)).toEqual([
    ['B', ['1']],
    ['a', ['y', 'z']],
    ['b', ['10', '2']],
    ['ä', ['']],
  ]);
});

const many = 5_000;
const body = new TextEncoder().encode('{}');
const hex = '0'.repeat(64);
const now = new Date(1_795_262_400_000);

/** How many HMACs over a body the request costs, counted where WebCrypto makes them. */
async function macsFor(provider: string, headers: readonly [string, string][]): Promise<number> {
  const macs = vi.spyOn(crypto.subtle, 'sign');
  try {
    const request = { method: 'POST', url: 'https://h.example.com/in/x', headers, body };
    const result = await verify(request, { provider, secrets: ['s'], now });
    expect(result.ok).toBe(false);
    return macs.mock.calls.length;
  } finally {
    macs.mockRestore();
  }
}

test('a header stuffed with signatures costs no more hashes than one with a few', async () => {
  const groups = Array.from({ length: many }, () => `t=1795262400,v1=${hex}`).join(' ');
  expect(await macsFor('persona', [['persona-signature', groups]])).toBe(8);
  const repeated = Array.from({ length: many }, () => ['x-mollie-signature', `sha256=${hex}`] as const);
  expect(
    await macsFor(
      'mollie_nextgen',
      repeated.map(([name, value]) => [name, value]),
    ),
  ).toBe(8);
  const listed = Array.from({ length: many }, () => `v1=${hex}`).join(',');
  expect(await macsFor('stripe', [['stripe-signature', `t=1795262400,${listed}`]])).toBe(1);
});

test('lists of signed headers are bounded, since each name is looked up among all headers', async () => {
  const names = Array.from({ length: many }, (_, index) => `x-${index}`);
  const request = { method: 'POST', url: 'https://h.example.com/in/x', body };
  const contentful = await verify(
    {
      ...request,
      headers: [
        ['x-contentful-signature', hex],
        ['x-contentful-signed-headers', ['x-contentful-timestamp', ...names].join(',')],
        ['x-contentful-timestamp', '1795262400000'],
      ],
    },
    { provider: 'contentful', secrets: ['s'], now },
  );
  expect(contentful).toMatchObject({ reason: 'malformed_signature' });
  const coinbase = await verify(
    { ...request, headers: [['x-hook0-signature', `t=1795262400,h=${names.join(' ')},v1=${hex}`]] },
    { provider: 'coinbase_cdp', secrets: ['s'], now },
  );
  expect(coinbase).toMatchObject({ reason: 'malformed_signature' });
});
