/**
 * Text as PostgreSQL can hold it.
 *
 * Its `text` has no U+0000, but keys that an expression takes from a body, or a receiver's answer, may:
 * refusing them would make the sender, or the delivery, try again for ever. So U+0000 becomes U+0001
 * U+0002, and U+0001 becomes U+0001 U+0001, which nobody sees who does not use either.
 */
export function toText(value: string): string {
  const escaped = needsEscape(value) ? value.replaceAll(RARE, (rare) => (rare === '\0' ? NUL : SOH)) : value;
  // Half a surrogate pair has no UTF-8; the driver would write it as U+FFFD, JSON as an error.
  return escaped.isWellFormed() ? escaped : escaped.toWellFormed();
}

export function toTextOrNull(value: string | null): string | null {
  return value === null ? null : toText(value);
}

/** What `toText` was given, but for lone surrogates. */
export function fromText(stored: string): string {
  return stored.includes(ESCAPE)
    ? stored.replaceAll(ESCAPED, (pair) => (pair === NUL ? '\0' : ESCAPE))
    : stored;
}

const ESCAPE = '\u0001';
const NUL = '\u0001\u0002';
const SOH = '\u0001\u0001';
// oxlint-disable-next-line no-control-regex -- these two are what this file is about
const RARE = /[\u0000\u0001]/g;
// oxlint-disable-next-line no-control-regex -- as above
const ESCAPED = /\u0001[\u0001\u0002]/g;

function needsEscape(value: string): boolean {
  return value.includes('\0') || value.includes(ESCAPE);
}
