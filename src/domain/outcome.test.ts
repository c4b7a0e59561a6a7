import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge, parseRetryAfter, type SendError, type SendResult } from './outcome.ts';

const NOW_MS = Date.parse('1994-11-06T08:49:37Z');

function answer(status: number | null, overrides: Partial<SendResult> = {}): SendResult {
  return { status, error: null, headers: [], body: '', durationMs: 1, ...overrides };
}

function outcome(status: number, onClientError: 'retry' | 'dead' = 'retry') {
  return judge(answer(status), onClientError, NOW_MS).outcome;
}

function read(value: string): number | null {
  return parseRetryAfter(['retry-after', value], NOW_MS);
}

const RETRYABLE_4XX = [408, 425, 429];

describe('the outcome table', () => {
  test('any 2xx is success', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 299 }), (status) => {
        expect(judge(answer(status), 'dead', NOW_MS)).toEqual({
          outcome: 'succeeded',
          error: null,
          retryAfterMs: null,
          gone: false,
        });
      }),
    );
  });

  test('408, 425, 429 and every 5xx are retryable whatever the policy', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(...RETRYABLE_4XX), fc.integer({ min: 500, max: 599 })),
        fc.constantFrom('retry' as const, 'dead' as const),
        (status, policy) => {
          expect(outcome(status, policy)).toBe('retryable');
          expect(judge(answer(status), policy, NOW_MS).error).toBe(`http_${status}`);
        },
      ),
    );
  });

  test('3xx and other 4xx go by the policy on_client_error', () => {
    fc.assert(
      fc.property(fc.integer({ min: 300, max: 499 }), (status) => {
        fc.pre(status !== 410 && !RETRYABLE_4XX.includes(status));
        expect(outcome(status, 'retry')).toBe('retryable');
        expect(outcome(status, 'dead')).toBe('permanent');
      }),
    );
  });

  test('410 is permanent and says that the destination is gone', () => {
    for (const policy of ['retry', 'dead'] as const) {
      expect(judge(answer(410, { headers: ['Retry-After', '5'] }), policy, NOW_MS)).toEqual({
        outcome: 'permanent',
        error: 'http_410',
        retryAfterMs: null,
        gone: true,
      });
    }
  });

  const failures: SendError[] = [
    'timeout',
    'connection_refused',
    'connection_reset',
    'dns_failure',
    'tls_error',
    'address_forbidden',
    'invalid_response',
    'invalid_request',
    'network_error',
  ];
  test.each(failures)('%s is retryable under its own name', (error) => {
    expect(judge(answer(null, { error }), 'dead', NOW_MS)).toEqual({
      outcome: 'retryable',
      error,
      retryAfterMs: null,
      gone: false,
    });
  });

  test('Retry-After counts for any answer that is tried again', () => {
    for (const status of [302, 404, 429, 503]) {
      const headers = ['Content-Type', 'text/plain', 'RETRY-AFTER', ' 7 '];
      expect(judge(answer(status, { headers }), 'retry', NOW_MS).retryAfterMs).toBe(7_000);
    }
  });
});

describe('Retry-After', () => {
  test.each([
    ['0', 0],
    ['120', 120_000],
    ['99999999999', 99_999_999_999_000],
    ['Sun, 06 Nov 1994 08:50:37 GMT', 60_000],
    ['Sun, 06 Nov 1994 08:00:00 GMT', 0],
    ['Sunday, 06-Nov-94 08:50:37 GMT', 60_000],
    ['Sun Nov  6 08:50:37 1994', 60_000],
  ])('%j is %d ms', (value, ms) => {
    expect(read(value)).toBe(ms);
  });

  test.each([
    '',
    'soon',
    '-5',
    '+5',
    '1.5',
    '1e3',
    '0x10',
    '5 minutes',
    'Sun, 99 Nov 1994 08:50:37 GMT',
    'Sun, 06 Nov 1994',
  ])('%j says nothing', (value) => {
    expect(read(value)).toBeNull();
  });

  test('bug: words with a number in them were taken for dates of this or the next century', () => {
    expect(read('try 2099')).toBeNull();
    expect(read('May 5')).toBeNull();
  });

  test('bug: the date format without a zone was read in the time zone of the server', () => {
    const before = process.env['TZ'];
    process.env['TZ'] = 'America/New_York';
    try {
      expect(read('Sun Nov  6 08:50:37 1994')).toBe(60_000);
    } finally {
      if (before === undefined) delete process.env['TZ'];
      else process.env['TZ'] = before;
    }
  });

  test('is never negative and never not a number, whatever a receiver writes', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const ms = read(value);
        expect(ms === null || ms >= 0).toBe(true);
      }),
    );
  });

  test('of several the first counts', () => {
    expect(parseRetryAfter(['x', '1', 'Retry-After', '2', 'Retry-After', '3'], NOW_MS)).toBe(2_000);
    expect(parseRetryAfter([], NOW_MS)).toBeNull();
  });
});
