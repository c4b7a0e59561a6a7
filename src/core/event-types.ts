import type { Event } from '../domain/event.ts';
import { type FieldError, Problem } from '../domain/problem.ts';
import type { EventType, EventTypeVersion } from '../domain/settings.ts';
import { binaryData, withData } from './binary-data.ts';
import type { Directory } from './directory.ts';
import { EventInput } from './expression-input.ts';
import type { Services } from './services.ts';

/** How the data of an event stands to the catalogue. */
export interface TypeVerdict {
  readonly version: number;
  /** What does not fit, with pointers into the data; empty = it fits. */
  readonly mismatches: readonly FieldError[];
}

/** The catalogue as events meet it: which version an event is of, and whether its data fits. */
export class EventTypes {
  readonly #services: Services;
  readonly #directory: Directory;

  constructor(services: Services, directory: Directory) {
    this.#services = services;
    this.#directory = directory;
  }

  /**
   * Checks what is published. `version` is the one that the event names, `null` = the newest. Answers what
   * is then known of the event, or `undefined` when the tenant's catalogue has no version of the type.
   *
   * Throws a `Problem`: `schema_mismatch` with a pointer to each mistake, or `validation_failed` for a
   * version that there is not. `at` says where the two stand in the request.
   */
  checkPublished(
    event: Event,
    version: number | null,
    parsed: Parsed | undefined,
    at: { readonly version: string; readonly data: string },
  ): CheckedData | undefined {
    const type = this.#directory.eventType(event.tenant, event.type);
    if (type === undefined && version === null) return undefined;
    const found = versionOf(type, version);
    if (found === undefined) {
      if (version === null) return undefined;
      throw unknownVersion(event.type, type, at.version);
    }
    const { mismatches, ...checked } = this.#checkData(found, event, parsed);
    if (mismatches.length === 0) return checked;
    const errors = mismatches.map(({ pointer, message }) => ({ pointer: `${at.data}${pointer}`, message }));
    throw new Problem(
      'schema_mismatch',
      `the data does not fit version ${found.version} of ${event.type}: ${mismatchText(mismatches)}`,
      { errors },
    );
  }

  /** The verdict on JSON data of a type (`isDecoded`: from a message of it), `null` when the tenant's catalogue has no such version. */
  check(
    tenant: string,
    typeName: string,
    version: number | null,
    data: unknown,
    isDecoded = false,
  ): TypeVerdict | null {
    const found = versionOf(this.#directory.eventType(tenant, typeName), version);
    if (found === undefined) return null;
    return { version: found.version, mismatches: this.#mismatches(found, data, isDecoded) };
  }

  /** Reads the data, from bytes where they are a message, and holds it against the version. */
  #checkData(version: EventTypeVersion, event: Event, parsed: Parsed | undefined): CheckedData & TypeVerdict {
    const bytes = version.protobuf === null ? null : binaryData(event);
    if (version.protobuf === null || bytes === null) {
      const input = new EventInput(event, parsed);
      const mismatches = this.#mismatches(version, input.data, false);
      return { version: version.version, mismatches, parsed: { value: input.body } };
    }
    const decoded = this.#services.protobufs.decode(version.protobuf, bytes);
    if (!decoded.ok) {
      return { version: version.version, mismatches: [{ pointer: '', message: decoded.error }], parsed };
    }
    return {
      version: version.version,
      mismatches: this.#mismatches(version, decoded.value, true),
      parsed: { value: withData(event, decoded.value) },
      protobuf: 'type',
    };
  }

  #mismatches(
    { schema, protobuf }: EventTypeVersion,
    data: unknown,
    isDecoded: boolean,
  ): readonly FieldError[] {
    const found = schema === null ? [] : this.#services.schemas.mismatches(schema, data);
    if (protobuf === null || isDecoded || found.length > 0) return found;
    const encoded = this.#services.protobufs.encode(protobuf, data);
    return encoded.ok ? [] : [{ pointer: '', message: encoded.error }];
  }
}

type Parsed = { readonly value: unknown };

/** What checking the data of an event has found out about it. */
export interface CheckedData {
  readonly version: number;
  readonly parsed: Parsed | undefined;
  /** Set when the data is a message, by the definition of its type. */
  readonly protobuf?: 'type';
}

/** The version of that number, `null` = the newest. */
export function versionOf(type: EventType | undefined, version: number | null): EventTypeVersion | undefined {
  if (type === undefined) return undefined;
  return version === null ? type.versions.at(-1) : type.versions.find((one) => one.version === version);
}

/** The first mistakes as a line for people. */
export function mismatchText(mismatches: readonly FieldError[]): string {
  const shown = mismatches.slice(0, MISTAKES_IN_TEXT);
  const text = shown.map(({ pointer, message }) => `${pointer === '' ? '/' : pointer} ${message}`).join('; ');
  const rest = mismatches.length - shown.length;
  return rest > 0 ? `${text}; and ${rest} more` : text;
}

const MISTAKES_IN_TEXT = 5;

function unknownVersion(name: string, type: EventType | undefined, pointer: string): Problem {
  const message =
    type === undefined
      ? `there is no event type ${name} in the catalogue`
      : `${name} has no such version; it has ${type.versions.map((one) => one.version).join(', ') || 'none'}`;
  return new Problem('validation_failed', message, { errors: [{ pointer, message }] });
}
