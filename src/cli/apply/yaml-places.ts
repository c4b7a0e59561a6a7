import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
} from 'yaml';

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface YamlText {
  readonly value: unknown;
  readonly mistakes: readonly (Place & { readonly message: string })[];
  /** Where a field stands: its key, or where the nearest thing around it begins. */
  readonly placeOf: (path: readonly (string | number)[]) => Place;
}

/** YAML (or JSON, which is YAML) with the place of everything in it. Never throws. */
export function readYaml(text: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const placeOf = (path: readonly (string | number)[]): Place => at(offsetOf(document, path));
  if (document.errors.length > 0) {
    const mistakes = document.errors.map((error) => ({ ...at(error.pos[0]), message: error.message }));
    return { value: null, mistakes, placeOf };
  }
  try {
    return { value: document.toJS({ maxAliasCount: 1_000 }) as unknown, mistakes: [], placeOf };
  } catch (error) {
    // Aliases that would unfold into gigabytes, or that name no anchor.
    const message = error instanceof Error ? error.message : String(error);
    return { value: null, mistakes: [{ line: 1, column: 1, message }], placeOf };
  }
}

function offsetOf(document: Document, path: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isSeq(node) && typeof part === 'number') node = node.items[part];
    else if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (pair === undefined) return offset;
      offset = isNode(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
      continue;
    } else return offset;
    if (!isNode(node)) return offset;
    offset = node.range?.[0] ?? offset;
  }
  return offset;
}
