import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROOT } from './repository.ts';

/**
 * What is wrong with the names of a folder of migrations. Two with one number (two branches that met) are
 * the worst: a database that has had one of them is never given the other.
 */
function faultsOf(files: readonly string[]): string[] {
  const faults: string[] = [];
  const numbers = new Map<number, string>();
  for (const file of files) {
    const digits = /^(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.sql$/.exec(file)?.[1];
    if (digits === undefined) {
      faults.push(`${file} is not named NNNN-what-it-does.sql: it would be passed over`);
      continue;
    }
    const other = numbers.get(Number(digits));
    if (other !== undefined) faults.push(`${file} has the number of ${other}`);
    numbers.set(Number(digits), file);
  }
  if (numbers.has(0)) faults.push('there is a migration 0, which would never be made');
  const newest = Math.max(0, ...numbers.keys());
  for (let number = 1; number < newest; number += 1) {
    if (!numbers.has(number)) faults.push(`there is no migration ${number}`);
  }
  return faults;
}

describe('the migrations of a store', () => {
  it.each(['sqlite', 'postgres'])('are numbered from 1 without a gap, each number once: %s', (store) => {
    const files = readdirSync(`${ROOT}src/stores/${store}/migrations`);
    expect(files.length).toBeGreaterThan(1);
    expect(faultsOf(files)).toEqual([]);
  });

  it.each([
    [['0001-one.sql', '0002-two.sql', '0002-too.sql'], ['0002-too.sql has the number of 0002-two.sql']],
    [['0001-one.sql', '0003-three.sql'], ['there is no migration 2']],
    [['0000-none.sql', '0001-one.sql'], ['there is a migration 0, which would never be made']],
    [
      ['0001-one.sql', '002-two.sql'],
      ['002-two.sql is not named NNNN-what-it-does.sql: it would be passed over'],
    ],
  ])('would be found at fault: %j', (files, faults) => {
    expect(faultsOf(files)).toEqual(faults);
  });
});
