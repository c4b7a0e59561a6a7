import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isEventType, isTypePattern, MAX_TYPE_CHARS, typeMatches } from './type-pattern.ts';

/** What the docs say, word by word, without any thought for speed. */
function matchesNaively(pattern: readonly string[], type: readonly string[]): boolean {
  const [segment, ...rest] = pattern;
  if (segment === undefined) return type.length === 0;
  if (segment === '**') {
    return [...type, 'end'].some((_, taken) => matchesNaively(rest, type.slice(taken)));
  }
  if (type.length === 0) return false;
  if (segment === '*' && rest.length === 0) return true;
  return (segment === '*' || segment === type[0]) && matchesNaively(rest, type.slice(1));
}

const segments = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 6 });
const patterns = fc.array(fc.constantFrom('a', 'b', '*', '**'), { minLength: 1, maxLength: 6 });

describe('a type pattern', () => {
  test.each([
    ['invoice.paid', 'invoice.paid', true],
    ['invoice.paid', 'invoice.paid.late', false],
    ['invoice.*', 'invoice.paid', true],
    ['invoice.*', 'invoice.payment.failed', true],
    ['invoice.*', 'invoice', false],
    ['invoice.*', 'invoices.paid', false],
    ['invoice.**', 'invoice', true],
    ['*.paid', 'invoice.paid', true],
    ['*.paid', 'a.b.paid', false],
    ['**.paid', 'a.b.paid', true],
    ['**.paid', 'paid', true],
    ['a.**.z', 'a.z', true],
    ['a.**.z', 'a.b.c.z', true],
    ['a.**.z', 'a.b.c', false],
    ['*', 'anything.at.all', true],
    ['**', 'anything.at.all', true],
    ['Invoice.*', 'invoice.paid', false],
  ])('%s on %s: %s', (pattern, type, fits) => {
    expect(typeMatches(pattern, type)).toBe(fits);
  });

  test('matches what the naive reference matches', () => {
    fc.assert(
      fc.property(patterns, segments, (pattern, type) => {
        expect(typeMatches(pattern.join('.'), type.join('.'))).toBe(matchesNaively(pattern, type));
      }),
      { numRuns: 2_000 },
    );
  });

  test('bug: a pattern of many ** takes no longer than any other', () => {
    // Trying every width of every `**` would take years for these two.
    const pattern = `${'**.a.'.repeat(50)}b`;
    const type = `${'a.'.repeat(120)}a`;
    expect(isTypePattern(pattern) && isEventType(type)).toBe(true);
    expect(typeMatches(pattern, type)).toBe(false);
  });
});

describe('what is a type, and what is a pattern', () => {
  test.each(['a', 'com.github.pull_request.opened', 'A-1._x', 'a'.repeat(MAX_TYPE_CHARS)])(
    'type %s',
    (text) => {
      expect(isEventType(text)).toBe(true);
      expect(isTypePattern(text)).toBe(true);
    },
  );

  test.each(['', '.', 'a.', '.a', 'a..b', 'a b', 'a\n', 'ä', 'a/b', 'a'.repeat(MAX_TYPE_CHARS + 1)])(
    'neither: %j',
    (text) => {
      expect(isEventType(text)).toBe(false);
      expect(isTypePattern(text)).toBe(false);
    },
  );

  test.each(['*', '**', 'a.*', '*.a', 'a.**.b', '**.*'])('pattern, not type: %s', (text) => {
    expect(isEventType(text)).toBe(false);
    expect(isTypePattern(text)).toBe(true);
  });

  test.each(['a*', '***', '*a', 'a.b*', '*.*a'])('not even a pattern: %s', (text) => {
    expect(isTypePattern(text)).toBe(false);
  });
});
