import { z } from 'zod';
import { isRecord } from '../domain/json-record.ts';
import { mismatchText } from '../core/event-types.ts';
import { mayDo } from '../domain/principal.ts';
import { filterAnswer } from '../core/owed-deliveries.ts';
import type { ExpressionInput } from '../ports/expressions.ts';
import { eventSchemaView, findEvent, schemaOut } from './events.ts';
import { id, nothing, record } from './fields.ts';
import { operation, type OperationContext } from './operation.ts';
import { tenantFor } from './tenancy.ts';

const body = z.strictObject({
  filter: z.string().min(1).max(4_096).describe('CEL over event, headers, data'),
  event: id.optional().describe('an event of the log'),
  sample: z
    .strictObject({
      event: record.optional(),
      headers: z.record(z.string(), z.string()).optional(),
      data: z.unknown(),
      type_version: z.int().min(1).describe('of the type in event.type; default the newest'),
    })
    .partial()
    .optional()
    .describe('what the expression sees: event, headers, data'),
});

/** What a filter is tried on, with how its data stands to the catalogue. */
interface Tried {
  readonly input: ExpressionInput;
  readonly schema: z.input<typeof schemaOut>;
}

async function inputFor(context: OperationContext, ask: z.output<typeof body>): Promise<Tried> {
  if (ask.event !== undefined) {
    const found = await findEvent(context, ask.event);
    // Else whoever may only read could ask a filter for what is hidden.
    const maySeeAll = mayDo(context.caller.principal, 'manage');
    const event = maySeeAll ? found : (await context.gateway.redactions.shown(found)).event;
    return { input: context.gateway.views.of(event), schema: eventSchemaView(event) };
  }
  const sample = ask.sample ?? {};
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(sample.headers ?? {})) headers[name.toLowerCase()] = value;
  const event = isRecord(sample.event) ? sample.event : {};
  const data = sample.data ?? null;
  const version = sample.type_version ?? null;
  const input = {
    event: { ...event, ...(version === null ? {} : { type_version: version }) },
    headers,
    data,
  };
  return { input, schema: sampleSchema(context, event['type'], version, data) };
}

function sampleSchema(
  context: OperationContext,
  type: unknown,
  version: number | null,
  data: unknown,
): Tried['schema'] {
  const tenant = tenantFor(context.caller.principal, undefined);
  if (typeof type !== 'string') return null;
  const verdict = context.gateway.eventTypes.check(tenant, type, version, data);
  if (verdict === null) return null;
  const mismatch = verdict.mismatches.length === 0 ? null : mismatchText(verdict.mismatches);
  return { type_version: verdict.version, valid: mismatch === null, mismatch };
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
    schema: schemaOut.describe('how the data stands to the catalogue; null = it was not held against it'),
  }),
  status: 200,
  run: async (context, { body: ask }) => {
    const compiled = context.gateway.services.expressions.compile(ask.filter);
    const { input, schema } = await inputFor(context, ask);
    if (!compiled.ok) {
      return { valid: false, matched: null, value: null, error: { ...compiled.error }, schema };
    }
    const result = compiled.expression.evaluate(input);
    const answer = filterAnswer(result);
    if ('error' in answer) {
      const error = { message: answer.error, line: null, column: null, offset: null };
      return { valid: true, matched: false, value: result.ok ? result.value : null, error, schema };
    }
    return { valid: true, matched: answer.value, value: answer.value, error: null, schema };
  },
});

/** Operations that try expressions out; they change nothing. */
export const filterOperations = [test];
