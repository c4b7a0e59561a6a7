import { parse } from '@bufbuild/cel';
import type { ExpressionError } from '../ports/expressions.ts';

export type ParsedExpression = ReturnType<typeof parse>;
export type Expr = ParsedExpression['expr'];

/** A mistake at an offset of the source, before line and column are known. */
export class ExpressionMistake extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

export const MAX_SOURCE_CHARS = 4_096;
/** The parser descends once per bracket and overflows the stack at about a thousand. */
export const MAX_NESTING = 64;

/** The syntax tree; throws `ExpressionMistake` and nothing else. */
export function parseExpression(source: string): ParsedExpression {
  if (source.trim() === '') throw new ExpressionMistake('the expression is empty', 0);
  if (source.length > MAX_SOURCE_CHARS) {
    throw new ExpressionMistake(
      `the expression has ${source.length} characters; at most ${MAX_SOURCE_CHARS} are allowed`,
      MAX_SOURCE_CHARS,
    );
  }
  checkBrackets(source);
  try {
    return parse(source);
  } catch (error) {
    throw syntaxMistake(source, error);
  }
}

/** Line and column from 1, offset in characters from 0. */
export function locate(source: string, message: string, offset: number): ExpressionError {
  const before = source.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  const line = before.split('\n').length;
  return { message, line, column: offset - lineStart + 1, offset };
}

// A comment, a string (raw or not, in triple quotes or not; an unclosed one ends at the line's end)
// or a bracket.
const TOKEN =
  /\/\/[^\n]*|[rR][bB]?("""[^]*?"""|'''[^]*?'''|"[^"\n]*"?|'[^'\n]*'?)|"""(\\[^]|[^\\])*?"""|'''(\\[^]|[^\\])*?'''|"(\\[^]|[^"\\\n])*"?|'(\\[^]|[^'\\\n])*'?|[()[\]{}]|[A-Za-z_]\w*/g;

const CLOSING = new Map([
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
]);

/** Finds what the parser would report far from its cause: open quotes, open and wrong brackets. */
function checkBrackets(source: string): void {
  const open: { bracket: string; offset: number }[] = [];
  for (const { 0: token, index } of source.matchAll(TOKEN)) {
    if (CLOSING.has(token)) {
      open.push({ bracket: token, offset: index });
      if (open.length > MAX_NESTING) {
        throw new ExpressionMistake(`brackets are nested deeper than ${MAX_NESTING}`, index);
      }
    } else if (token === ')' || token === ']' || token === '}') {
      const last = open.pop();
      if (last === undefined) throw new ExpressionMistake(`"${token}" closes nothing`, index);
      if (CLOSING.get(last.bracket) !== token) {
        throw new ExpressionMistake(`"${CLOSING.get(last.bracket)}" expected, found "${token}"`, index);
      }
    } else if (isUnclosedText(token)) {
      throw new ExpressionMistake('the text in quotes is not closed', index);
    }
  }
  const unclosed = open.pop();
  if (unclosed !== undefined) {
    throw new ExpressionMistake(`"${unclosed.bracket}" is not closed`, unclosed.offset);
  }
}

function isUnclosedText(token: string): boolean {
  const quoted = token.replace(/^[rR][bB]?(?=["'])/, '');
  const quote = quoted[0];
  if (quote !== '"' && quote !== "'") return false;
  return quoted.length < 2 || !quoted.endsWith(quote) || /^("|')\\\1$/.test(quoted);
}

function syntaxMistake(source: string, error: unknown): ExpressionMistake {
  if (error instanceof RangeError) return new ExpressionMistake('the expression is nested too deeply', 0);
  const offset = offsetOf(error);
  if (offset === null) {
    return new ExpressionMistake(error instanceof Error ? error.message : String(error), 0);
  }
  const rest = source.slice(offset).trimEnd();
  if (rest === '') return new ExpressionMistake('something is missing at the end', offset);
  const word = /^(?:\w+|&&|\|\||[=!<>]=|[^])/.exec(rest)?.[0] ?? rest;
  if (word.length === rest.length && /^[^\w)\]}"']+$/.test(word)) {
    return new ExpressionMistake(`something is missing after "${word}"`, offset + word.length);
  }
  const hint = word === '=' ? ' (to compare, write "==")' : '';
  return new ExpressionMistake(`"${word}" is not expected here${hint}`, offset);
}

/** The parser's errors carry a location, but their class is not exported. */
function offsetOf(error: unknown): number | null {
  const start = member(member(error, 'location'), 'start');
  const offset = member(start, 'offset');
  return typeof offset === 'number' ? offset : null;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
