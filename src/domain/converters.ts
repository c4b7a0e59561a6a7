import type { FieldError } from './problem.ts';
import type { Converter, EventType } from './settings.ts';

type Chain = Pick<EventType, 'versions' | 'converters'>;

/**
 * What is wrong with the converters of a type, with pointers such as `/converters/0/to`: versions that
 * there are not, a cycle (a converter that leads to where it began, or two for the same step), a jump over
 * a version, a gap (one direction is there for some steps and missing between them).
 */
export function converterMistakes({ versions, converters }: Chain): FieldError[] {
  const numbers = versions.map(({ version }) => version);
  const mistakes = converters.flatMap((converter, index) =>
    stepMistakes(numbers, converters, converter, index),
  );
  return mistakes.length > 0 ? mistakes : [...gaps(numbers, converters, 1), ...gaps(numbers, converters, -1)];
}

function stepMistakes(
  numbers: readonly number[],
  converters: readonly Converter[],
  { from, to }: Converter,
  index: number,
): FieldError[] {
  const pointer = `/converters/${index}`;
  const unknown = (['from', 'to'] as const).filter((end) => !numbers.includes(end === 'from' ? from : to));
  if (unknown.length > 0) {
    return unknown.map((end) => ({
      pointer: `${pointer}/${end}`,
      message: `there is no version ${end === 'from' ? from : to}; there are ${numbers.join(', ') || 'none'}`,
    }));
  }
  if (from === to) {
    return [{ pointer: `${pointer}/to`, message: `is a cycle: it leads from version ${from} back to it` }];
  }
  if (Math.abs(numbers.indexOf(from) - numbers.indexOf(to)) !== 1) {
    const between = numbers.filter((one) => one > Math.min(from, to) && one < Math.max(from, to));
    const message = `${from} and ${to} are no neighbours: convert through version ${between.join(', ')}`;
    return [{ pointer: `${pointer}/to`, message }];
  }
  const twin = converters.findIndex((other) => other.from === from && other.to === to);
  if (twin === index) return [];
  return [{ pointer, message: `there is a converter from ${from} to ${to} already: /converters/${twin}` }];
}

/** Steps that are missing between others of the same direction. */
function gaps(numbers: readonly number[], converters: readonly Converter[], direction: 1 | -1): FieldError[] {
  const steps = numbers.slice(1).map((upper, index) => {
    const lower = numbers[index] ?? upper;
    return direction === 1 ? { from: lower, to: upper } : { from: upper, to: lower };
  });
  const isThere = steps.map((step) => has(converters, step.from, step.to));
  const first = isThere.indexOf(true);
  const last = isThere.lastIndexOf(true);
  return steps.flatMap(({ from, to }, index) =>
    index > first && index < last && isThere[index] === false
      ? [{ pointer: '/converters', message: `there is a gap: no converter from ${from} to ${to}` }]
      : [],
  );
}

function has(converters: readonly Converter[], from: number, to: number): boolean {
  return converters.some((one) => one.from === from && one.to === to);
}

/** The converters that lead from one version to another, in order; or the first step that is missing. */
export function conversionPath(
  { versions, converters }: Chain,
  from: number,
  to: number,
): readonly Converter[] | { readonly missing: { readonly from: number; readonly to: number } } {
  const numbers = versions.map(({ version }) => version);
  const path: Converter[] = [];
  const direction = from < to ? 1 : -1;
  let at = from;
  while (at !== to) {
    const next = numbers[numbers.indexOf(at) + direction];
    const converter = converters.find((one) => one.from === at && one.to === next);
    // A version that is not there has no neighbours.
    if (!numbers.includes(at) || next === undefined || converter === undefined) {
      return { missing: { from: at, to: next ?? to } };
    }
    path.push(converter);
    at = next;
  }
  return path;
}
