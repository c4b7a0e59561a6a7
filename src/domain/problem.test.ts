import { describe, expect, test } from 'vitest';
import { isProblemCode, Problem, type ProblemCode, PROBLEMS } from './problem.ts';

const codes = Object.keys(PROBLEMS) as ProblemCode[];

describe('the registry of problems', () => {
  test.each(codes)('%s', (code) => {
    const { status, retryable, title } = PROBLEMS[code];
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    // Senders go by the status: what is retryable must not look final, and the other way round.
    expect(retryable).toBe(status >= 500 || status === 408 || status === 429);
    expect(title).toMatch(/^[A-Z].*[^.]$/);
  });

  test('answers ingest as the contract has it', () => {
    const contract: [ProblemCode, number][] = [
      ['signature_missing', 401],
      ['signature_mismatch', 401],
      ['timestamp_out_of_tolerance', 401],
      ['credentials_invalid', 401],
      ['sender_not_allowed', 403],
      ['source_unknown', 404],
      ['source_disabled', 410],
      ['event_too_large', 413],
      ['content_type_unsupported', 415],
      ['schema_mismatch', 422],
      ['rate_limited', 429],
      ['store_unavailable', 503],
    ];
    expect(contract.map(([code]) => [code, PROBLEMS[code].status])).toEqual(contract);
  });

  test('knows its codes and nothing that only looks like one', () => {
    expect(codes.every((code) => isProblemCode(code))).toBe(true);
    expect(['', 'nonsense', 'toString', '__proto__', 'constructor'].some(isProblemCode)).toBe(false);
  });
});

describe('a problem', () => {
  test('carries what the registry says of its code', () => {
    const cause = new Error('disk full');
    const problem = new Problem('store_unavailable', 'try later', { retryAfterS: 5, cause });
    expect(problem).toMatchObject({
      code: 'store_unavailable',
      status: 503,
      retryable: true,
      retryAfterS: 5,
      message: 'try later',
      errors: [],
      cause,
    });
    expect(new Problem('not_found', 'no').retryAfterS).toBeNull();
  });
});
