import { isRecord } from './json-record.ts';
import { pointerToken } from './json-pointer.ts';
import { member, type Part, partNode, type SchemaNode, spread } from './schema-nodes.ts';
import type { Unpromised } from './schema-keywords.ts';
import { SchemaSubset } from './schema-subset.ts';
import type { Compatibility } from './settings.ts';

/** Why a new version breaks what the compatibility of its type promises. */
export interface Incompatibility {
  /** Into the schema of the new version; what it lacks would stand there. */
  readonly pointer: string;
  readonly message: string;
}

/**
 * What in `newer` breaks a promise about `older`:
 *
 * - `backward`: all data of the version before fits the new one, and nothing that it required is gone. Who
 *   publishes as before is not refused, and who reads the new version can read the old one.
 * - `forward`: all data of the new version fits the one before: who knows only that one can read on.
 * - `full`: both.
 *
 * Nothing is missed, but for properties that a version neither names nor forbids: they are taken to be
 * absent. What cannot be told for sure counts as broken.
 */
export function incompatibilities(
  older: unknown,
  newer: unknown,
  promise: Compatibility,
  options = { ignoresUnknown: true },
): Incompatibility[] {
  const before = { schema: older, at: '', root: older };
  const after = { schema: newer, at: '', root: newer };
  const found: Incompatibility[] = [];
  if (promise === 'backward' || promise === 'full') {
    for (const { demandedAt, demand, instead } of told(new SchemaSubset(options).compare([before], after))) {
      found.push({
        pointer: demandedAt,
        message: `backward: ${demand} now, and ${instead} in the version before`,
      });
    }
    found.push(...gone(before, after, new Set()));
  }
  if (promise === 'forward' || promise === 'full') {
    for (const { promisedAt, demand, instead } of told(new SchemaSubset(options).compare([after], before))) {
      found.push({
        pointer: realPlace(promisedAt),
        message: `forward: ${instead} now, and ${demand} in the version before`,
      });
    }
  }
  return unique(found);
}

/** The comparison gives parts that it looks at case by case places of their own. */
function realPlace(at: string): string {
  return at.replaceAll(/\uE000\w+|^kind:\w+/g, '');
}

const MOST_TOLD = 50;

function told(found: readonly Unpromised[]): readonly Unpromised[] {
  return found.slice(0, MOST_TOLD);
}

/** Properties that the version before required and the new one does not speak of any more. */
function gone(before: SchemaNode, after: SchemaNode, seen: Set<string>): Incompatibility[] {
  const key = `${before.at} ${after.at}`;
  if (seen.has(key)) return [];
  seen.add(key);
  const [old, fresh] = [spread([before]) ?? [], spread([after]) ?? []];
  const required = new Set(old.flatMap(({ keywords }) => names(keywords['required'])));
  const still = new Set(fresh.flatMap((part) => spokenOf(part)));
  const lost = [...required]
    .filter((name) => !still.has(name) && fresh.length > 0)
    .map((name) => ({
      pointer: `${after.at}/properties/${pointerToken(name)}`,
      message: `backward: is gone, and was required in the version before`,
    }));
  const inner = ['properties', 'items'].flatMap((keyword) =>
    old.flatMap((part) => {
      const steps =
        keyword === 'items'
          ? [['items']]
          : members(part.keywords['properties']).map((name) => ['properties', name]);
      return steps.flatMap((path) => {
        const left = member(partNode(part), ...path);
        return fresh.flatMap((other) => {
          const right = member(partNode(other), ...path);
          return left === undefined || right === undefined ? [] : gone(left, right, seen);
        });
      });
    }),
  );
  return [...lost, ...inner];
}

/** The properties that a part names, those of its alternatives too. */
function spokenOf(part: Part): string[] {
  const { required, properties } = part.keywords;
  const cases = ['anyOf', 'oneOf'].flatMap((keyword) => {
    const list = part.keywords[keyword];
    return Array.isArray(list)
      ? list.flatMap((_, index) => member(partNode(part), keyword, index) ?? [])
      : [];
  });
  const inner = cases.flatMap((one) => spread([one]) ?? []);
  return [...names(required), ...members(properties), ...inner.flatMap((one) => spokenOf(one))];
}

function names(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function members(value: unknown): string[] {
  return isRecord(value) ? Object.keys(value) : [];
}

function unique(found: readonly Incompatibility[]): Incompatibility[] {
  return [...new Map(found.map((one) => [`${one.pointer} ${one.message}`, one])).values()];
}
