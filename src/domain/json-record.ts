/**
 * Whether a value is a JSON object: neither `null` nor a list. Names inherited from the prototype are
 * not ruled out; ask `Object.hasOwn` before trusting a name that came from outside.
 */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
