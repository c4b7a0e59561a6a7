import { isRecord } from '../domain/json-record.ts';
import { conversionPath, converterMistakes } from '../domain/converters.ts';
import { type FieldError, Problem } from '../domain/problem.ts';
import type {
  Compatibility,
  EventType,
  EventTypeVersion,
  ProtobufMessage,
  Subscription,
} from '../domain/settings.ts';
import { typeMatches } from '../domain/type-pattern.ts';
import type { Directory } from './directory.ts';
import { mismatchText } from './event-types.ts';
import type { Services } from './services.ts';
import { type Incompatibility, incompatibilities } from '../domain/schema-compatibility.ts';
import { sameJson } from '../domain/same-json.ts';

/** What must hold of an entry of the catalogue before it is saved, and before it goes. */
export class EventTypeChecks {
  readonly #services: Services;
  readonly #directory: Directory;

  constructor(services: Services, directory: Directory) {
    this.#services = services;
    this.#directory = directory;
  }

  /**
   * Throws a `Problem` that points at what is wrong with `after`: schemas that cannot be used, examples
   * that do not fit theirs, converters that do not lead where they say (`validation_failed`) or do not
   * compile (`filter_invalid`), a version that breaks the type's compatibility (`schema_incompatible`), one
   * that changed or that a subscription asks for (`conflict`).
   */
  beforeSave(before: EventType | null, after: EventType): void {
    this.#refuseIfAny(after.versions.flatMap((version, index) => this.#versionMistakes(version, index)));
    this.#refuseIfAny(converterMistakes(after));
    this.#checkConverters(after);
    this.#checkCompatibility(before, after);
    if (before === null) return;
    this.#refuseChangedVersions(before, after);
    this.#refuseLostVersions(before, after);
  }

  /** Throws a `Problem` (`conflict`) when a subscription asks for a version of it. */
  beforeRemove(type: EventType): void {
    const [asking] = this.#asking(type);
    if (asking === undefined) return;
    throw new Problem(
      'conflict',
      `${nameOf(asking)} asks for version ${wanted(asking, type)} of ${type.name}`,
    );
  }

  /** What is wrong with the versions that a subscription asks for, with pointers into its fields. */
  subscriptionMistakes({ tenant, typeVersions = {}, types }: Subscription): FieldError[] {
    const fits = (name: string): boolean =>
      types.length === 0 || types.some((pattern) => typeMatches(pattern, name));
    return Object.entries(typeVersions).flatMap(([name, version]) => {
      const pointer = `/type_versions/${name}`;
      const type = this.#directory.eventType(tenant, name);
      if (type === undefined) return [{ pointer, message: 'there is no such event type in the catalogue' }];
      if (!fits(name)) {
        return [{ pointer, message: `the subscription takes no events of this type: ${types.join(', ')}` }];
      }
      const message = unreachable(type, version);
      return message === null ? [] : [{ pointer, message }];
    });
  }

  #versionMistakes({ schema, protobuf, examples }: EventTypeVersion, index: number): FieldError[] {
    const at = `/versions/${index}`;
    const broken = protobuf === null ? null : this.#services.protobufs.problem(protobuf);
    if (broken !== null) return [{ pointer: `${at}/protobuf${broken.pointer}`, message: broken.message }];
    const messages = protobuf === null ? [] : this.#messageMistakes(protobuf, examples, at);
    if (schema === null) return messages;
    const problem = this.#services.schemas.problem(schema);
    if (problem !== null) return [{ pointer: `${at}/schema${problem.pointer}`, message: problem.message }];
    const mismatches = examples.flatMap((example, number) =>
      this.#services.schemas
        .mismatches(schema, example)
        .map(({ pointer, message }) => ({ pointer: `${at}/examples/${number}${pointer}`, message })),
    );
    return [...messages, ...mismatches];
  }

  #messageMistakes(protobuf: ProtobufMessage, examples: readonly unknown[], at: string): FieldError[] {
    return examples.flatMap((example, number) => {
      const encoded = this.#services.protobufs.encode(protobuf, example);
      return encoded.ok ? [] : [{ pointer: `${at}/examples/${number}`, message: encoded.error }];
    });
  }

  /** Compiles each converter, and tries it on the examples of the version that it takes. */
  #checkConverters(type: EventType): void {
    const mistakes: FieldError[] = [];
    for (const [index, { from, to, expression }] of type.converters.entries()) {
      const pointer = `/converters/${index}/expression`;
      const compiled = this.#services.expressions.compile(expression);
      if (!compiled.ok) {
        const { line, column, message } = compiled.error;
        const text = `line ${line}, column ${column}: ${message}`;
        throw new Problem('filter_invalid', `${pointer}: ${text}`, { errors: [{ pointer, message: text }] });
      }
      const examples = type.versions.find(({ version }) => version === from)?.examples ?? [];
      const target = type.versions.find(({ version }) => version === to)?.schema ?? null;
      for (const [number, data] of examples.entries()) {
        const result = compiled.expression.evaluate({ event: { type: type.name }, headers: {}, data });
        const why = !result.ok
          ? result.error
          : !isRecord(result.value)
            ? 'the result is not a map'
            : target === null
              ? ''
              : mismatchText(this.#services.schemas.mismatches(target, result.value));
        if (why !== '')
          mistakes.push({ pointer, message: `fails for example ${number} of version ${from}: ${why}` });
      }
    }
    this.#refuseIfAny(mistakes);
  }

  /** Each version that is new against the one before it. */
  #checkCompatibility(before: EventType | null, { versions, compatibility }: EventType): void {
    const errors = versions.flatMap((version, index) => {
      const previous = versions[index - 1];
      const isKnown = before?.versions.some((one) => one.version === version.version) ?? false;
      if (previous === undefined || isKnown) return [];
      return this.#broken(previous, version, compatibility).map(({ pointer, message }) => ({
        pointer: `/versions/${index}${pointer}`,
        message,
      }));
    });
    if (errors.length > 0) throw new Problem('schema_incompatible', mismatchText(errors), { errors });
  }

  /** What two neighbours both have is compared; what only one has is a promise that nobody can check. */
  #broken(older: EventTypeVersion, newer: EventTypeVersion, promise: Compatibility): Incompatibility[] {
    if (promise === 'none') return [];
    const found: Incompatibility[] = [];
    const tell = (part: string, problems: readonly Incompatibility[]): void => {
      for (const { pointer, message } of problems) found.push({ pointer: `/${part}${pointer}`, message });
    };
    if (older.schema !== null && newer.schema !== null) {
      tell('schema', incompatibilities(older.schema, newer.schema, promise));
    } else if (older.schema !== null) tell('schema', [GONE]);
    if (older.protobuf !== null && newer.protobuf !== null) {
      tell('protobuf', this.#services.protobufs.incompatibilities(older.protobuf, newer.protobuf, promise));
    } else if (older.protobuf !== null) tell('protobuf', [GONE]);
    return found;
  }

  /** Events in the log, and receivers, hold on to what a version was. */
  #refuseChangedVersions(before: EventType, after: EventType): void {
    const errors = after.versions.flatMap((version, index) => {
      const old = before.versions.find((one) => one.version === version.version);
      if (old === undefined) return [];
      const parts = (['schema', 'protobuf'] as const).filter((part) => !sameJson(old[part], version[part]));
      return parts.map((part) => ({
        pointer: `/versions/${index}/${part}`,
        message: `version ${version.version} is there and cannot change: add a version, or delete it first`,
      }));
    });
    if (errors.length > 0) throw new Problem('conflict', errors[0]?.message ?? '', { errors });
  }

  /** A subscription that asks for a version must be able to get every event in it. */
  #refuseLostVersions(before: EventType, after: EventType): void {
    for (const subscription of this.#asking(before)) {
      const why = unreachable(after, wanted(subscription, before));
      if (why !== null) {
        throw new Problem(
          'conflict',
          `${nameOf(subscription)} asks for version ${wanted(subscription, before)}: ${why}`,
        );
      }
    }
  }

  #asking(type: EventType): Subscription[] {
    return this.#directory
      .list('subscription')
      .filter(
        ({ tenant, typeVersions = {} }) => tenant === type.tenant && Object.hasOwn(typeVersions, type.name),
      );
  }

  #refuseIfAny(errors: readonly FieldError[]): void {
    const [first] = errors;
    if (first === undefined) return;
    throw new Problem('validation_failed', mismatchText(errors), { errors });
  }
}

const GONE: Incompatibility = { pointer: '', message: 'is gone, and was there in the version before' };

/** Why not every version of the type can be delivered as `version`; `null` when it can. */
function unreachable(type: EventType, version: number): string | null {
  const numbers = type.versions.map((one) => one.version);
  if (!numbers.includes(version)) {
    return `${type.name} has no version ${version}; it has ${numbers.join(', ') || 'none'}`;
  }
  for (const number of numbers) {
    const path = conversionPath(type, number, version);
    if ('missing' in path) {
      const { from, to } = path.missing;
      return `version ${number} cannot become ${version}: there is no converter from ${from} to ${to}`;
    }
  }
  return null;
}

function nameOf({ name, id }: Subscription): string {
  return `subscription "${name}" (${id})`;
}

function wanted({ typeVersions = {} }: Subscription, type: EventType): number {
  return typeVersions[type.name] ?? 0;
}
