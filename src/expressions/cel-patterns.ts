import { RE2JS } from '@bufbuild/re2';

const MAX_PATTERNS = 1_000;
/** `(\pL{100}){10}` compiles to a thousand instructions and then takes 30 µs for each character. */
const MAX_PROGRAM = 500;
const patterns = new Map<string, RE2JS>();

/** RE2 (linear in the text, whatever the pattern); throws when the pattern is none. Compiled once. */
export function compilePattern(pattern: string): RE2JS {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const compiled = RE2JS.compile(pattern);
  if (programSize(compiled) > MAX_PROGRAM) throw new Error('the pattern is too big: repeat less');
  if (patterns.size >= MAX_PATTERNS) patterns.clear();
  patterns.set(pattern, compiled);
  return compiled;
}

/** How many instructions the pattern became: each may look at each character of the text. */
export function programSize(compiled: RE2JS): number {
  return compiled.re2Input.prog.numInst();
}
