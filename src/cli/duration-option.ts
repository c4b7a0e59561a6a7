import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../domain/units.ts';

/** Reads an option such as `30s` as milliseconds; what lies outside is a mistake of usage. */
export function durationOption(min: string, max: string): (text: string) => number {
  return (text) => {
    const ms = parseDuration(text);
    if (ms !== null && ms >= (parseDuration(min) ?? 0) && ms <= (parseDuration(max) ?? 0)) return ms;
    throw new InvalidArgumentError(`It must be a duration from ${min} to ${max}, such as 30s.`);
  };
}
