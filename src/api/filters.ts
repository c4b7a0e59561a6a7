import { z } from 'zod';
import { EventInput, isRecord } from '../core/expression-input.ts';
import { filterAnswer } from '../core/owed-deliveries.ts';
import type { ExpressionInput } from '../ports/expressions.ts';
import { findEvent } from './events.ts';
import { id, nothing, record } from './fields.ts';
import { operation, type OperationContext } from './operation.ts';

const body = z.strictObject({
  filter: z.string().min(1).max(4_096).describe('CEL over event, headers, data'),
  event: id.optional().describe('an event of the log'),
  sample: z
    .strictObject({
      event: record.optional(),
      headers: z.record(z.string(), z.string()).optional(),
      data: z.unknown(),
    })
    .partial()
    .optional()
    .describe('what the expression sees: event, headers, data'),
});

async function inputFor(context: OperationContext, ask: z.output<typeof body>): Promise<ExpressionInput> {
  if (ask.event !== undefined) return new EventInput(await findEvent(context, ask.event));
  const sample = ask.sample ?? {};
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(sample.headers ?? {})) headers[name.toLowerCase()] = value;
  return {
    event: isRecord(sample.event) ? sample.event : {},
    headers,
    data: sample.data ?? null,
  };
}

const test = operation({
  name: 'filters.test',
  method: 'POST',
  path: '/v1/filters/test',
  scope: 'read',
  summary: 'Try a filter on an event of the log or on a sample',
  params: nothing,
  query: nothing,
  body,
  output: z.object({
    valid: z.boolean(),
    matched: z.boolean().nullable(),
    value: z.unknown(),
    error: z
      .object({
        message: z.string(),
        line: z.int().nullable(),
        column: z.int().nullable(),
        offset: z.int().nullable(),
      })
      .nullable(),
  }),
  status: 200,
  run: async (context, { body: ask }) => {
    const compiled = context.gateway.services.expressions.compile(ask.filter);
    if (!compiled.ok) return { valid: false, matched: null, value: null, error: { ...compiled.error } };
    const result = compiled.expression.evaluate(await inputFor(context, ask));
    const answer = filterAnswer(result);
    if ('error' in answer) {
      const error = { message: answer.error, line: null, column: null, offset: null };
      return { valid: true, matched: false, value: result.ok ? result.value : null, error };
    }
    return { valid: true, matched: answer.value, value: answer.value, error: null };
  },
});

/** Operations that try expressions out; they change nothing. */
export const filterOperations = [test];
