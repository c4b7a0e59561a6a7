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
 *
 * The time grows with the product of the two lengths at the most, whatever the pattern.
 */
export function typeMatches(pattern: string, type: string): boolean {
  if (pattern === '*' || pattern === type) return true;
  if (!pattern.includes('*')) return false;
  const wanted = pattern.split('.');
  if (wanted.at(-1) === '*') wanted.push('**');
  return segmentsMatch(wanted, type.split('.'));
}

/**
 * Only the last `**` is ever widened: what the ones before it took can stay, for whatever a wider one
 * would leave over, the later one can take as well. Trying each width of each would be exponential.
 */
function segmentsMatch(wanted: readonly string[], type: readonly string[]): boolean {
  let wantedAt = 0;
  let typeAt = 0;
  let afterStars = -1;
  let starsEnd = 0;
  while (typeAt < type.length) {
    const segment = wanted[wantedAt];
    if (segment === '**') {
      wantedAt += 1;
      afterStars = wantedAt;
      starsEnd = typeAt;
    } else if (segment === '*' || segment === type[typeAt]) {
      wantedAt += 1;
      typeAt += 1;
    } else if (afterStars >= 0) {
      starsEnd += 1;
      typeAt = starsEnd;
      wantedAt = afterStars;
    } else {
      return false;
    }
  }
  return wanted.slice(wantedAt).every((segment) => segment === '**');
}
