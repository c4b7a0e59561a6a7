import {
  isCelList,
  isCelMap,
  isCelType,
  isCelUint,
  type CelList,
  type CelMap,
  type CelValue,
} from '@bufbuild/cel';
import { isMessage, toJson } from '@bufbuild/protobuf';
import { isReflectMessage } from '@bufbuild/protobuf/reflect';
import { DurationSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import type { Meter } from './cel-meter.ts';

// The library knows its collections by these registered symbols. Its own wrapper of plain objects
// copies every entry into a Map at each access, trusts `value.constructor` (which a sender can set)
// and says that a field whose value is null is absent; hence our own.
const MAP_MARK = Symbol.for('@bufbuild/cel/map');
const LIST_MARK = Symbol.for('@bufbuild/cel/list');

type MapKey = Parameters<CelMap['get']>[0];

/** A plain object as a CEL map: nothing is copied, a member is wrapped when it is read. */
class ObjectMap {
  readonly [MAP_MARK] = true;
  readonly object: object;
  readonly #meter: Meter;

  constructor(object: object, meter: Meter) {
    this.object = object;
    this.#meter = meter;
  }

  get size(): number {
    const { length } = Object.keys(this.object);
    this.#meter.charge(length);
    return length;
  }

  get(key: MapKey): CelValue | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.object, key)) return undefined;
    return toCel(this.#read(key), this.#meter);
  }

  has(key: MapKey): boolean {
    return typeof key === 'string' && Object.hasOwn(this.object, key);
  }

  *entries(): IterableIterator<[string, CelValue]> {
    for (const key of this.keys()) yield [key, toCel(this.#read(key), this.#meter)];
  }

  keys(): IterableIterator<string> {
    const keys = Object.keys(this.object);
    this.#meter.charge(keys.length);
    return keys.values();
  }

  *values(): IterableIterator<CelValue> {
    for (const [, value] of this.entries()) yield value;
  }

  forEach(callback: (value: CelValue, key: string, map: unknown) => void): void {
    for (const [key, value] of this.entries()) callback(value, key, this);
  }

  [Symbol.iterator](): IterableIterator<[string, CelValue]> {
    return this.entries();
  }

  #read(key: string): unknown {
    return Reflect.get(this.object, key);
  }
}

/** Header names have no case (RFC 9110, section 5.1): `headers['X-Event']` finds `x-event`. */
class HeaderMap extends ObjectMap {
  override get(key: MapKey): CelValue | undefined {
    return typeof key === 'string' ? super.get(key.toLowerCase()) : undefined;
  }

  override has(key: MapKey): boolean {
    return typeof key === 'string' && super.has(key.toLowerCase());
  }
}

/** An array as a CEL list: an element is wrapped when it is read. */
class ArrayList {
  readonly [LIST_MARK] = true;
  readonly array: readonly unknown[];
  readonly #meter: Meter;

  constructor(array: readonly unknown[], meter: Meter) {
    this.array = array;
    this.#meter = meter;
  }

  get size(): number {
    return this.array.length;
  }

  get(index: number): CelValue | undefined {
    return index >= 0 && index < this.array.length && Number.isInteger(index)
      ? toCel(this.array[index], this.#meter)
      : undefined;
  }

  *values(): IterableIterator<CelValue> {
    this.#meter.charge(this.array.length);
    for (const element of this.array) yield toCel(element, this.#meter);
  }

  [Symbol.iterator](): IterableIterator<CelValue> {
    return this.values();
  }
}

/**
 * A list that grows at its end, as `map()` and `filter()` grow theirs.
 *
 * The library nests one list per element, so that reading the result of `map()` over 10,000 elements
 * overflows the stack. Here all lists of one chain share an array and differ in how much they see.
 */
class GrowingList {
  readonly [LIST_MARK] = true;
  readonly size: number;
  readonly #shared: CelValue[];
  readonly #meter: Meter;

  constructor(shared: CelValue[], meter: Meter) {
    this.#shared = shared;
    this.size = shared.length;
    this.#meter = meter;
  }

  get(index: number): CelValue | undefined {
    return index >= 0 && index < this.size ? this.#shared[index] : undefined;
  }

  values(): IterableIterator<CelValue> {
    this.#meter.charge(this.size);
    return this.#shared.slice(0, this.size).values();
  }

  [Symbol.iterator](): IterableIterator<CelValue> {
    return this.values();
  }

  concat(tail: CelList): GrowingList {
    // Somebody else has grown the shared array past what this list sees: it must not be touched.
    const ownsEnd = this.#shared.length === this.size;
    const shared = ownsEnd ? this.#shared : this.#shared.slice(0, this.size);
    this.#meter.charge((ownsEnd ? 0 : this.size) + tail.size);
    for (const element of tail) shared.push(element);
    return new GrowingList(shared, this.#meter);
  }
}

/** `left + right` for lists: in time proportional to `right` when `left` is itself such a sum. */
export function concatLists(left: CelList, right: CelList, meter: Meter): CelList {
  const grown = left instanceof GrowingList ? left : new GrowingList([...left], meter);
  return marked(grown.concat(right), isCelList);
}

/** A type error here means that a new version of the library marks its collections differently. */
function marked<T extends CelValue>(value: unknown, isMarked: (candidate: unknown) => candidate is T): T {
  if (!isMarked(value)) throw new TypeError('@bufbuild/cel does not know our collections');
  return value;
}

/** Any JSON value as CEL sees it. Takes constant time, whatever the size of the value. */
export function toCel(value: unknown, meter: Meter): CelValue {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
      return value;
    case 'object':
      if (value === null || value instanceof Uint8Array) return value;
      if (Array.isArray(value)) return marked(new ArrayList(value, meter), isCelList);
      return marked(new ObjectMap(value, meter), isCelMap);
    case 'undefined':
    case 'function':
    case 'symbol':
    default:
      return null;
  }
}

export function headersToCel(headers: Readonly<Record<string, string>>, meter: Meter): CelValue {
  return marked(new HeaderMap(headers, meter), isCelMap);
}

/**
 * A CEL value as JSON would have it: int -> number, or string beyond 2^53; bytes -> base64;
 * timestamp -> RFC 3339; duration -> seconds with `s`; type -> its name.
 *
 * What comes unchanged from the input is returned as it is, not copied.
 */
export function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') return plainInteger(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof ObjectMap) return value.object;
  if (value instanceof ArrayList) return value.array;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isCelUint(value)) return plainInteger(value.value);
  if (isCelList(value)) return Array.from(value, toPlain);
  if (isCelMap(value)) {
    return Object.fromEntries(Array.from(value, ([key, member]) => [String(toPlain(key)), toPlain(member)]));
  }
  if (isReflectMessage(value)) return plainMessage(value.message);
  return isCelType(value) ? value.toString() : null;
}

function plainInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

function plainMessage(message: unknown): unknown {
  if (isMessage(message, TimestampSchema)) return toJson(TimestampSchema, message);
  if (isMessage(message, DurationSchema)) return toJson(DurationSchema, message);
  return null;
}
