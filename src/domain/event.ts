/**
 * One accepted message. Immutable once appended: replays and retries always carry these bytes.
 */
export interface Event {
  /** `evt_` + a time-ordered body; equal to the `webhook-id` that destinations receive. */
  readonly id: string;
  readonly tenant: string;
  /** The source it came in through, or `null` when it was published over the API. */
  readonly sourceId: string | null;
  /** The source's name at the time, or the `source` that the publisher gave (default `api`). */
  readonly source: string;
  /** Full-stop delimited, e.g. `com.github.pull_request.opened`. */
  readonly type: string;
  /** What the event is about, for order and sessions: a customer, a thread, a pull request. */
  readonly key: string | null;
  readonly subject: string | null;
  /** The sender's own id of the event, when it has one. */
  readonly externalId: string | null;
  readonly correlationId: string | null;
  readonly causationId: string | null;
  /** When it happened, as the sender says; else `receivedAt`. Milliseconds since the epoch. */
  readonly occurredAt: number;
  /** When the gateway took it in. Milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly contentType: string | null;
  /** Request headers as received: name, value, name, value, ... with repeats and case kept. */
  readonly headers: readonly string[];
  /** The body, byte for byte as received. */
  readonly body: Uint8Array;
  /** Version of the settings (sources, subscriptions, ...) that it was matched against. */
  readonly settingsVersion: number;
  readonly origin: EventOrigin;
}

/** How an event got in, kept so that it can be explained afterwards. */
export interface EventOrigin {
  readonly requestId: string;
  readonly method: string;
  /** What followed the source key in the URL, query included; empty when nothing did. */
  readonly path: string;
  readonly remoteAddress: string | null;
  readonly traceparent: string | null;
  readonly verification: Verification;
  /** The de-duplication key used, `null` when the event had none. */
  readonly dedupeKey: string | null;
  /** How often what led to it was delivered on by a gateway; absent = 0. */
  readonly hops?: number;
  /** Set when it owes nothing because its chain has gone on for too long. */
  readonly stopped?: 'max_hops';
  /** The version of its type in the catalogue that it was checked against; absent = it was not. */
  readonly typeVersion?: number;
  /** Set when the data is a message of Protocol Buffers: whose definition says which. */
  readonly protobuf?: 'source' | 'type';
  /** Set when the source accepts events that fail its checks and marks them. */
  readonly invalid?: string;
  /** Set for events published as CloudEvents: the content mode that they came in. */
  readonly cloudEvent?: 'structured' | 'binary';
}

/** How the sender was proven, kept with the event. */
export interface Verification {
  /** Provider id of the catalogue, or `api` for published events. */
  readonly provider: string;
  /** What the proof protects; `nothing` for sources that verify nothing. */
  readonly covers: 'body' | 'metadata' | 'nothing';
  /** Which of the source's secrets matched, 0 = the newest; `null` where there is none. */
  readonly secretIndex: number | null;
  readonly principal?: string;
}

/** An event together with its place in the log. */
export interface LoggedEvent extends Event {
  /** Position in the log: strictly growing in commit order, never reused, not contiguous. */
  readonly seq: number;
}

/** The first value of a header in a flat name, value list; names compare without case. */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === wanted) return headers[index + 1];
  }
  return undefined;
}

/** Whether a content type says that a body is JSON: `application/json`, or a type that ends in `+json`. */
export function isJsonType(contentType: string | null): boolean {
  return /^[^;]*[/+]json\s*(;|$)/i.test(contentType ?? '');
}
