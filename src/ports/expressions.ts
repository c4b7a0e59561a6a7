/**
 * What an expression can see: `event`, `headers`, `data`. Built lazily: most events need none. A part that
 * cannot be made throws, and the evaluation that asked for it answers with the message.
 */
export interface ExpressionInput {
  readonly event: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: unknown;
}

/** A value, or why there is none, in words for people. */
export type Evaluated =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: string };

/** An expression that was checked once and can be evaluated often. */
export interface CompiledExpression {
  readonly source: string;
  /** Never throws: an absent field or a wrong type is an answer with `ok: false`. */
  evaluate(input: ExpressionInput): Evaluated;
}

/** Where an expression is wrong. Line and column from 1; offset in characters from 0. */
export interface ExpressionError {
  readonly message: string;
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

/**
 * The one expression language (CEL): filters, session keys, transforms, de-duplication keys.
 *
 * Expressions run no code, do no I/O and take time linear in their input.
 */
export interface Expressions {
  compile(
    source: string,
  ):
    | { readonly ok: true; readonly expression: CompiledExpression }
    | { readonly ok: false; readonly error: ExpressionError };
}
