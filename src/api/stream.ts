import { z } from 'zod';
import { Problem } from '../domain/problem.ts';
import { mayDo } from '../domain/principal.ts';
import { eventFilter, eventFilterFields, summariesOf } from './events.ts';
import { encodeCursor, logPlace } from './fields.ts';
import { fieldErrors } from './invoke.ts';
import type { OperationContext } from './operation.ts';

/** One message of the stream. */
export interface StreamMessage {
  /** For `Last-Event-ID`: where to go on. */
  readonly id: string;
  readonly event: 'event.accepted';
  readonly data: unknown;
}

/** Where the reader is, when there is no event to say it with. */
export type StreamPlace = Pick<StreamMessage, 'id'>;

const streamQuery = z.strictObject({ ...eventFilterFields, cursor: z.string().max(64).optional() });

const BATCH = 100;

/**
 * Events in log order, from after `lastEventId` (or from now on) for ever, until `signal` is aborted.
 * Reads from the log, never from memory, so that nothing is missed between two reads.
 *
 * The first item is the place where it begins, so that a reader that is cut off before its first event
 * can go on from there; then one comes whenever nothing else has for a while.
 *
 * Throws a `Problem` for a query or a cursor that cannot be used.
 */
export function eventStream(
  context: OperationContext,
  query: unknown,
  lastEventId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage | StreamPlace> {
  if (!mayDo(context.caller.principal, 'read'))
    throw new Problem('scope_missing', 'streaming needs scope "read"');
  const parsed = streamQuery.safeParse(query);
  if (!parsed.success) {
    throw new Problem('validation_failed', 'the query has invalid fields', {
      errors: fieldErrors(parsed.error, '/query'),
    });
  }
  const { cursor, ...filter } = parsed.data;
  return follow(context, eventFilter(context, filter), logPlace(lastEventId ?? cursor), signal);
}

async function* follow(
  context: OperationContext,
  filter: ReturnType<typeof eventFilter>,
  from: number | null,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage | StreamPlace> {
  const { acceptance, services } = context.gateway;
  const { queries } = services.store;
  let appended = true;
  let wake: (() => void) | null = null;
  const stopListening = acceptance.onAppended(() => {
    appended = true;
    wake?.();
  });
  try {
    let seq = from ?? (await queries.lastSeq());
    yield placeOf(seq);
    while (!signal.aborted) {
      appended = false;
      const { items, reachedSeq } = await queries.eventsAfter(seq, filter, BATCH);
      for (const { seq: place, summary } of await summariesOf(context, items, filter.text)) {
        yield { ...placeOf(place), event: 'event.accepted', data: summary };
      }
      const moved = reachedSeq > seq;
      seq = reachedSeq;
      if (moved || appended) continue;
      await new Promise<void>((resolve) => {
        const cancel = services.clock.after(IDLE_MS, () => wake?.());
        const end = (): void => {
          cancel();
          signal.removeEventListener('abort', end);
          resolve();
        };
        wake = end;
        signal.addEventListener('abort', end);
        if (signal.aborted) end();
      });
      if (!appended && !signal.aborted) yield placeOf(seq);
    }
  } finally {
    stopListening();
  }
}

function placeOf(seq: number): StreamPlace {
  return { id: encodeCursor(seq) ?? '' };
}

/** A place goes out after this long without events, so that proxies and clients see a live line. */
const IDLE_MS = 15_000;
