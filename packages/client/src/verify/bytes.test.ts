import { readFileSync, readdirSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeText, encodeBytes, equalBytes } from './bytes.ts';

const encodings = ['hex', 'base64', 'base64url'] as const;

test.each(encodings)('%s: what is encoded decodes to the same, as the platform has it', (encoding) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const text = encodeBytes(bytes, encoding);
      expect(text).toBe(Buffer.from(bytes).toString(encoding));
      expect(decodeText(text, encoding)).toEqual(bytes);
    }),
  );
});

test.each(encodings)('%s: no two texts stand for the same bytes', (encoding) => {
  const digit = fc.constantFrom(...'ABCDEFabcdef0129+/-_='.split(''));
  fc.assert(
    fc.property(fc.string({ unit: digit, maxLength: 9 }), (text) => {
      const bytes = decodeText(text, encoding);
      if (bytes === undefined) return;
      const same = encoding === 'hex' ? text.toLowerCase() : text;
      // base64url may be padded, for some libraries write it so.
      expect([same, same.replace(/=+$/, '')]).toContain(encodeBytes(bytes, encoding));
    }),
    { numRuns: 2000 },
  );
});

test('bytes are equal only to themselves', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (a, b) => {
      expect(equalBytes(a, b)).toBe(Buffer.from(a).equals(b));
      expect(equalBytes(a, Uint8Array.from(a))).toBe(true);
    }),
  );
});

test('the verifier runs wherever JavaScript runs: it imports nothing but itself', () => {
  const here = new URL('.', import.meta.url);
  const files = readdirSync(here, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  );
  expect(files.length).toBeGreaterThan(40);
  for (const file of files) {
    const text = readFileSync(new URL(file, here), 'utf8');
    for (const [, from = ''] of text.matchAll(/^(?:import|export) .*from '([^']+)'/gm)) {
      expect(`${file} imports ${from}`).toMatch(/imports \.\.?\//);
    }
    expect(`${file}: ${/\b(?:Buffer|process|require)\b\s*[.(]/.exec(text)?.[0] ?? ''}`).toBe(`${file}: `);
  }
});
