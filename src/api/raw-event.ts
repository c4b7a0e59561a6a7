import { Problem } from '../domain/problem.ts';
import { mayDo } from '../domain/principal.ts';
import type { LoggedEvent } from '../domain/event.ts';
import { findEvent } from './events.ts';
import type { OperationContext } from './operation.ts';

/** An event for `GET /v1/events/{id}/raw`: the body byte for byte, which JSON could not carry. */
export function findRawEvent(context: OperationContext, eventId: string): Promise<LoggedEvent> {
  if (!mayDo(context.caller.principal, 'read'))
    throw new Problem('scope_missing', 'reading needs scope "read"');
  return findEvent(context, eventId);
}
