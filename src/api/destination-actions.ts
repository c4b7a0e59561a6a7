import { z } from 'zod';
import { judge } from '../domain/outcome.ts';
import type { Destination } from '../domain/settings.ts';
import { destinationOut, destinationView } from './destinations.ts';
import { id, idParams, nothing } from './fields.ts';
import { operation } from './operation.ts';

function stateOperation(verb: string, state: Destination['state'], summary: string) {
  return operation({
    name: `destinations.${verb}`,
    method: 'POST',
    path: `/v1/destinations/{id}/${verb}`,
    scope: 'manage',
    summary,
    params: idParams,
    query: nothing,
    body: z.strictObject({ reason: z.string().max(200).optional().describe('shown with the destination') }),
    output: destinationOut,
    status: 200,
    run: async (context, { params, body }) => {
      const reason = state === 'enabled' ? null : (body.reason ?? `${state}_by_operator`);
      // Whoever enables it has mended it: no old failures count against it.
      if (verb === 'enable') context.gateway.health.forget(params.id);
      const after = await context.gateway.settings.setDestinationState(
        params.id,
        state,
        reason,
        context.caller,
      );
      return destinationView(context, after);
    },
  });
}

const ENCODER = new TextEncoder();

const test = operation({
  name: 'destinations.test',
  method: 'POST',
  path: '/v1/destinations/{id}/test',
  scope: 'manage',
  summary: 'Send one signed test request now and show what came back; nothing is kept',
  params: idParams,
  query: nothing,
  body: nothing,
  output: z.object({
    webhook_id: id,
    outcome: z.enum(['succeeded', 'retryable', 'permanent']),
    status: z.int().nullable(),
    error: z.string().nullable(),
    duration_ms: z.number(),
    response_body: z.string(),
  }),
  status: 200,
  run: async (context, { params }) => {
    const { gateway } = context;
    const destination = gateway.settings.find('destination', params.id, context.caller.principal);
    const now = gateway.services.clock.now();
    const timestamp = new Date(now).toISOString();
    const body = JSON.stringify({
      type: 'ringback.test',
      timestamp,
      data: { destination_id: destination.id },
    });
    const { result, webhookId } = await gateway.sendTest(destination, ENCODER.encode(body));
    const judgement = judge(result, 'retry', now);
    return {
      webhook_id: webhookId,
      outcome: judgement.outcome,
      status: result.status,
      error: judgement.error,
      duration_ms: Math.round(result.durationMs),
      response_body: result.body,
    };
  },
});

/** Operations that change the state of a destination, and the one that tries it out. */
export const destinationActionOperations = [
  stateOperation('enable', 'enabled', 'Enable a destination, or let a paused one go on'),
  stateOperation(
    'disable',
    'disabled',
    'Disable a destination; what it is owed becomes dead, with the reason',
  ),
  stateOperation('pause', 'paused', 'Hold what a destination is owed; nothing is dropped'),
  stateOperation('resume', 'enabled', 'Let a paused destination go on with what was held'),
  test,
];
