/** Whether two JSON values are equal; members of objects have no order. */
export function sameJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, index) => sameJson(item, right[index]));
  }
  const names = Object.keys(left);
  const other = new Map<string, unknown>(Object.entries(right));
  if (names.length !== other.size) return false;
  return Object.entries(left).every(([name, value]) => other.has(name) && sameJson(value, other.get(name)));
}
