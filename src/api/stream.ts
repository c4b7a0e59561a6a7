import { z } from 'zod';
import { EventInput } from '../core/expression-input.ts';
import { filterAnswer } from '../core/owed-deliveries.ts';
import type { LoggedEvent } from '../domain/event.ts';
import { Problem } from '../domain/problem.ts';
import { mayDo } from '../domain/principal.ts';
import type { CompiledExpression } from '../ports/expressions.ts';
import type { EventFilter } from '../ports/queries.ts';
import { eventFilter, eventFilterFields, eventSummary, mentions } from './events.ts';
import { durationField, encodeCursor, headerPairs, isoTime, logPlace } from './fields.ts';
import { fieldErrors } from './invoke.ts';
import type { OperationContext } from './operation.ts';
import { checkExpression } from './setting-checks.ts';

/** Where the reader is, when there is no event to say it with. */
export interface StreamPlace {
  /** For `Last-Event-ID`: where to go on. */
  readonly id: string;
}

/** One message of the stream. */
export interface StreamMessage extends StreamPlace {
  /** `gap`: retention has removed events after the place where the reader was; some may be missed. */
  readonly event: 'event.accepted' | 'gap';
  readonly data: unknown;
}

/** What a stream is asked for beside its filters, all of it checked. */
export interface Following<Message> {
  readonly filter: EventFilter;
  /** The event as this reader may see it. */
  readonly shown: (event: LoggedEvent) => Promise<LoggedEvent>;
  /** Asked of each event that the filter lets through, as it is and as it is shown. */
  readonly wants: (event: LoggedEvent, shown: LoggedEvent) => boolean;
  /** After this place; `null` = from now on. */
  readonly from: number | null;
  /** Begins that many wanted events earlier, if that is before `from`. */
  readonly last: number;
  /** Without events, the place goes out this often, so that proxies and readers see a live line. */
  readonly heartbeatMs: number;
  /** Throws the `Problem` that ends the stream: asked before anything goes out. */
  readonly stillAllowed: () => void;
  /** `isWhole`: nothing of the event is hidden from the reader. */
  readonly message: (shown: LoggedEvent, id: string, isWhole: boolean) => Message;
}

const source = z.string().max(128);

const streamQuery = z.strictObject({
  ...eventFilterFields,
  source: z.union([source, z.array(source).max(50)]).optional(),
  filter: z.string().min(1).max(4_096).optional(),
  include: z.enum(['request']).optional(),
  heartbeat: durationField('1s', '60s').optional(),
  last: z.coerce.number().int().min(0).max(1_000).default(0),
  cursor: z.string().max(64).optional(),
});

const BATCH = 100;
/** Bodies held for one reader at a time; a single larger one comes alone. */
const BATCH_BYTES = 1024 * 1024;
/** A larger body does not travel in the stream: the reader fetches it from `/v1/events/{id}/raw`. */
const INLINE_BODY_BYTES = 64 * 1024;
const HEARTBEAT_MS = 15_000;
/** Events looked through for the last few that fit. */
const LAST_SCAN = 10_000;
const LAST_PAGE = 50;

/**
 * Events in log order, from after `lastEventId` (or from now on) for ever, until `signal` is aborted.
 * Reads from the log, never from memory, so that nothing is missed between two reads.
 *
 * The first item is the place where it begins, so that a reader that is cut off before its first event
 * can go on from there; then one comes whenever nothing else has for a while.
 *
 * Throws a `Problem` for a query or a cursor that cannot be used, and later what `stillAllowed` throws.
 */
export function eventStream(
  context: OperationContext,
  query: unknown,
  lastEventId: string | undefined,
  signal: AbortSignal,
  stillAllowed: () => void = () => undefined,
): AsyncGenerator<StreamMessage | StreamPlace> {
  if (!mayDo(context.caller.principal, 'read'))
    throw new Problem('scope_missing', 'streaming needs scope "read"');
  const parsed = streamQuery.safeParse(query);
  if (!parsed.success) {
    throw new Problem('validation_failed', 'the query has invalid fields', {
      errors: fieldErrors(parsed.error, '/query'),
    });
  }
  const { cursor, filter, include, heartbeat, last, source: asked, ...rest } = parsed.data;
  const { directory } = context.gateway;
  checkExpression(directory, filter ?? null, '/query/filter');
  const expression = directory.compile(filter ?? null);
  const sources = asked === undefined ? [] : [asked].flat();
  const [only] = sources;
  const one = sources.length === 1 && only !== undefined ? { source: only } : {};
  const { redactions } = context.gateway;
  // Who may change what is hidden may have the request as it came, as from `/raw`.
  const maySeeAll = mayDo(context.caller.principal, 'manage');
  const { q: text } = rest;
  return followLog(context, signal, {
    filter: eventFilter(context, { ...rest, ...one }),
    shown: async (event) =>
      include === 'request' && maySeeAll ? event : (await redactions.shown(event)).event,
    wants: (event, shown) =>
      isOfSources(event, sources) &&
      passes(maySeeAll ? event : shown, expression) &&
      (maySeeAll || text === undefined || shown === event || mentions(shown, text)),
    from: logPlace(lastEventId ?? cursor),
    last,
    heartbeatMs: heartbeat ?? HEARTBEAT_MS,
    stillAllowed,
    message: (shown, id, isWhole) => ({
      id,
      event: 'event.accepted',
      data: include === 'request' ? requestView(shown, isWhole) : eventSummary(shown),
    }),
  });
}

/** See `eventStream`; for other readers of the log that wait for what comes. */
export async function* followLog<Message>(
  context: Pick<OperationContext, 'gateway'>,
  signal: AbortSignal,
  following: Following<Message>,
): AsyncGenerator<Message | StreamMessage | StreamPlace> {
  const { acceptance, services } = context.gateway;
  const { queries } = services.store;
  const { filter, from, heartbeatMs, stillAllowed } = following;
  const wakeUp = new WakeUp(services.clock, signal);
  const stopListening = acceptance.onAppended(() => wakeUp.now());
  try {
    const known = from ?? (await newestPlace(context, filter));
    let toldGap = known;
    let seq = await startPlace(context, following, known);
    yield placeOf(seq);
    let spokenAt = services.clock.now();
    while (!signal.aborted) {
      wakeUp.reset();
      const { items, reachedSeq, prunedSeq } = await queries.eventsAfter(seq, filter, BATCH, BATCH_BYTES);
      if (prunedSeq > Math.max(seq, toldGap)) {
        stillAllowed();
        yield gapMessage(seq, prunedSeq);
        toldGap = prunedSeq;
      }
      for (const item of items) {
        const shown = await following.shown(item);
        if (!following.wants(item, shown)) continue;
        stillAllowed();
        yield following.message(shown, placeOf(item.seq).id, shown === item);
        spokenAt = services.clock.now();
      }
      const moved = reachedSeq > seq;
      // With nothing left after the reader's place, what was removed lies behind it: told once is enough.
      seq = moved ? reachedSeq : Math.max(seq, prunedSeq);
      const silentMs = services.clock.now() - spokenAt;
      if (silentMs < heartbeatMs) {
        if (moved) continue;
        await wakeUp.after(heartbeatMs - silentMs);
        continue;
      }
      // Also while events pass by that nobody wants here: their reader must not take the line for dead.
      stillAllowed();
      yield placeOf(seq);
      spokenAt = services.clock.now();
    }
  } finally {
    stopListening();
  }
}

/** Waits for a time or for news, whichever is first; news that came before the wait ends it at once. */
class WakeUp {
  readonly #clock: OperationContext['gateway']['services']['clock'];
  readonly #signal: AbortSignal;
  #news = false;
  #wake: (() => void) | null = null;

  constructor(clock: OperationContext['gateway']['services']['clock'], signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  reset(): void {
    this.#news = false;
  }

  now(): void {
    this.#news = true;
    this.#wake?.();
  }

  async after(delayMs: number): Promise<void> {
    if (this.#news || this.#signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        cancel();
        this.#signal.removeEventListener('abort', end);
        this.#wake = null;
        resolve();
      };
      const cancel = this.#clock.after(delayMs, end);
      this.#wake = end;
      this.#signal.addEventListener('abort', end);
    });
  }
}

/** Where a reader without a place begins: after everything that is or was there. */
async function newestPlace(context: Pick<OperationContext, 'gateway'>, filter: EventFilter): Promise<number> {
  const { queries } = context.gateway.services.store;
  const last = await queries.lastSeq();
  const { prunedSeq } = await queries.eventsAfter(last, filter, 1);
  return Math.max(last, prunedSeq);
}

/** `known`, or before the `last` wanted events, if these begin earlier. */
async function startPlace<Message>(
  context: Pick<OperationContext, 'gateway'>,
  { filter, shown, wants, last }: Following<Message>,
  known: number,
): Promise<number> {
  const { queries } = context.gateway.services.store;
  let start = known;
  let before: number | null = null;
  let missing = last;
  for (let looked = 0; missing > 0 && looked < LAST_SCAN; looked += LAST_PAGE) {
    // oxlint-disable-next-line no-await-in-loop -- one page names the next
    const page = await queries.events(filter, { limit: LAST_PAGE, before });
    for (const event of page.items) {
      // oxlint-disable-next-line no-await-in-loop -- in order, and nearly always there at once
      if (missing === 0 || !wants(event, await shown(event))) continue;
      missing -= 1;
      start = Math.min(start, event.seq - 1);
    }
    if (page.next === null) break;
    before = page.next;
  }
  return start;
}

function isOfSources(event: LoggedEvent, sources: readonly string[]): boolean {
  if (sources.length === 0) return true;
  return sources.includes(event.source) || (event.sourceId !== null && sources.includes(event.sourceId));
}

/** As with subscriptions, an event that a filter cannot be evaluated on does not pass. */
function passes(event: LoggedEvent, filter: CompiledExpression | null): boolean {
  if (filter === null) return true;
  const answer = filterAnswer(filter.evaluate(new EventInput(event)));
  return !('error' in answer) && answer.value;
}

/** The event with the request that brought it, so that it can be made again. */
function requestView(event: LoggedEvent, isWhole: boolean) {
  // What is hidden in part cannot be fetched, so it comes here whatever its size.
  const inline = !isWhole || event.body.byteLength <= INLINE_BODY_BYTES;
  return {
    ...eventSummary(event),
    method: event.origin.method,
    path: event.origin.path,
    remote_address: event.origin.remoteAddress,
    verification: {
      provider: event.origin.verification.provider,
      covers: event.origin.verification.covers,
    },
    headers: headerPairs(event.headers),
    body: inline ? Buffer.from(event.body).toString('base64') : null,
  };
}

function gapMessage(after: number, upTo: number): StreamMessage {
  return {
    ...placeOf(after),
    event: 'gap',
    data: {
      from: after === 0 ? null : timeOf(after),
      to: timeOf(upTo),
      reason: 'retention removed events after the place where this reader was',
    },
  };
}

/** Places are times in microseconds (ADR 0004). */
function timeOf(place: number): string {
  return isoTime(Math.floor(place / 1000));
}

function placeOf(seq: number): StreamPlace {
  return { id: encodeCursor(seq) ?? '' };
}
