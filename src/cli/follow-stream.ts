import { setTimeout as delay } from 'node:timers/promises';
import { type ApiClient, ProblemFailure } from './api-client.ts';
import { isRecord, type JsonRecord, numberOf, parseJson, recordOf } from './json-value.ts';
import { CliFailure } from './output.ts';
import { ServerSentEventParser } from './server-sent-events.ts';

/** What a stream says, in its order. */
export type Followed =
  | { readonly kind: 'event' | 'gap'; readonly place: string; readonly data: JsonRecord }
  /** Nothing that was asked for, up to here. */
  | { readonly kind: 'place'; readonly place: string };

/** Hears how the connection fares. */
export interface ConnectionTold {
  /** `again`: it was lost before. */
  connected(again: boolean): void;
  /** At the first failure, and then once a minute while it lasts. */
  lost(why: string, forMs: number): void;
}

type Query = Readonly<Record<string, string | readonly string[]>>;

export interface FollowOptions {
  readonly query: Query;
  /** Said only until the first item has come: how many past events to begin with. */
  readonly opening?: Query;
  /** Where to go on; empty = as the query says, from now on unless it says more. */
  readonly place: string;
  /** No sign of life for so long means that the connection is dead, though nobody has said so. */
  readonly silenceLimitMs: number;
  readonly signal: AbortSignal;
  readonly told: ConnectionTold;
}

/** A connection that is lost is first taken up again after about this long. */
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 10_000;
const REMIND_MS = 60_000;

/**
 * What the gateway's stream says, over as many connections as it takes, for ever or until `signal`. A
 * connection that ends is taken up again after the last item that was given, so that none is missed and
 * none comes twice. Nothing is read ahead of the caller: while it is busy, the gateway waits.
 *
 * Rejects when going on is pointless: a refused key, a bad filter, no server at the first try.
 */
export async function* followStream(api: ApiClient, options: FollowOptions): AsyncGenerator<Followed> {
  const { signal, told } = options;
  let { place } = options;
  let query: Query = { ...options.query, ...options.opening };
  let failures = 0;
  let lostAt = 0;
  let toldAt = 0;
  let wasConnected = false;
  while (!signal.aborted) {
    let why;
    try {
      for await (const item of connection(api, { ...options, query }, place)) {
        if (item.kind === 'connected') {
          told.connected(failures > 0);
          wasConnected = true;
          failures = 0;
        } else {
          ({ place } = item);
          ({ query } = options);
          yield item;
        }
      }
      why = 'the server closed the stream';
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Error)) throw error;
      if (error instanceof CliFailure && (!wasConnected || isFinal(error))) throw error;
      why = error.message.split('\n')[0] ?? '';
    }
    if (signal.aborted) return;
    const now = Date.now();
    if (failures === 0) lostAt = now;
    if (failures === 0 || now - toldAt >= REMIND_MS) {
      told.lost(why, now - lostAt);
      toldAt = now;
    }
    failures += 1;
    await wait(failures, signal);
  }
}

/** Asking again would be answered the same. */
function isFinal(error: CliFailure): boolean {
  return error instanceof ProblemFailure && error.status < 500 && error.status !== 429;
}

/** Jitter, so that many readers of a gateway that comes back do not all come at once. */
async function wait(failures: number, signal: AbortSignal): Promise<void> {
  const ms = Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 10), LONGEST_WAIT_MS);
  await delay(ms * (1 + Math.random()), undefined, { signal }).catch(() => undefined);
}

async function* connection(
  api: ApiClient,
  { query, silenceLimitMs, signal }: FollowOptions,
  place: string,
): AsyncGenerator<Followed | { readonly kind: 'connected' }> {
  const silence = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const expect = (): void => {
    clearTimeout(timer);
    const dead = new Error(`nothing came for ${Math.round(silenceLimitMs / 1000)} s`);
    timer = setTimeout(() => silence.abort(dead), silenceLimitMs);
  };
  expect();
  try {
    const response = await api.open('/v1/stream', {
      method: 'GET',
      query,
      headers: {
        accept: 'text/event-stream',
        ...(place === '' ? {} : { 'last-event-id': place }),
      },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    yield { kind: 'connected' };
    const parser = new ServerSentEventParser();
    const decoder = new TextDecoder();
    expect();
    for await (const piece of response.body ?? []) {
      // The clock stands while the caller is busy: that silence is ours.
      clearTimeout(timer);
      yield* itemsOf(api, parser.push(decoder.decode(piece, { stream: true })));
      expect();
    }
  } catch (error) {
    throw silence.signal.aborted ? silence.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

function* itemsOf(api: ApiClient, items: ReturnType<ServerSentEventParser['push']>): Generator<Followed> {
  for (const item of items) {
    if (item.kind === 'place') yield { kind: 'place', place: item.id };
    if (item.kind !== 'event') continue;
    const { id, event, data: text } = item.event;
    const parsed = parseJson(text);
    const data = 'value' in parsed && isRecord(parsed.value) ? parsed.value : {};
    if (event === 'end') throw api.failureOf(recordOf(data), numberOf(data, 'status') ?? 500);
    if (event === 'gap') yield { kind: 'gap', place: id, data };
    if (event === 'event.accepted') yield { kind: 'event', place: id, data };
  }
}
