import type { FieldError } from '../domain/problem.ts';

/**
 * JSON Schema (2020-12).
 *
 * Nothing is ever fetched: a schema that refers to another document is refused. A check takes at most a
 * fixed number of steps, whatever the schema and the value; past that the value counts as not fitting.
 */
export interface Schemas {
  /** Why the schema itself is unusable, with a pointer into it; `null` when it is fine. */
  problem(schema: JsonSchema): FieldError | null;
  /**
   * What about the value does not fit, with pointers into it, a score of mistakes at the most; empty when
   * it fits. Compiled once for each schema object. Throws for a schema that has a `problem`.
   */
  mismatches(schema: JsonSchema, value: unknown): readonly FieldError[];
}

/** A JSON Schema (2020-12) as its author wrote it. */
export type JsonSchema = Readonly<Record<string, unknown>>;
