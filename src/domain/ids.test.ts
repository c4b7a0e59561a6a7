import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { START_MS } from '../testing/builders.ts';
import { SeededRandomness } from '../testing/seeded-randomness.ts';
import { IdMaker, idTime } from './ids.ts';

function makerAt(clock: { nowMs: number }, seed = 1): IdMaker {
  const random = new SeededRandomness(seed);
  return new IdMaker(
    () => clock.nowMs,
    (count) => random.bytes(count),
  );
}

function expectSortedAndUnique(ids: readonly string[]): void {
  for (const [index, id] of ids.entries()) {
    const before = ids[index - 1];
    if (before !== undefined && !(before < id)) expect.fail(`${before} does not come before ${id}`);
  }
}

describe('ids', () => {
  test('are a prefix and 26 characters of Crockford base 32', () => {
    const ids = makerAt({ nowMs: START_MS });
    expect(ids.make('evt')).toMatch(/^evt_[0-9a-hjkmnp-tv-z]{26}$/);
    expect(ids.make('dlv')).toMatch(/^dlv_[0-9a-hjkmnp-tv-z]{26}$/);
  });

  test('have that shape at any time, also at the epoch itself', () => {
    for (const nowMs of [0, 1, START_MS, 32 ** 10 - 1]) {
      expect(makerAt({ nowMs }).make('src')).toMatch(/^src_[0-9a-hjkmnp-tv-z]{26}$/);
    }
  });

  test('sort in the order in which they were made, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -100_000, max: 100_000 }), { maxLength: 200 }), (steps) => {
        const clock = { nowMs: START_MS };
        const ids = makerAt(clock);
        const made = [ids.make('evt')];
        for (const step of steps) {
          clock.nowMs += step;
          made.push(ids.make('evt'));
        }
        expectSortedAndUnique(made);
      }),
    );
  });

  test('sort beyond 32^4 of them within one millisecond', () => {
    const clock = { nowMs: START_MS };
    const ids = makerAt(clock);
    let last = '';
    for (let made = 0; made < 32 ** 4 + 10; made += 1) {
      const id = ids.make('evt');
      if (!(last < id)) expect.fail(`${last} does not come before ${id}`);
      last = id;
    }
    clock.nowMs += 1;
    expectSortedAndUnique([last, ids.make('evt'), ids.make('evt')]);
  });

  test('of two processes differ though made at the same time', () => {
    const one = makerAt({ nowMs: START_MS }, 1);
    const other = makerAt({ nowMs: START_MS }, 2);
    // More than one pool of random bytes holds.
    const all = Array.from({ length: 1_000 }, () => [one.make('evt'), other.make('evt')]).flat();
    expect(new Set(all).size).toBe(2_000);
  });

  test('tell when they were made', () => {
    const clock = { nowMs: START_MS };
    const ids = makerAt(clock);
    const first = ids.make('req');
    clock.nowMs += 86_400_123;
    expect([first, ids.make('evt')].map((id) => idTime(id))).toEqual([START_MS, START_MS + 86_400_123]);
    for (const other of ['', 'req_1', 'evt_stripe_made_this', `req_${'i'.repeat(26)}`, `${first}0`]) {
      expect(idTime(other), other).toBeNull();
    }
  });
});
