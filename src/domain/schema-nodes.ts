import { isRecord } from './json-record.ts';
import { pointerToken } from './json-pointer.ts';

/** Keywords whose values are maps of subschemas by a name of the author's choice. */
export const SUBSCHEMA_MAPS: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
]);

/** Keywords whose values hold no subschemas, so that a `$ref` in them is just a word. */
export const NO_SUBSCHEMAS: ReadonlySet<string> = new Set([
  'const',
  'enum',
  'default',
  'examples',
  'dependentRequired',
  '$vocabulary',
]);

/** A subschema with where it stands. */
export interface SchemaNode {
  readonly schema: unknown;
  /** JSON pointer from the root of its document. */
  readonly at: string;
  readonly root: unknown;
}

/** A part of a conjunction that is an object of keywords, its `$ref` and `allOf` spread out beside it. */
export interface Part {
  readonly keywords: Readonly<Record<string, unknown>>;
  readonly at: string;
  readonly root: unknown;
  /** The subschema that it is the part of, `$ref` and `allOf` included. */
  readonly whole: SchemaNode;
}

const KINDS = ['null', 'boolean', 'object', 'array', 'string', 'integer', 'fraction'] as const;
/** What kinds of values there are; a number is an integer or a fraction, so that one can be allowed alone. */
export type ValueKind = (typeof KINDS)[number];

/** A member of a node; `undefined` = it has none of that name. */
export function member(
  { schema, at, root }: SchemaNode,
  ...path: readonly (string | number)[]
): SchemaNode | undefined {
  let inner = schema;
  let pointer = at;
  for (const step of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, step)) return undefined;
    inner = new Map<string, unknown>(Object.entries(inner)).get(String(step));
    pointer += `/${pointerToken(String(step))}`;
  }
  return { schema: inner, at: pointer, root };
}

/** The keywords of a part as a node, to walk on from: without what `$ref` and `allOf` beside them say. */
export function partNode({ keywords, at, root }: Part): SchemaNode {
  return { schema: keywords, at, root };
}

/** What a `$ref` within the document leads to: a pointer, an anchor, or the whole. */
export function resolve(root: unknown, ref: string): SchemaNode | undefined {
  const fragment = decoded(ref.slice(1));
  if (fragment !== '' && !fragment.startsWith('/')) return anchored({ schema: root, at: '', root }, fragment);
  const steps = fragment.split('/').slice(1);
  const names = steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return member({ schema: root, at: '', root }, ...names);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function anchored(node: SchemaNode, name: string): SchemaNode | undefined {
  const { schema } = node;
  if (typeof schema !== 'object' || schema === null) return undefined;
  if (isRecord(schema) && schema['$anchor'] === name) return node;
  for (const key of Object.keys(schema)) {
    const inner = member(node, key);
    const found = inner === undefined ? undefined : anchored(inner, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Everything that a value must fit to fit all of the nodes, as a list of parts without `$ref` and `allOf`.
 * `null` = nothing fits.
 */
export function spread(nodes: readonly SchemaNode[]): Part[] | null {
  const parts: Part[] = [];
  const seen = new Set<string>();
  const visit = (node: SchemaNode): boolean => {
    if (node.schema === false) return false;
    if (seen.has(node.at)) return true;
    seen.add(node.at);
    const { $ref, allOf, ...keywords } = isRecord(node.schema) ? node.schema : {};
    parts.push({ keywords, at: node.at, root: node.root, whole: node });
    const target = typeof $ref === 'string' ? resolve(node.root, $ref) : undefined;
    if (target !== undefined && !visit(target)) return false;
    return !Array.isArray(allOf) || allOf.every((_, index) => visit(member(node, 'allOf', index) ?? node));
  };
  return nodes.every((node) => visit(node)) ? parts : null;
}

/** The kinds of values that can fit all of the parts. */
export function kindsOf(parts: readonly Part[]): Set<ValueKind> {
  const kinds = new Set<ValueKind>(KINDS);
  for (const { keywords } of parts) {
    const allowed = [kindsOfType(keywords['type']), kindsOfValues(valuesOf(keywords))];
    for (const set of allowed) {
      if (set !== null) for (const kind of kinds) if (!set.has(kind)) kinds.delete(kind);
    }
  }
  return kinds;
}

/** The kinds that a value of `type` names; `null` = it is absent and names all. Unknown names are none. */
export function kindsOfType(type: unknown): Set<ValueKind> | null {
  if (type === undefined) return null;
  const names = (Array.isArray(type) ? type : [type]).map(String);
  return new Set(
    names.flatMap((name): ValueKind[] => {
      if (name === 'number') return ['integer', 'fraction'];
      return KINDS.filter((kind) => kind === name);
    }),
  );
}

/** The values of `enum` or `const`; `null` = it has neither. */
export function valuesOf(keywords: Readonly<Record<string, unknown>>): readonly unknown[] | null {
  if (Object.hasOwn(keywords, 'const')) return [keywords['const']];
  const { enum: values } = keywords;
  return Array.isArray(values) ? values : null;
}

/** The lists of values of all parts that have one. */
export function valueLists(parts: readonly Part[]): (readonly unknown[])[] {
  return parts.flatMap(({ keywords }) => {
    const values = valuesOf(keywords);
    return values === null ? [] : [values];
  });
}

function kindsOfValues(values: readonly unknown[] | null): Set<ValueKind> | null {
  return values === null ? null : new Set(values.map((value) => kindOf(value)));
}

function kindOf(value: unknown): ValueKind {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'fraction';
  return KINDS.find((kind) => kind === typeof value) ?? 'object';
}

/** Kinds as JSON Schema names them. */
export function typeNames(kinds: Iterable<ValueKind>): string {
  const names = new Set<string>(kinds);
  if (names.delete('fraction')) {
    names.delete('integer');
    names.add('number');
  }
  return [...names].join(' or ');
}
