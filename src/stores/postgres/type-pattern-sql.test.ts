import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { typeMatches } from '../../domain/type-pattern.ts';
import { typePatternRegExp } from './type-pattern-sql.ts';

const anySegment = fc.constantFrom('a', 'b', 'a_b', 'a-b', 'ab');
const anyType = fc.array(anySegment, { minLength: 1, maxLength: 5 });
const anyPattern = fc.array(fc.oneof(anySegment, fc.constantFrom('*', '**')), { minLength: 1, maxLength: 5 });

it('gives a regular expression that fits what the pattern fits', () => {
  fc.assert(
    fc.property(anyPattern, anyType, (patternSegments, typeSegments) => {
      const [pattern, type] = [patternSegments.join('.'), typeSegments.join('.')];
      expect(new RegExp(typePatternRegExp(pattern)).test(type), `${pattern} on ${type}`).toBe(
        typeMatches(pattern, type),
      );
    }),
    { numRuns: 3_000 },
  );
});

it('takes signs of regular expressions in a pattern as themselves', () => {
  expect(new RegExp(typePatternRegExp('a+b.(c')).test('a+b.(c')).toBe(true);
  expect(new RegExp(typePatternRegExp('a+b')).test('aab')).toBe(false);
});
