import { RE2JS } from '@bufbuild/re2';

/** `(\pL{100}){10}` compiles to a thousand instructions and then takes 30 µs for each character. */
const MAX_PROGRAM = 500;

/** A pattern that takes time linear in the text (RE2). */
export interface LinearPattern {
  test(text: string): boolean;
  /** Characters of text that can be looked at in about a tenth of a microsecond, at the worst. */
  readonly charsPerStep: number;
}

/**
 * RE2 instead of the engine's own regular expressions, which take exponential time for some patterns.
 * Throws for a pattern that RE2 does not know: lookahead, lookbehind, back references.
 */
export function compilePattern(pattern: string): LinearPattern {
  const compiled = RE2JS.compile(portable(pattern));
  const instructions = compiled.re2Input.prog.numInst();
  if (instructions > MAX_PROGRAM) throw new Error('the pattern is too big: repeat less');
  return {
    test: (text) => compiled.test(text),
    charsPerStep: Math.max(0.1, 4 / instructions),
  };
}

/** Escapes that ECMA-262, whose patterns JSON Schema has, writes differently. */
function portable(pattern: string): string {
  return pattern.replaceAll(
    /\\(?:u\{([\da-fA-F]+)\}|u([\da-fA-F]{4})|[\s\S])/g,
    (whole, braced: string | undefined, four: string | undefined) => {
      const code = braced ?? four;
      return code === undefined ? whole : `\\x{${code}}`;
    },
  );
}
