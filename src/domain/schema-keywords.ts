import { isRecord } from './json-record.ts';
import { pointerToken } from './json-pointer.ts';
import { sameJson } from './same-json.ts';
import { kindsOfType, type Part, typeNames, type ValueKind, valueLists, valuesOf } from './schema-nodes.ts';

/** Something that one schema demands and another does not promise. */
export interface Unpromised {
  readonly keyword: string;
  /** Where the schema that demands it says so. */
  readonly demandedAt: string;
  /** Where the schema that does not promise it would have to. */
  readonly promisedAt: string;
  /** `must be integer` */
  readonly demand: string;
  /** `may be string` */
  readonly instead: string;
}

function unpromised(
  to: Part,
  from: readonly Part[],
  keyword: string,
  demand: string,
  instead: string,
): Unpromised {
  const tail = `/${pointerToken(keyword)}`;
  return { keyword, demandedAt: to.at + tail, promisedAt: (from[0]?.at ?? '') + tail, demand, instead };
}

/** `type`: the kinds are those that values fitting all of `from` can have, whichever keyword leaves them. */
export function typeCheck(to: Part, from: readonly Part[], kinds: ReadonlySet<ValueKind>): Unpromised[] {
  const allowed = kindsOfType(to.keywords['type']) ?? kinds;
  const extra = [...kinds].filter((kind) => !allowed.has(kind));
  if (extra.length === 0) return [];
  return [unpromised(to, from, 'type', `must be ${typeNames(allowed)}`, `may be ${typeNames(extra)}`)];
}

function has(values: readonly unknown[], value: unknown): boolean {
  return values.some((one) => sameJson(one, value));
}

/**
 * `enum` and `const`, for a `to` that has one. What `from` allows by its other keywords is not looked at:
 * without a list of its own it promises nothing.
 */
export function valuesCheck(to: Part, from: readonly Part[]): Unpromised[] {
  const allowed = valuesOf(to.keywords) ?? [];
  const keyword = Object.hasOwn(to.keywords, 'const') ? 'const' : 'enum';
  const lists = valueLists(from);
  const [first, ...others] = lists;
  const demand = `must be one of ${JSON.stringify(allowed).slice(1, -1)}`;
  if (first === undefined) return [unpromised(to, from, keyword, demand, 'may be anything else')];
  const possible = first.filter((value) => others.every((values) => has(values, value)));
  const extra = possible.filter((value) => !has(allowed, value));
  if (extra.length === 0) return [];
  return [
    unpromised(to, from, keyword, demand, `may be ${extra.map((value) => JSON.stringify(value)).join(', ')}`),
  ];
}

/** The values of a keyword in all parts that have it; what is no number is passed over, not refused. */
export function numbers(parts: readonly Part[], keyword: string): number[] {
  return parts.flatMap(({ keywords }) => {
    const value = keywords[keyword];
    return typeof value === 'number' ? [value] : [];
  });
}

/** A bound from below, kept by either of the two keywords in `from`: `exclusiveMinimum: 4` promises `minimum: 4`. */
export function lowerBound(
  to: Part,
  from: readonly Part[],
  keyword: 'minimum' | 'exclusiveMinimum',
): Unpromised[] {
  const [limit = Number.NEGATIVE_INFINITY] = numbers([to], keyword);
  const inclusive = Math.max(Number.NEGATIVE_INFINITY, ...numbers(from, 'minimum'));
  const exclusive = Math.max(Number.NEGATIVE_INFINITY, ...numbers(from, 'exclusiveMinimum'));
  const promised = exclusive >= limit || (keyword === 'minimum' ? inclusive >= limit : inclusive > limit);
  return promised
    ? []
    : [
        unpromised(
          to,
          from,
          keyword,
          `must be ${keyword === 'minimum' ? 'at least' : 'more than'} ${limit}`,
          'may be less',
        ),
      ];
}

/** A bound from above, kept by either of the two keywords in `from`: `exclusiveMaximum: 4` promises `maximum: 4`. */
export function upperBound(
  to: Part,
  from: readonly Part[],
  keyword: 'maximum' | 'exclusiveMaximum',
): Unpromised[] {
  const [limit = Number.POSITIVE_INFINITY] = numbers([to], keyword);
  const inclusive = Math.min(Number.POSITIVE_INFINITY, ...numbers(from, 'maximum'));
  const exclusive = Math.min(Number.POSITIVE_INFINITY, ...numbers(from, 'exclusiveMaximum'));
  const promised = exclusive <= limit || (keyword === 'maximum' ? inclusive <= limit : inclusive < limit);
  return promised
    ? []
    : [
        unpromised(
          to,
          from,
          keyword,
          `must be ${keyword === 'maximum' ? 'at most' : 'less than'} ${limit}`,
          'may be more',
        ),
      ];
}

/** Keywords that count and begin at nothing (`minLength`, `minItems`, `minProperties`): absent is 0. */
export function least(to: Part, from: readonly Part[], keyword: string): Unpromised[] {
  const [limit = 0] = numbers([to], keyword);
  const promised = Math.max(0, ...numbers(from, keyword));
  return promised >= limit
    ? []
    : [unpromised(to, from, keyword, `must be at least ${limit} (${keyword})`, `may be ${promised}`)];
}

/** Keywords that count and have no end (`maxLength`, `maxItems`, `maxProperties`): absent is no limit. */
export function most(to: Part, from: readonly Part[], keyword: string): Unpromised[] {
  const [limit = Number.POSITIVE_INFINITY] = numbers([to], keyword);
  const promised = Math.min(Number.POSITIVE_INFINITY, ...numbers(from, keyword));
  if (promised <= limit) return [];
  return [
    unpromised(
      to,
      from,
      keyword,
      `must be at most ${limit} (${keyword})`,
      promised === Number.POSITIVE_INFINITY ? 'has no limit' : `may be ${promised}`,
    ),
  ];
}

/**
 * `multipleOf`. Only whole factors are compared, since a division of fractions is not exact: one that is no
 * integer counts as not promised, except 1 where no fraction can come.
 */
export function multipleCheck(to: Part, from: readonly Part[], kinds: ReadonlySet<ValueKind>): Unpromised[] {
  const [factor = 1] = numbers([to], 'multipleOf');
  if (factor === 1 && !kinds.has('fraction')) return [];
  if (
    numbers(from, 'multipleOf').some(
      (one) => Number.isInteger(one) && Number.isInteger(factor) && one % factor === 0,
    )
  )
    return [];
  return [unpromised(to, from, 'multipleOf', `must be a multiple of ${factor}`, 'may be none')];
}

/** `uniqueItems`, promised by saying it: items that can only differ are not recognised. */
export function uniqueCheck(to: Part, from: readonly Part[]): Unpromised[] {
  if (to.keywords['uniqueItems'] !== true || from.some(({ keywords }) => keywords['uniqueItems'] === true))
    return [];
  return [unpromised(to, from, 'uniqueItems', 'must hold no item twice', 'may')];
}

/** A list of names, as `required` has it; empty when it is absent or no list. */
export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** `required`, one finding for each name: what `dependentRequired` of `from` would bring is not counted. */
export function requiredCheck(to: Part, from: readonly Part[]): Unpromised[] {
  const promised = new Set(from.flatMap(({ keywords }) => texts(keywords['required'])));
  return texts(to.keywords['required'])
    .filter((name) => !promised.has(name))
    .map((name) => unpromised(to, from, 'required', `must have "${name}"`, 'may lack it'));
}

/** `dependentRequired`, one finding for each pair; a name that `from` always requires is promised for all. */
export function dependentCheck(to: Part, from: readonly Part[]): Unpromised[] {
  const required = new Set(from.flatMap(({ keywords }) => texts(keywords['required'])));
  const rules = to.keywords['dependentRequired'];
  return Object.entries(isRecord(rules) ? rules : {}).flatMap(([name, wanted]) => {
    const promised = from.flatMap(({ keywords }) => {
      const theirs = keywords['dependentRequired'];
      return isRecord(theirs) && Object.hasOwn(theirs, name) ? texts(theirs[name]) : [];
    });
    return texts(wanted)
      .filter((one) => !required.has(one) && !promised.includes(one))
      .map((one) =>
        unpromised(to, from, 'dependentRequired', `must have "${one}" with "${name}"`, 'may lack it'),
      );
  });
}
