import { refuse } from './reasons.ts';
import type { TimestampRule } from './scheme.ts';

const isoInstant = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)$/;
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/**
 * A written instant as epoch milliseconds, or undefined when it is not in the form that the unit
 * demands. Strict: no sign, no fraction, no leading zero, so that one instant has one spelling.
 */
export function parseInstant(text: string, unit: TimestampRule['unit']): number | undefined {
  switch (unit) {
    case 's':
      return /^[1-9]\d{0,11}$/.test(text) ? Number(text) * 1000 : undefined;
    case 'ms':
      return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
    case 'iso':
      return isoInstant.test(text) ? finite(Date.parse(milliseconds(text))) : undefined;
    case 'http-date':
    default:
      return httpDate.test(text) ? finite(Date.parse(text)) : undefined;
  }
}

// Date.parse reads at most milliseconds portably; some senders write nanoseconds.
function milliseconds(text: string): string {
  return text
    .replace(',', '.')
    .replace(/(\.\d{3})\d+/, '$1')
    .replace(' ', 'T');
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

/** Refuses an instant outside the rule's tolerance; exactly at the limit is still accepted. */
export function checkTolerance(instantMs: number, rule: TimestampRule, nowMs: number): void {
  const { past, future } = rule;
  // Whole seconds on both sides, as senders count: a limit of 300 s includes the 300th second.
  const precisionMs = rule.unit === 'ms' || rule.unit === 'iso' ? 1 : 1000;
  const ageMs = Math.floor(nowMs / precisionMs) * precisionMs - instantMs;
  if (typeof past === 'number' && ageMs > past * 1000) throw refuse('timestamp_too_old');
  if (typeof future === 'number' && -ageMs > future * 1000) throw refuse('timestamp_too_new');
}
