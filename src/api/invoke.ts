import type { z } from 'zod';
import { type FieldError, Problem } from '../domain/problem.ts';
import { pointerToken } from '../domain/json-pointer.ts';
import { mayDo } from '../domain/principal.ts';
import type { Operation, OperationContext } from './operation.ts';

/** What a caller sent, still unchecked. */
export interface RawInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/**
 * Checks scope and input, runs the operation and answers its output.
 *
 * Rejects with a `Problem`: `scope_missing`, `validation_failed` with a pointer to each mistake, or
 * what the operation itself refuses.
 */
export async function invoke(
  operation: Operation,
  context: OperationContext,
  input: RawInput,
): Promise<unknown> {
  requireScope(operation, context);
  const errors: FieldError[] = [];
  const checked = {
    params: check(operation.params, input.params, '/path', errors),
    query: check(operation.query, input.query, '/query', errors),
    body: check(operation.body, input.body ?? {}, '', errors),
  };
  if (errors.length > 0) {
    const fields = errors.map(({ pointer, message }) => `${pointer === '' ? 'body' : pointer}: ${message}`);
    throw new Problem('validation_failed', fields.join('; '), { errors });
  }
  return operation.run(context, checked);
}

/** Throws a `Problem` (`scope_missing`) when the caller may not use the operation. */
export function requireScope(operation: Operation, context: OperationContext): void {
  const { principal } = context.caller;
  if (mayDo(principal, operation.scope)) return;
  const have = principal.scopes.join(', ');
  throw new Problem(
    'scope_missing',
    `${operation.name} needs scope "${operation.scope}"; the key has: ${have}`,
  );
}

function check(schema: z.ZodType, value: unknown, base: string, errors: FieldError[]): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  errors.push(...fieldErrors(parsed.error, base));
  return undefined;
}

/** A JSON pointer (RFC 6901) and a message for each mistake. */
export function fieldErrors(error: z.ZodError, base: string): FieldError[] {
  return error.issues.flatMap((issue): FieldError[] => {
    const pointer = base + pointerTo(issue.path);
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        pointer: `${pointer}${pointerTo([key])}`,
        message: 'is not a field of this request',
      }));
    }
    return [{ pointer, message: issue.message }];
  });
}

function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${pointerToken(String(part))}`).join('');
}
