import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';

describe('durations', () => {
  test.each([
    ['0ms', 0],
    ['200ms', 200],
    ['15s', 15_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1_500],
    ['1m1ms', 60_001],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    '',
    '15',
    's',
    ' 15s',
    '15 s',
    '15s ',
    '-1s',
    '1e3s',
    '1,5s',
    '.5s',
    '5.s',
    '5S',
    '5min',
    '5s!',
    '9'.repeat(30) + 'd',
    '٣s',
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  test('are written so that they read back as the same, in the largest unit that is exact', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000_000), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
    expect([0, 1, 90_000, 120_000, 3_600_000, 86_400_000].map((ms) => formatDuration(ms))).toEqual([
      '0s',
      '1ms',
      '90s',
      '2m',
      '1h',
      '1d',
    ]);
  });

  test('that are huge or nonsense are refused in no time', () => {
    expect(parseDuration('1'.repeat(100_000))).toBeNull();
    expect(parseDuration(`${'1s'.repeat(50_000)}!`)).toBeNull();
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('1', '.', 's', 'm', 'h', 'd', ' ') }), (text) => {
        const ms = parseDuration(text);
        expect(ms === null || (Number.isSafeInteger(ms) && ms >= 0)).toBe(true);
      }),
    );
  });
});

describe('sizes', () => {
  test.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['1.5KiB', 1_536],
    ['2TiB', 2 * 1024 ** 4],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(['', '64', 'KiB', '64kb', '64KB', '64 KiB', '-1B', '1KiB1B', '9'.repeat(20) + 'TiB'])(
    '%j is none',
    (text) => {
      expect(parseSize(text)).toBeNull();
    },
  );

  test('are written so that they read back as the same', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.nat(),
          fc.nat(10_000).map((mebi) => mebi * 1024 ** 2),
        ),
        (bytes) => {
          expect(parseSize(formatSize(bytes))).toBe(bytes);
        },
      ),
    );
    expect([0, 1_023, 1_024, 1_536, 1024 ** 3].map((bytes) => formatSize(bytes))).toEqual([
      '0B',
      '1023B',
      '1KiB',
      '1536B',
      '1GiB',
    ]);
  });
});
