import { shortened, durationText } from '../format.ts';
import { asJson, paint, printable, printText } from '../output.ts';
import type { Outcome } from './judge-answer.ts';

/** One line for one request. */
export function tellOutcome(outcome: Outcome): void {
  const { status, eventId, eventType, code, durationMs } = outcome;
  const parts = [
    status === null ? 'no answer' : String(status),
    ...(eventId === null ? [] : [printable(eventId)]),
    ...(code === null ? [] : [shortened(code, 60)]),
    paint('bold', printable(eventType)),
    verdictText(outcome),
    ...(status === null ? [] : [paint('dim', durationText(durationMs))]),
  ];
  printText(parts.join('  '));
  if (!outcome.isAsExpected && outcome.answer !== '' && code === null) {
    printText(paint('dim', `  it answered: ${shortened(outcome.answer, 200)}`));
  }
}

const DONE = {
  accepted: 'accepted',
  refused: 'refused',
  duplicate: 'taken for the same event',
  'too large': 'refused as too large',
  answered: 'answered',
} as const;

function verdictText(outcome: Outcome): string {
  const { expected, isAsExpected, fault } = outcome;
  const why = fault === null ? '' : ` (${fault})`;
  if (isAsExpected) return paint('green', `${DONE[expected]}, as it must be`) + why;
  const did = outcome.isDuplicate ? 'taken for an event from before' : wasDone(outcome.status);
  return paint('red', `${did}, but must be ${DONE[expected]}`) + why;
}

function wasDone(status: number | null): string {
  if (status === null) return 'without an answer';
  if (status >= 200 && status < 300) return 'accepted';
  return status >= 500 ? 'failed' : status >= 400 ? 'refused' : 'answered';
}

/** The same for programs. */
export function outcomeJson(outcome: Outcome): string {
  return asJson({
    number: outcome.number,
    provider: outcome.provider,
    type: outcome.eventType,
    bad: outcome.fault,
    expected: outcome.expected.replace(' ', '_'),
    as_expected: outcome.isAsExpected,
    status: outcome.status,
    code: outcome.code,
    event_id: outcome.eventId,
    duplicate: outcome.isDuplicate,
    duration_ms: Math.round(outcome.durationMs * 10) / 10,
    answer: outcome.answer,
  });
}

/** What came of many. */
export class Tally {
  #sent = 0;
  #unexpected = 0;
  readonly #startedAt = performance.now();

  add(outcome: Outcome): void {
    this.#sent += 1;
    if (!outcome.isAsExpected) this.#unexpected += 1;
  }

  get unexpected(): number {
    return this.#unexpected;
  }

  /** Empty when there is nothing to sum up. */
  text(): string {
    if (this.#sent < 2) return '';
    const took = durationText(performance.now() - this.#startedAt);
    const bad = this.#unexpected === 0 ? 'all as they must be' : `${this.#unexpected} not as they must be`;
    return `${this.#sent} requests in ${took}, ${paint(this.#unexpected === 0 ? 'green' : 'red', bad)}`;
  }
}
