import { Problem } from '../domain/problem.ts';
import { mayDo } from '../domain/principal.ts';
import type { LoggedEvent } from '../domain/event.ts';
import { findEvent } from './events.ts';
import type { OperationContext } from './operation.ts';

/**
 * An event for `GET /v1/events/{id}/raw`: the body byte for byte, which JSON could not carry. Where some of
 * it is hidden from view, only who may change what is hidden may have it.
 */
export async function findRawEvent(context: OperationContext, eventId: string): Promise<LoggedEvent> {
  const { principal } = context.caller;
  if (!mayDo(principal, 'read')) throw new Problem('scope_missing', 'reading needs scope "read"');
  const event = await findEvent(context, eventId);
  const rules = await context.gateway.redactions.rulesFor(event.sourceId);
  if (rules.length > 0 && !mayDo(principal, 'manage')) {
    throw new Problem('scope_missing', 'some of the body is hidden, so having it raw needs scope "manage"');
  }
  return event;
}
