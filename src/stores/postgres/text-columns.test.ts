import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { fromText, toText } from './text-columns.ts';

const anyText = fc.string({ unit: fc.constantFrom('a', '\0', '\u0001', '\u0002', 'ë', '😀') });

it('gives back any text, and never writes U+0000', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const stored = toText(text);
      expect(stored).not.toContain('\0');
      expect(fromText(stored)).toBe(text);
    }),
  );
});

it('keeps different texts different, so that keys stay keys', () => {
  fc.assert(
    fc.property(anyText, anyText, (one, other) => {
      expect(toText(one) === toText(other)).toBe(one === other);
    }),
  );
});

it('leaves ordinary text as it is', () => {
  expect(toText('Zoë\n')).toBe('Zoë\n');
  expect(toText('half \ud800 a pair')).toBe('half \ufffd a pair');
});
