import { isDeepStrictEqual } from 'node:util';
import type { Expectation, SimulatedHandshake, SimulationFault } from '../../app/simulation.ts';
import { isRecord, parseJson, textOf } from '../json-value.ts';
import type { ReceivedAnswer } from './send-request.ts';

/** One request that was sent, and what became of it. */
export interface Outcome {
  readonly number: number;
  readonly provider: string;
  readonly eventType: string;
  readonly fault: SimulationFault | null;
  readonly expected: Expectation;
  readonly isAsExpected: boolean;
  /** Null when no answer came. */
  readonly status: number | null;
  readonly eventId: string | null;
  readonly isDuplicate: boolean;
  /** The code of a problem, or why no answer came. */
  readonly code: string | null;
  readonly durationMs: number;
  readonly answer: string;
}

/** What an answer says, whoever gave it. */
export type Reading = Pick<Outcome, 'status' | 'eventId' | 'isDuplicate' | 'code' | 'answer' | 'durationMs'>;

const MOST_CHARS = 2_000;

export function readAnswer({ status, headers, body, durationMs }: ReceivedAnswer): Reading {
  const parsed = parseJson(body);
  const json = 'value' in parsed ? parsed.value : null;
  const id = textOf(json, 'id');
  return {
    status,
    eventId: headerText(headers, 'ringback-event') ?? (id?.startsWith('evt_') === true ? id : null),
    isDuplicate:
      headerText(headers, 'ringback-duplicate') === 'true' || (isRecord(json) && json['duplicate'] === true),
    code: textOf(json, 'code'),
    answer: body.slice(0, MOST_CHARS),
    durationMs,
  };
}

export function readFailure(error: unknown): Reading {
  const cause = error instanceof Error ? error : new Error(String(error));
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
  return { status: null, eventId: null, isDuplicate: false, code, answer: '', durationMs: 0 };
}

function headerText(headers: ReceivedAnswer['headers'], name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' ? value : null;
}

// Not refusals of the request: a wrong address, a moment of bad luck, too much.
const OTHER_REASONS = new Set([404, 408, 410, 413, 429]);

/**
 * Whether a receiver did what it must.
 *
 * @param first for a duplicate, the answer to the first sending.
 */
export function isAsExpected(expected: Expectation, reading: Reading, first?: Reading): boolean {
  const { status } = reading;
  if (status === null) return false;
  const isAccepted = status >= 200 && status < 300;
  switch (expected) {
    case 'accepted':
      return isAccepted && !reading.isDuplicate;
    case 'refused':
      return status >= 400 && status < 500 && !OTHER_REASONS.has(status);
    case 'too large':
      return status === 413;
    case 'duplicate':
      if (!isAccepted) return false;
      // Others than Ringback do not say what they took it for.
      return first?.eventId == null || (reading.isDuplicate && reading.eventId === first.eventId);
    case 'answered':
    default:
      // What the answer must be is told by the question: see `isWanted`.
      return false;
  }
}

/** Whether a question was answered as the provider wants it. */
export function isWanted(wanted: SimulatedHandshake['wanted'], received: ReceivedAnswer): boolean {
  const isJson = wanted.body !== '' && wanted.headers['content-type']?.includes('json') === true;
  const headers = Object.entries(wanted.headers).filter(([name]) => name !== 'content-type');
  return (
    received.status === wanted.status &&
    headers.every(([name, value]) => received.headers[name.toLowerCase()] === value) &&
    (isJson ? isSameJson(wanted.body, received.body) : received.body.trim() === wanted.body)
  );
}

function isSameJson(left: string, right: string): boolean {
  const [one, other] = [parseJson(left), parseJson(right)];
  return 'value' in one && 'value' in other && isDeepStrictEqual(one.value, other.value);
}
