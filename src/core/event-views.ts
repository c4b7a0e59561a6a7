import { isRecord } from '../domain/json-record.ts';
import { conversionPath } from '../domain/converters.ts';
import type { Event } from '../domain/event.ts';
import type { Converter, EventType, ProtobufMessage, Subscription } from '../domain/settings.ts';
import type { CompiledExpression, ExpressionInput } from '../ports/expressions.ts';
import type { Directory } from './directory.ts';
import { mismatchText, versionOf } from './event-types.ts';
import { binaryData, withData } from './binary-data.ts';
import { EventInput } from './expression-input.ts';
import type { Services } from './services.ts';

/** The data of an event in another version than it came in, or why it cannot be had. */
export type Conversion = { readonly from: number; readonly to: number } & (
  | {
      readonly ok: true;
      readonly data: Readonly<Record<string, unknown>>;
      /** The data as a message, for an event that came as one. */
      readonly bytes: Uint8Array | null;
    }
  | { readonly ok: false; readonly error: string }
);

/**
 * Events as they are seen: by everyone as they came, and by a subscription that asks for a version in
 * that version, led there by the converters of the catalogue as it is now.
 */
export class EventViews {
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #compiled = new WeakMap<Converter, CompiledExpression>();

  constructor(services: Services, directory: Directory) {
    this.#services = services;
    this.#directory = directory;
  }

  /** What expressions see of an event. `parsed` is the body, when someone has parsed it before. */
  of(event: Event, parsed?: { readonly value: unknown }): EventInput {
    if (event.origin.protobuf === undefined || parsed !== undefined) return new EventInput(event, parsed);
    return new EventInput(event, parsed, () => this.#decoded(event));
  }

  /** The body with its message as JSON; `null` when it can no longer be read. */
  #decoded(event: Event): unknown {
    const definition = this.#definition(event);
    const bytes = binaryData(event);
    const decoded =
      definition === null || bytes === null ? null : this.#services.protobufs.decode(definition, bytes);
    return decoded?.ok === true ? withData(event, decoded.value) : null;
  }

  #definition({ origin, tenant, type, sourceId }: Event): ProtobufMessage | null {
    if (origin.protobuf === 'source') return this.#directory.get('source', sourceId ?? '')?.protobuf ?? null;
    const entry = this.#directory.eventType(tenant, type);
    return versionOf(entry, origin.typeVersion ?? null)?.protobuf ?? null;
  }

  /** What the expressions of a subscription see; `input` itself when nothing is to be converted. */
  seenBy(subscription: Subscription, event: Event, input: EventInput): ExpressionInput {
    const version = wantedVersion(subscription, event);
    if (version === null) return input;
    let conversion: Conversion | null = null;
    const convert = (): Conversion =>
      this.#convert(event, input, event.origin.typeVersion ?? version, version);
    return {
      get event() {
        return { ...input.event, type_version: version };
      },
      get headers() {
        return input.headers;
      },
      get data() {
        conversion ??= convert();
        // Evaluating answers with this message, as it does for a field that is not there.
        if (!conversion.ok) throw new Error(conversion.error);
        return conversion.data;
      },
    };
  }

  /** The event in the version that a subscription asks for; `null` when that is how it came. */
  conversion(subscription: Subscription, event: Event, input?: EventInput): Conversion | null {
    const to = wantedVersion(subscription, event);
    if (to === null) return null;
    return this.#convert(event, input ?? this.of(event), event.origin.typeVersion ?? to, to);
  }

  #convert(event: Event, input: EventInput, from: number, to: number): Conversion {
    const type = this.#directory.eventType(event.tenant, event.type);
    const failed = (why: string): Conversion => {
      return { from, to, ok: false, error: `converting from version ${from} to ${to}: ${why}` };
    };
    if (type === undefined) return failed(`${event.type} is no longer in the catalogue`);
    const path = conversionPath(type, from, to);
    if ('missing' in path) {
      return failed(`there is no converter from ${path.missing.from} to ${path.missing.to}`);
    }
    let data = input.data;
    for (const converter of path) {
      const result = this.#compile(converter).evaluate({ event: input.event, headers: input.headers, data });
      const step = `the converter from ${converter.from} to ${converter.to}`;
      if (!result.ok) return failed(`${step} failed: ${result.error}`);
      if (!isRecord(result.value)) return failed(`${step} did not give a map`);
      data = result.value;
    }
    if (!isRecord(data)) return failed('the data is not a map');
    return this.#fitting(type, event, { from, to, ok: true, data, bytes: null });
  }

  /** What was asked for is what is delivered, or nothing: a receiver relies on the schema. */
  #fitting(type: EventType, event: Event, conversion: Extract<Conversion, { ok: true }>): Conversion {
    const { from, to, data } = conversion;
    const version = versionOf(type, to);
    const schema = version?.schema ?? null;
    const mismatches = schema === null ? [] : this.#services.schemas.mismatches(schema, data);
    if (mismatches.length === 0) return this.#encoded(version?.protobuf ?? null, event, conversion);
    const error = `converting from version ${from} to ${to}: the result does not fit: ${mismatchText(mismatches)}`;
    return { from, to, ok: false, error };
  }

  /** What came as bytes goes out as bytes, where the version asked for has a message too. */
  #encoded(
    protobuf: ProtobufMessage | null,
    event: Event,
    conversion: Extract<Conversion, { ok: true }>,
  ): Conversion {
    if (protobuf === null) return conversion;
    const { from, to, data } = conversion;
    const encoded = this.#services.protobufs.encode(protobuf, data);
    if (!encoded.ok) {
      return {
        from,
        to,
        ok: false,
        error: `converting from version ${from} to ${to}: the result ${encoded.error}`,
      };
    }
    const isBytes = event.origin.protobuf !== undefined && event.origin.cloudEvent !== 'structured';
    return isBytes ? { ...conversion, bytes: encoded.bytes } : conversion;
  }

  #compile(converter: Converter): CompiledExpression {
    const known = this.#compiled.get(converter);
    if (known !== undefined) return known;
    const compiled = this.#directory.evaluable(converter.expression);
    if (compiled === null) throw new Error('unreachable: a converter has an expression');
    this.#compiled.set(converter, compiled);
    return compiled;
  }
}

/** The version that an event is to be delivered in, `null` = as it came: it has none, or nobody asks. */
function wantedVersion({ typeVersions }: Subscription, event: Event): number | null {
  const { typeVersion } = event.origin;
  if (typeVersion === undefined || typeVersions === undefined) return null;
  if (!Object.hasOwn(typeVersions, event.type)) return null;
  const wanted = typeVersions[event.type];
  return wanted === undefined || wanted === typeVersion ? null : wanted;
}
