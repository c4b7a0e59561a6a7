import { type Event, type EventOrigin, headerValue, isJsonType } from '../domain/event.ts';
import {
  type FieldError,
  Problem,
  type ProblemCode,
  type ProblemExtra,
  PROBLEMS,
} from '../domain/problem.ts';
import type { EventTypeVersion, ProtobufMessage, Source } from '../domain/settings.ts';
import { isEventType } from '../domain/type-pattern.ts';
import type { DedupeClaim } from '../ports/event-log.ts';
import type { EventIdentity, HandshakeAnswer, IngestRequest, SourceVerdict } from '../ports/verifier.ts';
import { hopsIn } from './chains.ts';
import type { ActiveSource, Directory } from './directory.ts';
import { type EventTypes, mismatchText, versionOf } from './event-types.ts';
import { EventInput, parseJson } from './expression-input.ts';
import { usableTraceparent } from './outbound-request.ts';
import { type LearnedSecrets, withoutBroughtSecret } from './learned-secrets.ts';
import type { Acceptance } from './acceptance.ts';
import type { RefusedRequest, Rejections } from './rejections.ts';
import type { Services } from './services.ts';
import type { SourceSilence } from './source-silence.ts';

/** A request to an ingest URL, body still unparsed. */
export interface IngestCall extends RefusedRequest {
  /** The public URL that was called, as the sender wrote it. */
  readonly url: string;
}

export type IngestAnswer =
  | { readonly kind: 'handshake'; readonly answer: HandshakeAnswer }
  | {
      readonly kind: 'accepted';
      readonly eventId: string;
      readonly duplicate: boolean;
      /** What the provider wants to see instead of our own JSON. */
      readonly answer: HandshakeAnswer | null;
    };

const NO_BODY = new Uint8Array(0);
const MAX_KEY_CHARS = 512;
const LATIN1 = new TextDecoder('latin1');
/**
 * For providers that give their events no id: a retry comes within minutes, while the same bytes an hour
 * later are news (Dropbox says only that something changed).
 */
const BODY_WINDOW_MS = 10 * 60_000;

/** Our own trouble, so the sender is told when to try again and never that it is wrong. */
const NOT_READY: Partial<Record<ProblemCode, ProblemExtra>> = { source_not_ready: { retryAfterS: 30 } };
const TEXT = new TextDecoder();

type Parsed = { readonly value: unknown };

/** A body as JSON, and whose message it was; or why it cannot be read. */
type ReadBody =
  { readonly parsed: Parsed; readonly protobuf?: 'source' | 'type' } | { readonly error: FieldError };

/** What the checks made of a body. */
interface CheckedBody {
  readonly parsed?: Parsed | undefined;
  readonly typeVersion?: number | undefined;
  readonly protobuf?: 'source' | 'type' | undefined;
  readonly invalid?: string | undefined;
}

/** This node among those that take events in. */
export interface IngestParts {
  /** Its part of a limit on what a source takes, at least 1. */
  ingestPart(limit: number, sourceId: string): number;
}

type Verified = Extract<SourceVerdict, { ok: true }>;

/** Where an event comes from, while that is being found out. */
type NewOrigin = { -readonly [Field in keyof EventOrigin]: EventOrigin[Field] };

/** Takes requests in: limits, proof, identity, then one commit. */
export class Ingest {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #acceptance: Acceptance;
  readonly #rejections: Rejections;
  readonly #types: EventTypes;
  readonly #learnedSecrets: LearnedSecrets;
  readonly #nodes: IngestParts;
  readonly #silence: SourceSilence;

  constructor(
    services: Services,
    directory: Directory,
    acceptance: Acceptance,
    rejections: Rejections,
    parts: {
      readonly types: EventTypes;
      readonly learnedSecrets: LearnedSecrets;
      readonly nodes: IngestParts;
      readonly silence: SourceSilence;
    },
  ) {
    this.#silence = parts.silence;
    this.#services = services;
    this.#directory = directory;
    this.#acceptance = acceptance;
    this.#rejections = rejections;
    this.#types = parts.types;
    this.#learnedSecrets = parts.learnedSecrets;
    this.#nodes = parts.nodes;
  }

  /**
   * What can be decided before the body is read. Throws the `Problem` to answer with: unknown or
   * disabled source, sender not allowed, rate limit.
   */
  admit(ingestKey: string, call: Omit<RefusedRequest, 'body'>): ActiveSource {
    const request = { ...call, body: NO_BODY };
    const source = this.#directory.sourceByIngestKey(ingestKey);
    if (source === undefined) {
      throw this.#rejections.refuse(request, null, 'source_unknown', 'unknown_key', 'check the ingest URL');
    }
    if (!source.enabled) {
      throw this.#rejections.refuse(request, source, 'source_disabled', 'disabled', 'enable it to go on');
    }
    const active = this.#active(source);
    if (source.allowedIps.length > 0 && !this.#senderAllowed(source, call.remoteAddress)) {
      const detail = `${call.remoteAddress ?? 'the address'} is not in the source's allowed_ips`;
      throw this.#rejections.refuse(request, source, 'sender_not_allowed', 'allowed_ips', detail);
    }
    // After the addresses: who is not allowed to send must not use up the rate of who is.
    const { window } = active;
    const waitMs =
      window === null
        ? 0
        : window.take(this.#services.clock.now(), this.#nodes.ingestPart(window.limit.limit, source.id));
    if (waitMs > 0) {
      throw this.#rejections.refuse(request, source, 'rate_limited', 'source_rate', 'slow down', {
        retryAfterS: Math.ceil(waitMs / 1000),
      });
    }
    return active;
  }

  /** The body is larger than the source takes; `read` is as much of it as came. */
  tooLarge(active: ActiveSource, call: IngestCall): Problem {
    const detail = `the source takes up to ${active.source.maxBodyBytes} bytes`;
    return this.#rejections.refuse(call, active.source, 'event_too_large', 'max_body_bytes', detail);
  }

  /** The body did not come whole. Notes that and returns `why`. */
  cutShort(active: ActiveSource, call: IngestCall, why: Problem): Problem {
    return this.#rejections.refuse(call, active.source, why.code, 'body_incomplete', why.message);
  }

  /**
   * Verifies, identifies and appends. Resolves only when the event is committed (or was before).
   * Throws the `Problem` to answer with.
   */
  async accept(active: ActiveSource, call: IngestCall): Promise<IngestAnswer> {
    const { source, verifier } = active;
    const nowMs = this.#services.clock.now();
    const request: IngestRequest = { ...call, nowMs };
    const asked = verifier.handshake(request);
    const handshake = asked instanceof Promise ? await asked : asked;
    if (handshake !== undefined && (await this.#answerable(source, handshake, call))) {
      return { kind: 'handshake', answer: handshake };
    }
    const pending = verifier.verify(request);
    // Nearly every provider is decided at once; awaiting it anyway would cost each request a turn.
    const verdict = pending instanceof Promise ? await pending : pending;
    if (!verdict.ok) {
      const detail = `the request was not proven to come from ${source.provider}: ${verdict.reason}`;
      const { refusalStatus } = verifier;
      const wanted = refusalStatus !== undefined && refusalStatus !== 401 && isProofProblem(verdict.code);
      const extra = wanted ? { status: refusalStatus } : NOT_READY[verdict.code];
      const shown = withoutBroughtSecret(call, verifier.secretBroughtBy?.(request));
      throw this.#rejections.refuse(shown, source, verdict.code, verdict.reason, detail, extra);
    }
    this.#checkContentType(source, call);
    const type = eventTypeOf(verdict.event);
    const { parsed, ...found } = this.#checked(source, call, type, verdict);
    // Who signs shows no secret; who does not, does.
    const kept = verdict.covers === 'nothing' ? this.#directory.hideSecrets(source)(call) : call;
    const origin = originOf(source, call, kept.path, verdict, found);
    const event = this.#event(source, call, kept.headers, verdict.event, { nowMs, type, origin });
    const dedupe = this.#dedupeClaim(active, event, verdict.event, parsed);
    origin.dedupeKey = dedupe?.key ?? null;
    const appended = await this.#acceptance.accept({ event, parsed }, dedupe, source.provider);
    this.#silence.heard(source, nowMs);
    return { kind: 'accepted', ...appended, answer: verifier.successAnswer };
  }

  /** A handshake that brings a secret is answered only when the secret is kept, which it is once. */
  async #answerable(source: Source, { learnedSecret }: HandshakeAnswer, call: IngestCall): Promise<boolean> {
    if (learnedSecret === undefined) return true;
    return this.#learnedSecrets.keep(source.id, learnedSecret, call.remoteAddress);
  }

  #active(source: Source): ActiveSource {
    try {
      return this.#directory.activeSource(source);
    } catch (error) {
      // The operator's fault, not the sender's: a 4xx would make it drop the event.
      this.#services.log.error('source.unusable', { source_id: source.id }, error);
      throw new Problem('store_unavailable', 'the source is not usable as it is configured', {
        retryAfterS: 60,
        cause: error,
      });
    }
  }

  #senderAllowed(source: Source, address: string | null): boolean {
    return address !== null && this.#services.addresses.within(address, source.allowedIps);
  }

  #checkContentType(source: Source, call: IngestCall): void {
    if (source.contentTypes.length === 0) return;
    const [media = ''] = (headerValue(call.headers, 'content-type') ?? '').split(';');
    if (source.contentTypes.includes(media.trim().toLowerCase())) return;
    const detail = `the source takes ${source.contentTypes.join(', ')}`;
    throw this.#rejections.refuse(call, source, 'content_type_unsupported', 'content_types', detail);
  }

  /**
   * Holds the body against the source's own schema and, where the source says so, against the catalogue.
   * `invalid` is what is wrong, for sources that mark it; for those that reject it, it is thrown.
   */
  #checked(source: Source, call: IngestCall, type: string, verdict: Verified): CheckedBody {
    const given = 'json' in verdict ? { value: verdict.json } : undefined;
    const entry = source.useCatalogue === true ? this.#directory.eventType(source.tenant, type) : undefined;
    const { schema, protobuf = null } = source;
    if (schema === null && protobuf === null && entry === undefined) return { parsed: given };
    const read = this.#read(source, call, versionOf(entry, null), given);
    if ('error' in read) return { parsed: undefined, invalid: this.#mismatch(source, call, [read.error]) };
    const { value } = read.parsed;
    const ofType =
      entry === undefined
        ? null
        : this.#types.check(source.tenant, type, null, value, read.protobuf === 'type');
    const own = schema === null ? [] : this.#services.schemas.mismatches(schema, value);
    const mismatches = [...own, ...(ofType?.mismatches ?? [])];
    const checked = { ...read, ...(ofType === null ? {} : { typeVersion: ofType.version }) };
    if (mismatches.length === 0) return checked;
    return { ...checked, invalid: this.#mismatch(source, call, mismatches) };
  }

  /** The body as JSON: as it is, or from the bytes of a message. */
  #read(
    source: Source,
    call: IngestCall,
    version: EventTypeVersion | undefined,
    given: Parsed | undefined,
  ): ReadBody {
    const ofSource = source.protobuf ?? null;
    const definition = ofSource ?? version?.protobuf ?? null;
    const isJson = isJsonType(headerValue(call.headers, 'content-type') ?? null);
    if (definition === null || isJson) return this.#readJson(ofSource, call, given);
    const protobuf = ofSource === null ? 'type' : 'source';
    // The verifier has decoded it already where the source says what it is.
    if (protobuf === 'source' && given !== undefined) return { parsed: given, protobuf };
    const decoded = this.#services.protobufs.decode(definition, call.body);
    return decoded.ok ? { parsed: { value: decoded.value }, protobuf } : unreadable(decoded.error);
  }

  #readJson(message: ProtobufMessage | null, call: IngestCall, given: Parsed | undefined): ReadBody {
    const parsed = given ?? { value: parseJson(call.body) };
    // Schemas that name no type let `null` pass, which is also what stands for no JSON at all.
    const isJson = parsed.value !== null || TEXT.decode(call.body.subarray(0, 64)).trim() === 'null';
    if (!isJson) return unreadable('is not JSON');
    const encoded = message === null ? null : this.#services.protobufs.encode(message, parsed.value);
    return encoded?.ok === false ? unreadable(encoded.error) : { parsed };
  }

  /** What is wrong in words, for a source that marks; thrown for one that rejects. */
  #mismatch(source: Source, call: IngestCall, mismatches: readonly FieldError[]): string {
    const invalid = mismatchText(mismatches);
    if (source.onInvalid === 'mark') return invalid;
    const reason = source.schema === null ? 'event_type' : 'schema';
    throw this.#rejections.refuse(call, source, 'schema_mismatch', reason, invalid, { errors: mismatches });
  }

  #event(
    source: Source,
    call: IngestCall,
    headers: readonly string[],
    identity: EventIdentity,
    { nowMs, type, origin }: { readonly nowMs: number; readonly type: string; readonly origin: EventOrigin },
  ): Event {
    return {
      id: this.#services.ids.make('evt'),
      tenant: source.tenant,
      sourceId: source.id,
      source: source.name,
      type,
      key: bounded(identity.key),
      subject: null,
      externalId: bounded(identity.id),
      correlationId: null,
      causationId: null,
      occurredAt: usableTime(identity.timeMs) ?? nowMs,
      receivedAt: nowMs,
      contentType: headerValue(call.headers, 'content-type') ?? null,
      headers,
      body: call.body,
      settingsVersion: this.#directory.version,
      origin,
    };
  }

  #dedupeClaim(
    { source, dedupeKey }: ActiveSource,
    event: Event,
    identity: EventIdentity,
    parsed: { readonly value: unknown } | undefined,
  ): DedupeClaim | null {
    if (dedupeKey === null && identity.id === undefined && identity.dedupe === 'body') {
      const windowMs = Math.min(source.dedupe.windowMs, BODY_WINDOW_MS);
      const key = `body:${this.#services.secrets.digest(LATIN1.decode(event.body))}`;
      return { scope: source.id, key, expiresAt: event.receivedAt + windowMs, fingerprint: '' };
    }
    const text =
      dedupeKey === null ? (identity.id ?? null) : textOf(dedupeKey.evaluate(new EventInput(event, parsed)));
    if (text === null || text === '') return null;
    // Not cut: two long keys with the same beginning are two events, and one of them would be lost.
    const key = text.length <= MAX_KEY_CHARS ? text : `sha256:${this.#services.secrets.digest(text)}`;
    const expiresAt = event.receivedAt + source.dedupe.windowMs;
    return { scope: source.id, key, expiresAt, fingerprint: '' };
  }
}

function unreadable(message: string): { readonly error: FieldError } {
  return { error: { pointer: '', message } };
}

function eventTypeOf({ type }: EventIdentity): string {
  return type !== undefined && isEventType(type) ? type : 'webhook.received';
}

/** A key expression that cannot be evaluated gives no key: the event is kept, perhaps twice. */
function textOf(result: { ok: true; value: unknown } | { ok: false; error: string }): string | null {
  if (!result.ok || result.value === null || result.value === undefined) return null;
  return typeof result.value === 'string' ? result.value : JSON.stringify(result.value);
}

/** The end of the year 9999: RFC 3339 writes no later one. */
const LAST_MS = 253_402_300_799_999;

/** Senders write anything where a time belongs; what is none of this era would break whoever shows it. */
function usableTime(ms: number | undefined): number | undefined {
  return ms !== undefined && ms >= 0 && ms <= LAST_MS ? ms : undefined;
}

/** Whether the code says that the sender is not proven, and not that something of ours is amiss. */
function isProofProblem(code: ProblemCode): boolean {
  return PROBLEMS[code].status === 401;
}

/** Senders choose ids and keys; what is absurdly long is cut, so that an index row stays a row. */
function bounded(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text.slice(0, MAX_KEY_CHARS);
}

function originOf(
  { provider }: Source,
  call: IngestCall,
  path: string,
  verdict: Verified,
  { typeVersion, protobuf, invalid }: Omit<CheckedBody, 'parsed'>,
): NewOrigin {
  const origin: NewOrigin = {
    requestId: call.requestId,
    method: call.method,
    path,
    remoteAddress: call.remoteAddress,
    traceparent: usableTraceparent(call.headers),
    verification: { provider, covers: verdict.covers, secretIndex: verdict.secretIndex ?? null },
    dedupeKey: null,
  };
  const hops = hopsIn(call.headers);
  if (hops > 0) origin.hops = hops;
  if (typeVersion !== undefined) origin.typeVersion = typeVersion;
  if (protobuf !== undefined) origin.protobuf = protobuf;
  if (invalid !== undefined) origin.invalid = invalid;
  return origin;
}
