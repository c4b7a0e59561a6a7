import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import type { Incompatibility } from '../domain/schema-compatibility.ts';
import type { Compatibility } from '../domain/settings.ts';

/**
 * What in a new message breaks a promise about the one before.
 *
 * The number is what a field is on the wire, the name what it is in JSON, for filters and converters: a
 * field that changes either, or its type, breaks every promise. So does a number that could be used again.
 */
export function messageIncompatibilities(
  older: DescMessage,
  newer: DescMessage,
  promise: Compatibility,
): Incompatibility[] {
  if (promise === 'none') return [];
  const comparison = new Comparison(promise);
  comparison.message(older, newer);
  return comparison.found.map((message) => ({ pointer: '', message }));
}

class Comparison {
  readonly found: string[] = [];
  readonly #seen = new Set<string>();
  readonly #backward: boolean;
  readonly #forward: boolean;

  constructor(promise: Compatibility) {
    this.#backward = promise !== 'forward';
    this.#forward = promise !== 'backward';
  }

  message(older: DescMessage, newer: DescMessage): void {
    const key = `${older.typeName} ${newer.typeName}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const fresh = new Map(newer.fields.map((field) => [field.number, field]));
    for (const field of older.fields) {
      const now = fresh.get(field.number);
      if (now === undefined) this.#gone(field, newer);
      else this.#field(field, now);
    }
    for (const field of newer.fields) {
      const before = older.fields.find(({ number }) => number === field.number);
      if (before === undefined) this.#added(field, older);
    }
  }

  #field(older: DescField, newer: DescField): void {
    const place = placeOf(newer);
    if (older.jsonName !== newer.jsonName) this.#tell(place, `was called ${older.jsonName} before`);
    if (typeOf(older) !== typeOf(newer))
      this.#tell(place, `is ${typeOf(newer)} now, and was ${typeOf(older)} before`);
    else if (older.message !== undefined && newer.message !== undefined)
      this.message(older.message, newer.message);
    else if (older.enum !== undefined && newer.enum !== undefined) this.#enum(older.enum, newer.enum);
    this.#presence(older, newer, place);
  }

  #presence(older: DescField, newer: DescField, place: string): void {
    if (older.oneof?.name !== newer.oneof?.name) this.#tell(place, 'is in another oneof than before');
    if (isRequired(newer) && !isRequired(older) && this.#backward) this.#tell(place, 'is required now');
    if (isRequired(older) && !isRequired(newer) && this.#forward) this.#tell(place, 'is no longer required');
  }

  #gone(field: DescField, newer: DescMessage): void {
    const { number, name } = field;
    if (isRequired(field)) this.#tell(placeOf(field), 'is gone, and was required before');
    const { reservedRange, reservedName } = newer.proto;
    // As in descriptor.proto: the end of a range is not in it.
    const isReserved =
      reservedRange.some(({ start, end }) => number >= start && number < end) && reservedName.includes(name);
    if (isReserved) return;
    this.#tell(
      placeOf(field),
      `is gone: write "reserved ${number};" and 'reserved "${name}";', so that nobody uses them again`,
    );
  }

  #added(field: DescField, older: DescMessage): void {
    const place = placeOf(field);
    const namesake = older.fields.find(({ jsonName }) => jsonName === field.jsonName);
    if (namesake !== undefined) this.#tell(place, `had the number ${namesake.number} before`);
    if (isRequired(field) && this.#backward) this.#tell(place, 'is new and required');
  }

  #enum(older: DescEnum, newer: DescEnum): void {
    for (const value of older.values) {
      const now = newer.values.find(({ number }) => number === value.number);
      const place = `${newer.typeName}.${value.name} (${value.number})`;
      if (now === undefined && this.#backward) this.#tell(place, 'is gone');
      else if (now !== undefined && now.name !== value.name) this.#tell(place, `is called ${now.name} now`);
    }
    // An open enum holds numbers that it has no name for.
    if (!this.#forward || older.open) return;
    for (const value of newer.values) {
      if (older.values.some(({ number }) => number === value.number)) continue;
      this.#tell(
        `${newer.typeName}.${value.name} (${value.number})`,
        'is new, and unknown to the version before',
      );
    }
  }

  #tell(place: string, what: string): void {
    this.found.push(`${place} ${what}`);
  }
}

function placeOf(field: DescField): string {
  return `${field.parent.typeName}.${field.name} (${field.number})`;
}

function isRequired({ presence }: DescField): boolean {
  return presence === FeatureSet_FieldPresence.LEGACY_REQUIRED;
}

/** A field's type as it is written, messages without their name: they are compared by their fields. */
function typeOf(field: DescField): string {
  if (field.fieldKind === 'list') return `repeated ${elementType(field)}`;
  if (field.fieldKind === 'map') return `map<${scalarName(field.mapKey)}, ${elementType(field)}>`;
  return elementType(field);
}

function elementType({ scalar, enum: values, message }: DescField): string {
  if (scalar !== undefined) return scalarName(scalar);
  if (values !== undefined) return 'an enum';
  // Well-known types have a JSON form of their own.
  const name = message?.typeName ?? '';
  return name.startsWith('google.protobuf.') ? name : 'a message';
}

function scalarName(scalar: ScalarType): string {
  return ScalarType[scalar].toLowerCase();
}
