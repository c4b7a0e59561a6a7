/** The pattern's shape: segments of letters, digits, `_` and `-`, or `*`, or `**`. */
const PATTERN = /^(\*\*?|[A-Za-z0-9_-]+)(\.(\*\*?|[A-Za-z0-9_-]+))*$/;

/** An event type: full-stop delimited segments (Standard Webhooks 1.0.0, "Event types"). */
const TYPE = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

/** At most this many characters in an event type or a pattern. */
export const MAX_TYPE_CHARS = 256;

/** Whether `text` can be the type of an event. */
export function isEventType(text: string): boolean {
  return text.length <= MAX_TYPE_CHARS && TYPE.test(text);
}

/** Whether `text` can be a pattern of event types. */
export function isTypePattern(text: string): boolean {
  return text.length <= MAX_TYPE_CHARS && PATTERN.test(text);
}

/**
 * Whether an event type fits a pattern.
 *
 * `*` stands for one segment, and as the last one for all that follow, so that `invoice.*` fits
 * `invoice.paid` and `invoice.payment.failed`. `**` stands for any number of segments, none included.
 */
export function typeMatches(pattern: string, type: string): boolean {
  if (pattern === '*' || pattern === type) return true;
  if (!pattern.includes('*')) return false;
  return segmentsMatch(pattern.split('.'), 0, type.split('.'), 0);
}

function segmentsMatch(
  pattern: readonly string[],
  patternAt: number,
  type: readonly string[],
  typeAt: number,
): boolean {
  if (patternAt === pattern.length) return typeAt === type.length;
  const segment = pattern[patternAt];
  const isLast = patternAt === pattern.length - 1;
  if (segment === '**') {
    if (isLast) return true;
    for (let skipTo = typeAt; skipTo <= type.length; skipTo += 1) {
      if (segmentsMatch(pattern, patternAt + 1, type, skipTo)) return true;
    }
    return false;
  }
  if (typeAt === type.length) return false;
  if (segment === '*' && isLast) return true;
  if (segment !== '*' && segment !== type[typeAt]) return false;
  return segmentsMatch(pattern, patternAt + 1, type, typeAt + 1);
}
