/**
 * The values of each parameter, sorted by name and then by value.
 *
 * In one pass: `getAll` for each name walks the whole form again, and a form comes from whoever wrote
 * it. A megabyte of short names then held the process for a minute and a half, before any proof.
 */
export function groupParameters(parameters: Iterable<readonly [string, string]>): [string, string[]][] {
  const groups = new Map<string, string[]>();
  for (const [name, value] of parameters) {
    const values = groups.get(name);
    if (values === undefined) groups.set(name, [value]);
    else values.push(value);
  }
  return [...groups]
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, values]) => [name, values.toSorted()]);
}
