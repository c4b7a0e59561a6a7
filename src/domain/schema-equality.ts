import { isRecord } from './json-record.ts';
import { sameJson } from './same-json.ts';
import { NO_SUBSCHEMAS, resolve, type SchemaNode, SUBSCHEMA_MAPS } from './schema-nodes.ts';

/** Keywords that say nothing about which values fit. */
export const ANNOTATIONS: ReadonlySet<string> = new Set([
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentEncoding',
  'contentMediaType',
  'contentSchema',
  '$comment',
  '$schema',
  '$id',
  '$anchor',
  '$defs',
  'definitions',
]);

/**
 * Whether two subschemas say the same in the same words, whatever they are titled and wherever what they
 * refer to stands.
 */
export function sameSchema(left: SchemaNode, right: SchemaNode, seen = new Set<string>()): boolean {
  return same(left, right, true, seen);
}

function same(left: SchemaNode, right: SchemaNode, isSchema: boolean, seen: Set<string>): boolean {
  const [ours, theirs] = [left.schema, right.schema];
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    const inner = (index: number): [SchemaNode, SchemaNode] => [
      { ...left, schema: ours[index] },
      { ...right, schema: theirs[index] },
    ];
    return ours.length === theirs.length && ours.every((_, index) => same(...inner(index), true, seen));
  }
  if (!isRecord(ours) || !isRecord(theirs)) return sameJson(ours, theirs);
  const names = namesOf(ours, isSchema);
  if (names.length !== namesOf(theirs, isSchema).length) return false;
  return names.every((name) => {
    if (!Object.hasOwn(theirs, name)) return false;
    if (isSchema && name === '$ref') return sameTarget(left.root, ours[name], right.root, theirs[name], seen);
    if (isSchema && NO_SUBSCHEMAS.has(name)) return sameJson(ours[name], theirs[name]);
    const isInnerSchema = !isSchema || !SUBSCHEMA_MAPS.has(name);
    return same({ ...left, schema: ours[name] }, { ...right, schema: theirs[name] }, isInnerSchema, seen);
  });
}

function namesOf(value: Readonly<Record<string, unknown>>, isSchema: boolean): string[] {
  return Object.keys(value).filter((name) => !isSchema || !ANNOTATIONS.has(name));
}

function sameTarget(
  leftRoot: unknown,
  leftRef: unknown,
  rightRoot: unknown,
  rightRef: unknown,
  seen: Set<string>,
): boolean {
  const key = `${String(leftRef)} ${String(rightRef)}`;
  // What is being compared further up is taken for the same: a difference is found there.
  if (seen.has(key)) return true;
  seen.add(key);
  const left = resolve(leftRoot, String(leftRef));
  const right = resolve(rightRoot, String(rightRef));
  return left !== undefined && right !== undefined && same(left, right, true, seen);
}
