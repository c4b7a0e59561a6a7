import { isRecord } from './json-record.ts';
import { pointerToken } from './json-pointer.ts';
import { sameJson } from './same-json.ts';
import {
  dependentCheck,
  least,
  lowerBound,
  most,
  multipleCheck,
  requiredCheck,
  texts,
  typeCheck,
  uniqueCheck,
  type Unpromised,
  upperBound,
  valuesCheck,
} from './schema-keywords.ts';
import { ANNOTATIONS, sameSchema } from './schema-equality.ts';
import {
  kindsOf,
  member,
  type Part,
  partNode,
  type SchemaNode,
  spread,
  type ValueKind,
  valueLists,
} from './schema-nodes.ts';

/** Comparisons of two subschemas; alternatives within alternatives multiply. */
const MOST_COMPARISONS = 5_000;

type Check = (to: Part, from: readonly Part[], kinds: ReadonlySet<ValueKind>) => Unpromised[];

/**
 * Looks for values that fit one schema and not the other, keyword by keyword.
 *
 * When it finds nothing there is no such value. It may find what is none: keywords that take reasoning
 * (`not`, `if`, `contains`, `unevaluatedProperties`, an overlapping `oneOf`) only pass when they are equal.
 */
export class SchemaSubset {
  #comparisons = 0;
  /** Pairs that are being compared: recursive schemas meet themselves, and are then taken to be in order. */
  readonly #open = new Set<string>();
  readonly #checks: Readonly<Record<string, readonly [readonly ValueKind[] | null, Check]>>;

  readonly #ignoresUnknown: boolean;

  /**
   * With `ignoresUnknown`, properties that a schema neither names nor says anything about are taken to be
   * absent from its values. Strictly an object that is not closed may have any; but then no property could
   * ever be added.
   */
  constructor(options: { readonly ignoresUnknown: boolean }) {
    this.#ignoresUnknown = options.ignoresUnknown;
    const number: readonly ValueKind[] = ['integer', 'fraction'];
    this.#checks = {
      type: [null, typeCheck],
      enum: [null, valuesCheck],
      const: [null, valuesCheck],
      anyOf: [null, (to, from) => this.#alternatives(to, from, 'anyOf')],
      oneOf: [null, (to, from) => this.#alternatives(to, from, 'oneOf')],
      minimum: [number, (to, from) => lowerBound(to, from, 'minimum')],
      exclusiveMinimum: [number, (to, from) => lowerBound(to, from, 'exclusiveMinimum')],
      maximum: [number, (to, from) => upperBound(to, from, 'maximum')],
      exclusiveMaximum: [number, (to, from) => upperBound(to, from, 'exclusiveMaximum')],
      multipleOf: [number, multipleCheck],
      minLength: [['string'], (to, from) => least(to, from, 'minLength')],
      maxLength: [['string'], (to, from) => most(to, from, 'maxLength')],
      minItems: [['array'], (to, from) => least(to, from, 'minItems')],
      maxItems: [['array'], (to, from) => most(to, from, 'maxItems')],
      uniqueItems: [['array'], uniqueCheck],
      prefixItems: [['array'], (to, from) => this.#prefixItems(to, from)],
      items: [['array'], (to, from) => this.#items(to, from)],
      minProperties: [['object'], (to, from) => least(to, from, 'minProperties')],
      maxProperties: [['object'], (to, from) => most(to, from, 'maxProperties')],
      required: [['object'], requiredCheck],
      dependentRequired: [['object'], dependentCheck],
      properties: [['object'], (to, from) => this.#properties(to, from)],
      patternProperties: [['object'], (to, from) => this.#patternProperties(to, from)],
      additionalProperties: [['object'], (to, from) => this.#additional(to, from)],
      propertyNames: [['object'], (to, from) => this.#propertyNames(to, from)],
    };
  }

  /** What `to` demands and the conjunction of `from` does not promise; empty = all that fits `from` fits `to`. */
  compare(from: readonly SchemaNode[], to: SchemaNode): Unpromised[] {
    const key = `${from.map(({ at, schema }) => `${at}${schema === false ? '!' : ''}`).join(' ')} > ${to.at}`;
    if (this.#open.has(key)) return [];
    this.#comparisons += 1;
    if (this.#comparisons > MOST_COMPARISONS)
      return [unclear(to.at, from[0]?.at ?? '', 'anyOf', 'is too much to compare')];
    this.#open.add(key);
    try {
      return this.#compare(from, to);
    } finally {
      this.#open.delete(key);
    }
  }

  #compare(from: readonly SchemaNode[], to: SchemaNode): Unpromised[] {
    const have = spread(from);
    const kinds = kindsOf(have ?? []);
    if (have === null || kinds.size === 0) return [];
    const wanted = spread([to]);
    if (wanted === null) {
      const promisedAt = from[0]?.at ?? '';
      return [
        { keyword: '', demandedAt: to.at, promisedAt, demand: 'must be absent', instead: 'may be there' },
      ];
    }
    const found = wanted.flatMap((part) => this.#keywords(part, have, kinds));
    return found.length === 0 ? found : this.#byCases(have, to, found);
  }

  #keywords(to: Part, from: readonly Part[], kinds: ReadonlySet<ValueKind>): Unpromised[] {
    return Object.keys(to.keywords).flatMap((keyword) => {
      if (ANNOTATIONS.has(keyword) || from.some((part) => sameKeyword(part, to, keyword))) return [];
      const known = Object.hasOwn(this.#checks, keyword) ? this.#checks[keyword] : undefined;
      if (known === undefined) return OPAQUE.has(keyword) ? opaque(to, from, keyword) : [];
      const [applies, check] = known;
      return applies !== null && !applies.some((kind) => kinds.has(kind)) ? [] : check(to, from, kinds);
    });
  }

  /** `found` counts only if it holds for one of the cases that the other side knows. */
  #byCases(have: readonly Part[], to: SchemaNode, found: readonly Unpromised[]): Unpromised[] {
    for (const [index, part] of have.entries()) {
      for (const keyword of ['anyOf', 'oneOf']) {
        const cases = membersOf(part, keyword);
        if (cases.length === 0) continue;
        const { [keyword]: _split, ...rest } = part.keywords;
        const others = [
          // Under a place of its own, so that it is not taken for the part with its cases.
          { schema: rest, at: `${part.at}${SPLIT}${keyword}`, root: part.root },
          ...have.filter((_, other) => other !== index).map((other) => partNode(other)),
        ];
        return cases.flatMap((one) => this.compare([one, ...others], to));
      }
    }
    return [...found];
  }

  #alternatives(to: Part, from: readonly Part[], keyword: 'anyOf' | 'oneOf'): Unpromised[] {
    const alternatives = membersOf(to, keyword);
    // One of several that exclude each other is the same as any of them.
    if (keyword === 'oneOf' && !allDisjoint(alternatives)) return opaque(to, from, keyword);
    const nodes = from.map((part) => partNode(part));
    if (this.#fitsOne(nodes, alternatives)) return [];
    const kinds = [...kindsOf(from)];
    const root = from[0]?.root;
    const byKind = kinds.map((kind) => ({ schema: kindSchema(kind), at: `kind:${kind}`, root }));
    if (kinds.length > 1 && byKind.every((kind) => this.#fitsOne([kind, ...nodes], alternatives))) return [];
    return [
      {
        keyword,
        demandedAt: `${to.at}/${keyword}`,
        promisedAt: from[0]?.at ?? '',
        demand: `must fit ${keyword === 'oneOf' ? 'exactly one' : 'one'} of ${alternatives.length} alternatives`,
        instead: 'may fit none of them',
      },
    ];
  }

  #fitsOne(from: readonly SchemaNode[], alternatives: readonly SchemaNode[]): boolean {
    return alternatives.some((alternative) => this.compare(from, alternative).length === 0);
  }

  #properties(to: Part, from: readonly Part[]): Unpromised[] {
    return namesIn(to, 'properties').flatMap((name) => {
      const wanted = member(partNode(to), 'properties', name);
      if (wanted === undefined) return [];
      const have = from.flatMap((part) => ofName(part, name));
      if (this.#ignoresUnknown && have.every(({ schema }) => schema === true || isEmpty(schema))) {
        if (from.every((part) => !namesIn(part, 'properties').includes(name))) return [];
      }
      return this.compare(have.length > 0 ? have : [anything(from, 'properties', name)], wanted);
    });
  }

  #additional(to: Part, from: readonly Part[]): Unpromised[] {
    const wanted = member(partNode(to), 'additionalProperties');
    if (wanted === undefined) return [];
    const declared = new Set(namesIn(to, 'properties'));
    const patterns = new Set(namesIn(to, 'patternProperties'));
    const names = new Set(from.flatMap((part) => namesIn(part, 'properties')));
    const removed = [...names].filter((name) => !declared.has(name));
    const unmatched = from.flatMap((part) =>
      namesIn(part, 'patternProperties').filter((one) => !patterns.has(one)),
    );
    return [
      ...removed.flatMap((name) =>
        this.compare(
          from.flatMap((part) => ofName(part, name)),
          wanted,
        ),
      ),
      ...unmatched.flatMap((pattern) =>
        this.compare(
          from.flatMap((part) => member(partNode(part), 'patternProperties', pattern) ?? []),
          wanted,
        ),
      ),
      ...this.compare(
        from.flatMap((part) => member(partNode(part), 'additionalProperties') ?? []),
        wanted,
      ),
    ];
  }

  /** Which names fit a pattern is not looked at: any may. */
  #patternProperties(to: Part, from: readonly Part[]): Unpromised[] {
    const names = new Set(from.flatMap((part) => namesIn(part, 'properties')));
    return namesIn(to, 'patternProperties').flatMap((pattern) => {
      const wanted = member(partNode(to), 'patternProperties', pattern);
      if (wanted === undefined) return [];
      const same = from.flatMap((part) => member(partNode(part), 'patternProperties', pattern) ?? []);
      const rest = from.flatMap((part) => member(partNode(part), 'additionalProperties') ?? []);
      // A name that fits another pattern of theirs is under no `additionalProperties`.
      const others = from.some((part) => namesIn(part, 'patternProperties').some((one) => one !== pattern));
      return [
        ...(same.length > 0 || others ? this.compare(same, wanted) : this.compare(rest, wanted)),
        ...[...names].flatMap((name) =>
          this.compare([...same, ...from.flatMap((part) => ofName(part, name))], wanted),
        ),
      ];
    });
  }

  #propertyNames(to: Part, from: readonly Part[]): Unpromised[] {
    const wanted = member(partNode(to), 'propertyNames');
    const have = from.flatMap((part) => member(partNode(part), 'propertyNames') ?? []);
    const text = { schema: { type: 'string' }, at: 'kind:string', root: to.root };
    return wanted === undefined ? [] : this.compare([...have, text], wanted);
  }

  #prefixItems(to: Part, from: readonly Part[]): Unpromised[] {
    return membersOf(to, 'prefixItems').flatMap((wanted, index) =>
      this.compare(atIndex(from, index), wanted),
    );
  }

  #items(to: Part, from: readonly Part[]): Unpromised[] {
    const wanted = member(partNode(to), 'items');
    if (wanted === undefined) return [];
    const first = membersOf(to, 'prefixItems').length;
    const last = Math.max(first, ...from.map((part) => membersOf(part, 'prefixItems').length));
    const places = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    return places.flatMap((index) => this.compare(atIndex(from, index), wanted));
  }
}

function sameKeyword(from: Part, to: Part, keyword: string): boolean {
  if (!Object.hasOwn(from.keywords, keyword) || DEPENDENT.has(keyword)) return false;
  const node = (part: Part): SchemaNode => ({
    schema: { [keyword]: part.keywords[keyword] },
    at: '',
    root: part.root,
  });
  return sameSchema(node(from), node(to));
}

/** What these say depends on others beside them. */
const DEPENDENT: ReadonlySet<string> = new Set([
  'additionalProperties',
  'items',
  'contains',
  'minContains',
  'maxContains',
  'if',
  'then',
  'else',
  'unevaluatedItems',
  'unevaluatedProperties',
  '$dynamicRef',
]);

/** Keywords that are only understood to be equal. Those that nobody knows say nothing. */
const OPAQUE: ReadonlySet<string> = new Set([
  ...DEPENDENT,
  'not',
  'oneOf',
  'pattern',
  'format',
  'dependentSchemas',
]);

/** Marks the place of a part whose cases are looked at one by one; no pointer has it. */
const SPLIT = '\uE000';

function opaque(to: Part, from: readonly Part[], keyword: string): Unpromised[] {
  if (from.some((part) => sameOpaque(part, to, keyword))) return [];
  const tail = `/${pointerToken(keyword)}`;
  return [unclear(to.at + tail, (from[0]?.at ?? '') + tail, keyword, `must fit "${keyword}"`)];
}

function sameOpaque(from: Part, to: Part, keyword: string): boolean {
  // A dynamic reference may lead anywhere in its document.
  if (keyword === '$dynamicRef') return sameJson(from.root, to.root);
  if (!DEPENDENT.has(keyword)) return sameKeyword(from, to, keyword);
  return sameSchema(from.whole, to.whole);
}

function unclear(demandedAt: string, promisedAt: string, keyword: string, demand: string): Unpromised {
  return {
    keyword,
    demandedAt,
    promisedAt,
    demand,
    instead: 'differs there in a way that cannot be compared',
  };
}

function isEmpty(schema: unknown): boolean {
  return isRecord(schema) && Object.keys(schema).length === 0;
}

/** In place of what a side says nothing about. */
function anything([first]: readonly Part[], ...path: readonly string[]): SchemaNode {
  const at = `${first?.at ?? ''}${path.map((step) => `/${pointerToken(step)}`).join('')}`;
  return { schema: true, at, root: first?.root };
}

/** What a part says of a property: its own schema, or that of all that it does not name. */
function ofName(part: Part, name: string): SchemaNode[] {
  const own = member(partNode(part), 'properties', name);
  if (own !== undefined) return [own];
  // A pattern may fit the name, and then `additionalProperties` says nothing of it.
  if (namesIn(part, 'patternProperties').length > 0) return [];
  return [member(partNode(part), 'additionalProperties') ?? []].flat();
}

function atIndex(parts: readonly Part[], index: number): SchemaNode[] {
  return parts.flatMap(
    (part) => member(partNode(part), 'prefixItems', index) ?? member(partNode(part), 'items') ?? [],
  );
}

function namesIn({ keywords }: Part, keyword: string): string[] {
  const map = keywords[keyword];
  return isRecord(map) ? Object.keys(map) : [];
}

function membersOf(part: Part, keyword: string): SchemaNode[] {
  const list = part.keywords[keyword];
  return Array.isArray(list) ? list.flatMap((_, index) => member(partNode(part), keyword, index) ?? []) : [];
}

function kindSchema(kind: ValueKind): unknown {
  if (kind === 'fraction') return { type: 'number' };
  return { type: kind };
}

/** Whether no value can fit two of them: by what they are, or by a property that they tell apart. */
function allDisjoint(alternatives: readonly SchemaNode[]): boolean {
  return alternatives.every((left, index) =>
    alternatives.slice(index + 1).every((right) => disjoint(left, right)),
  );
}

function disjoint(left: SchemaNode, right: SchemaNode): boolean {
  const [ours, theirs] = [spread([left]), spread([right])];
  if (ours === null || theirs === null) return true;
  const kinds = [...kindsOf([...ours, ...theirs])];
  if (kinds.length === 0 || differ(ours, theirs)) return true;
  if (kinds.some((kind) => kind !== 'object')) return false;
  const required = new Set([...ours, ...theirs].flatMap(({ keywords }) => texts(keywords['required'])));
  return [...required].some((name) => {
    const [one, other] = [ours, theirs].map((parts) => spread(parts.flatMap((part) => ofName(part, name))));
    return one === null || other === null || differ(one ?? [], other ?? []);
  });
}

/** Whether the values that two conjunctions list have none in common. */
function differ(ours: readonly Part[], theirs: readonly Part[]): boolean {
  return valueLists(ours).some((left) =>
    valueLists(theirs).some((right) => !left.some((value) => right.some((other) => sameJson(value, other)))),
  );
}
