import {
  celEnv,
  celFunc,
  celMethod,
  CelScalar,
  celUint,
  isCelList,
  isCelUint,
  type CelEnv,
  type CelFunc,
  type CelList,
  type CelValue,
} from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';
import { costOf, type Cost } from './cel-costs.ts';
import type { Meter } from './cel-meter.ts';
import { compilePattern } from './cel-patterns.ts';
import { concatLists } from './cel-values.ts';

type FuncResolver = CelEnv['funcs'];
type FuncGroup = NonNullable<ReturnType<FuncResolver['find']>>;
type Result = ReturnType<FuncGroup['call']>;
type Shortcut = (left: CelValue, right: CelValue) => Result;

/** The call that the compiler puts around what a loop runs over, so that loops are counted. */
export const LOOP_FUNCTION = '@loop';

/** Longest text that an expression may make, in characters: `replace` and `+` can multiply a body. */
const MAX_TEXT = 16 * 1024 * 1024;

const CHARS_PER_STEP = 64;

/** The environment of all expressions: CEL's standard functions and its strings extension, metered. */
export function meteredEnvironment(meter: Meter): CelEnv {
  const plain = celEnv({
    funcs: [...mixedArithmetic(), ...strings, ...quickStrings(), loopFunction(meter)],
    re2: { compile: compilePattern },
  });
  const groups = new Map<string, FuncGroup>();
  const funcs: FuncResolver = Object.create(plain.funcs, {
    find: {
      value: (name: string): FuncGroup | undefined => {
        const known = groups.get(name);
        if (known !== undefined) return known;
        const inner = plain.funcs.find(name);
        if (inner === undefined) return undefined;
        const metered = new MeteredGroup(inner, meter);
        groups.set(name, metered);
        return metered;
      },
    },
  });
  return Object.create(plain, { funcs: { value: funcs } });
}

/** Counts each call, answers the common ones at once and leaves the others to the library. */
class MeteredGroup implements FuncGroup {
  readonly name: string;
  readonly #inner: FuncGroup;
  readonly #meter: Meter;
  readonly #cost: Cost;
  readonly #shortcut: Shortcut | undefined;

  constructor(inner: FuncGroup, meter: Meter) {
    this.name = inner.name;
    this.#inner = inner;
    this.#meter = meter;
    this.#cost = costOf(inner.name);
    this.#shortcut = inner.name === '_+_' ? addition(meter) : SHORTCUTS[inner.name];
  }

  [Symbol.iterator](): IterableIterator<CelFunc> {
    return this.#inner[Symbol.iterator]();
  }

  call(id: number, target: CelValue | undefined, args: CelValue[]): Result {
    this.#meter.charge(1);
    const [left, right] = args;
    if (this.#shortcut !== undefined && left !== undefined && right !== undefined && target === undefined) {
      const answer = this.#shortcut(left, right);
      if (answer !== undefined) return answer;
    }
    this.#meter.charge(this.#cost(target, args));
    if (isTooLong(this.name, target, args)) {
      throw new Error(`${this.name} would make a text of more than ${MAX_TEXT} characters`);
    }
    return this.#inner.call(id, target, args);
  }
}

function isTooLong(name: string, target: CelValue | undefined, args: readonly CelValue[]): boolean {
  if (name === 'replace') return textLength(target) * Math.max(1, textLength(args[1])) > MAX_TEXT;
  if (name === 'join' && isCelList(target)) {
    return totalLength(target) + target.size * textLength(args[0]) > MAX_TEXT;
  }
  if (name === 'format' && isCelList(args[0])) {
    return textLength(target) + totalLength(args[0]) > MAX_TEXT;
  }
  return false;
}

function textLength(value: CelValue | undefined): number {
  return typeof value === 'string' ? value.length : 0;
}

function totalLength(list: CelList): number {
  let total = 0;
  for (const element of list) total += textLength(element);
  return total;
}

// The library finds an overload by comparing types one candidate after the other, about 1 µs a call.
// These answer for scalars, with the same rules, and return undefined for everything else.
const SHORTCUTS: Readonly<Record<string, Shortcut | undefined>> = {
  '_==_': equalScalars,
  '_!=_': (left, right) => {
    const equal = equalScalars(left, right);
    return equal === undefined ? undefined : !equal;
  },
  '_<_': ordering((left, right) => left < right),
  '_<=_': ordering((left, right) => left <= right),
  '_>_': ordering((left, right) => left > right),
  '_>=_': ordering((left, right) => left >= right),
};

function equalScalars(left: CelValue, right: CelValue): boolean | undefined {
  if (left === right) return true;
  if (typeof left === 'object' || typeof right === 'object') {
    return left === null || right === null ? false : undefined;
  }
  if (typeof left === typeof right) return false;
  // JavaScript compares a number with a bigint by value, as CEL does a double with an int.
  // oxlint-disable-next-line eqeqeq
  return isNumeric(left) && isNumeric(right) ? left == right : false;
}

function ordering(compare: (left: number | string, right: number | string) => boolean): Shortcut {
  return (left, right) => {
    if (typeof left === 'string') return typeof right === 'string' ? compare(left, right) : undefined;
    if (typeof left === 'number') {
      if (typeof right === 'number') return compare(left, right);
      return typeof right === 'bigint' ? compare(left, Number(right)) : undefined;
    }
    return typeof left === 'bigint' && typeof right === 'number' ? compare(Number(left), right) : undefined;
  };
}

function isNumeric(value: CelValue): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function addition(meter: Meter): Shortcut {
  return (left, right) => {
    if (typeof left === 'number' && typeof right === 'number') return left + right;
    if (typeof left === 'string' && typeof right === 'string') {
      if (left.length + right.length > MAX_TEXT) {
        throw new Error(`+ would make a text of more than ${MAX_TEXT} characters`);
      }
      meter.charge(right.length / CHARS_PER_STEP);
      return left + right;
    }
    return isCelList(left) && isCelList(right) ? concatLists(left, right, meter) : undefined;
  };
}

/**
 * A number of a JSON body is a double, a number in an expression an int, and standard CEL refuses
 * `data.amount / 100`. Here arithmetic on both gives a double, and `%` works on doubles.
 */
function mixedArithmetic(): CelFunc[] {
  const { DOUBLE, INT, UINT } = CelScalar;
  const operations: readonly (readonly [string, (left: number, right: number) => number])[] = [
    ['_+_', (left, right) => left + right],
    ['_-_', (left, right) => left - right],
    ['_*_', (left, right) => left * right],
    ['_/_', (left, right) => left / right],
    ['_%_', (left, right) => left % right],
  ];
  return operations.flatMap(([name, operate]) => [
    celFunc(name, [DOUBLE, INT], DOUBLE, (left, right) => operate(left, Number(right))),
    celFunc(name, [INT, DOUBLE], DOUBLE, (left, right) => operate(Number(left), right)),
    celFunc(name, [DOUBLE, UINT], DOUBLE, (left, right) => operate(left, Number(right.value))),
    celFunc(name, [UINT, DOUBLE], DOUBLE, (left, right) => operate(Number(left.value), right)),
    ...(name === '_%_' ? [celFunc(name, [DOUBLE, DOUBLE], DOUBLE, operate)] : []),
  ]);
}

/** Those of the strings extension that take time with the square of the text, or copy it by character. */
function quickStrings(): CelFunc[] {
  const { INT, STRING } = CelScalar;
  return [
    celMethod('lowerAscii', STRING, [], STRING, function () {
      return this.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
    }),
    celMethod('upperAscii', STRING, [], STRING, function () {
      return this.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase());
    }),
    celMethod('replace', STRING, [STRING, STRING], STRING, function (part, by) {
      return this.replaceAll(part, () => by);
    }),
    celMethod('replace', STRING, [STRING, STRING, INT], STRING, function (part, by, count) {
      let left = count < 0n ? Number.POSITIVE_INFINITY : Number(count);
      return this.replaceAll(part, (found) => (left-- > 0 ? by : found));
    }),
  ];
}

function loopFunction(meter: Meter): CelFunc {
  return celFunc(LOOP_FUNCTION, [CelScalar.DYN], CelScalar.DYN, (range) => {
    if (isCelList(range)) meter.charge(range.size);
    return isCelUint(range) ? celUint(range.value) : range;
  });
}
