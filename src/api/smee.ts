import { forwardedHeaders, headerSafe } from '../domain/forwarded-headers.ts';
import type { LoggedEvent } from '../domain/event.ts';
import { Problem } from '../domain/problem.ts';
import { logPlace } from './fields.ts';
import type { OperationContext } from './operation.ts';
import { followLog, type StreamMessage, type StreamPlace } from './stream.ts';

/** One request in the shape of smee.io: its headers in lower case, beside `body`, `query`, `timestamp`. */
export interface SmeeMessage extends StreamPlace {
  readonly event: 'message';
  readonly data: Readonly<Record<string, unknown>>;
}

/** As often as smee.io says that it is alive, roughly. */
const PING_MS = 15_000;

/**
 * The events of the one source that has this channel, as smee.io would send them. Whoever knows the
 * channel may read: clients of this protocol have nowhere to put a key. So it is off until a source has
 * it switched on, and it is not the source's ingest key, which every sender knows.
 *
 * Throws `not_found` for a channel that there is not, and later when it is switched off.
 */
export function smeeStream(
  context: Pick<OperationContext, 'gateway'>,
  channel: string,
  lastEventId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<SmeeMessage | StreamMessage | StreamPlace> {
  const { directory, redactions } = context.gateway;
  const source = directory.sourceBySmeeChannel(channel);
  if (source === undefined) throw noChannel();
  return followLog(context, signal, {
    filter: { tenant: source.tenant, source: source.id },
    shown: async (event) => (await redactions.shown(event)).event,
    // A published event may call its source whatever it likes, this id too.
    wants: (event) => event.sourceId === source.id,
    from: placeIn(lastEventId),
    last: 0,
    heartbeatMs: PING_MS,
    stillAllowed: () => {
      if (directory.sourceBySmeeChannel(channel)?.id !== source.id) throw noChannel();
    },
    message: (shown, id, isWhole) => ({ id, event: 'message', data: smeeMessage(shown, isWhole) }),
  });
}

function noChannel(): Problem {
  return new Problem('not_found', 'there is no such channel; sources get shows smee_url where it is on');
}

/** A client that has been at another server sends that one's ids: it begins now, as it would there. */
function placeIn(lastEventId: string | undefined): number | null {
  try {
    return logPlace(lastEventId);
  } catch {
    return null;
  }
}

/** See `SmeeMessage`. What a header is called twice for is joined, as Node and smee.io do. */
export function smeeMessage(event: LoggedEvent, isWhole: boolean): Record<string, unknown> {
  const message = new Map<string, unknown>();
  const headers = forwardedHeaders(event.headers);
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]?.toLowerCase() ?? '';
    const before = message.get(name);
    const value = headers[index + 1] ?? '';
    message.set(name, typeof before === 'string' ? `${before}, ${value}` : value);
  }
  const { body, exact } = smeeBody(event);
  if (!message.has('webhook-id')) message.set('webhook-id', event.id);
  message.set('ringback-event-id', event.id);
  message.set('ringback-event-type', headerSafe(event.type));
  message.set('ringback-source', headerSafe(event.source));
  // The client writes the JSON anew: only then is it what was signed, and one look tells.
  message.set('ringback-body', exact && isWhole ? 'exact' : 'changed');
  const [, query = ''] = event.origin.path.split('?', 2);
  message.set('body', body);
  message.set('query', Object.fromEntries(new URLSearchParams(query)));
  message.set('timestamp', event.receivedAt);
  return Object.fromEntries(message);
}

/** The body as JSON can carry it, and whether a client that writes it as JSON gets the same bytes. */
function smeeBody(event: LoggedEvent): { readonly body: unknown; readonly exact: boolean } {
  if (event.body.byteLength === 0) return { body: {}, exact: false };
  let text;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(event.body);
  } catch {
    return { body: Buffer.from(event.body).toString('base64'), exact: false };
  }
  if (/^application\/x-www-form-urlencoded\b/i.test(event.contentType ?? '')) {
    return { body: Object.fromEntries(new URLSearchParams(text)), exact: false };
  }
  try {
    const body: unknown = JSON.parse(text);
    return { body, exact: JSON.stringify(body) === text };
  } catch {
    return { body: text, exact: false };
  }
}
