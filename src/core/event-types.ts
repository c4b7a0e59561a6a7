import { type FieldError, Problem } from '../domain/problem.ts';
import type { EventType, EventTypeVersion } from '../domain/settings.ts';
import type { Directory } from './directory.ts';
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
   * Checks what is published. `version` is the one that the event names, `null` = the newest. Answers the
   * version, or `undefined` when the tenant's catalogue has none for the type.
   *
   * Throws a `Problem`: `schema_mismatch` with a pointer to each mistake, or `validation_failed` for a
   * version that there is not. `at` says where the two stand in the request.
   */
  checkPublished(
    event: { readonly tenant: string; readonly type: string },
    version: number | null,
    data: () => unknown,
    at: { readonly version: string; readonly data: string },
  ): number | undefined {
    const type = this.#directory.eventType(event.tenant, event.type);
    if (type === undefined && version === null) return undefined;
    const found = versionOf(type, version);
    if (found === undefined) {
      if (version === null) return undefined;
      throw unknownVersion(event.type, type, at.version);
    }
    const mismatches = this.#mismatches(found, data());
    if (mismatches.length === 0) return found.version;
    const errors = mismatches.map(({ pointer, message }) => ({ pointer: `${at.data}${pointer}`, message }));
    throw new Problem(
      'schema_mismatch',
      `the data does not fit version ${found.version} of ${event.type}: ${mismatchText(mismatches)}`,
      { errors },
    );
  }

  /** The verdict on data of a type, `null` when the tenant's catalogue has no such version. */
  check(tenant: string, typeName: string, version: number | null, data: unknown): TypeVerdict | null {
    const found = versionOf(this.#directory.eventType(tenant, typeName), version);
    if (found === undefined) return null;
    return { version: found.version, mismatches: this.#mismatches(found, data) };
  }

  #mismatches(version: EventTypeVersion, data: unknown): readonly FieldError[] {
    return version.schema === null ? [] : this.#services.schemas.mismatches(version.schema, data);
  }
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
