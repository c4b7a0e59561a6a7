import type { FieldError } from '../domain/problem.ts';
import { pointerToken } from '../domain/json-pointer.ts';
import { isRecord } from '../domain/json-record.ts';
import { NO_SUBSCHEMAS, SUBSCHEMA_MAPS } from '../domain/schema-nodes.ts';
import { compilePattern } from './linear-patterns.ts';

type Json = Readonly<Record<string, unknown>>;

/** Compiling takes up to half a millisecond for each subschema, measured on two busy cores. */
const MAX_BYTES = 256 * 1024;
const MAX_SUBSCHEMAS = 2_000;
const MAX_DEPTH = 64;

/** The keyword that charges for a subschema; nobody else's schema has it. */
export const STEPS_KEYWORD = 'x-ringback-steps';

/** Entries that a keyword compares in about a step. */
const ENTRIES_PER_STEP = 16;

/** What makes a schema unusable before anything is compiled: its size, where it refers to, its patterns. */
export function textProblem(schema: Json): FieldError | null {
  const text = JSON.stringify(schema);
  if (text.length > MAX_BYTES) {
    return { pointer: '', message: `the schema is larger than ${MAX_BYTES / 1024} KiB` };
  }
  const inspector = new Inspector();
  inspector.visit(schema, '', 0, true);
  return inspector.problem;
}

/** Finds the first mistake. Looks into everything but data, so that nothing a `$ref` can reach is missed. */
class Inspector {
  problem: FieldError | null = null;
  #subschemas = 0;

  visit(node: unknown, pointer: string, depth: number, isSchema: boolean): void {
    if (this.problem !== null || typeof node !== 'object' || node === null) return;
    if (depth > MAX_DEPTH) return this.#refuse(pointer, `is nested deeper than ${MAX_DEPTH} levels`);
    if (Array.isArray(node)) {
      for (const [index, item] of node.entries()) this.visit(item, `${pointer}/${index}`, depth + 1, true);
      return;
    }
    this.#subschemas += 1;
    if (this.#subschemas > MAX_SUBSCHEMAS) {
      return this.#refuse('', `the schema has more than ${MAX_SUBSCHEMAS} subschemas`);
    }
    for (const [name, value] of Object.entries(node)) {
      const at = `${pointer}/${pointerToken(name)}`;
      if (isSchema) this.#keyword(name, value, at, depth);
      if (!isSchema || !NO_SUBSCHEMAS.has(name))
        this.visit(value, at, depth + 1, !isSchema || !SUBSCHEMA_MAPS.has(name));
    }
  }

  #keyword(name: string, value: unknown, at: string, depth: number): void {
    if (
      (name === '$ref' || name === '$dynamicRef') &&
      (typeof value !== 'string' || !value.startsWith('#'))
    ) {
      this.#refuse(at, 'must begin with "#": other documents are never fetched; put them into $defs');
    }
    if (name === '$id' && depth > 0) this.#refuse(at, 'may stand at the top of a schema only');
    if (name === 'pattern') this.#pattern(value, at);
    if (name !== 'patternProperties' || typeof value !== 'object' || value === null) return;
    for (const pattern of Object.keys(value)) this.#pattern(pattern, `${at}/${pointerToken(pattern)}`);
  }

  #pattern(pattern: unknown, at: string): void {
    if (typeof pattern !== 'string') return;
    try {
      compilePattern(pattern);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#refuse(at, `is no pattern that takes linear time (RE2 syntax): ${why}`);
    }
  }

  #refuse(pointer: string, message: string): void {
    this.problem ??= { pointer, message };
  }
}

/** Whether any part of it speaks of what other parts have left over. */
export function asksForUnevaluated(node: unknown): boolean {
  if (typeof node !== 'object' || node === null) return false;
  return Object.entries(node).some(
    ([name, value]) => name.startsWith('unevaluated') || asksForUnevaluated(value),
  );
}

/** The schema with a charge in each of its subschemas. */
export function metered(schema: Json): Json {
  const copy = meteredNode(schema, true);
  return isRecord(copy) ? copy : schema;
}

function meteredNode(node: unknown, isSchema: boolean): unknown {
  if (Array.isArray(node)) return node.map((item) => meteredNode(item, true));
  if (!isRecord(node)) return node;
  const copy: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(node)) {
    copy[name] =
      isSchema && NO_SUBSCHEMAS.has(name)
        ? value
        : meteredNode(value, !isSchema || !SUBSCHEMA_MAPS.has(name));
  }
  // An empty schema costs nothing, and would cost something with a keyword in it.
  if (isSchema && Object.keys(node).length > 0)
    copy[STEPS_KEYWORD] = 1 + Math.ceil(entriesOf(node) / ENTRIES_PER_STEP);
  return { ...copy };
}

function entriesOf(schema: Json): number {
  let entries = Object.keys(schema).length;
  for (const value of Object.values(schema)) {
    if (Array.isArray(value)) entries += value.length;
    else if (isRecord(value)) entries += Object.keys(value).length;
  }
  return entries;
}
