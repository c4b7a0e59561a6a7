import { expect, it } from 'vitest';
import { SeededRandomness } from './seeded-randomness.ts';

function bytesOf(seed: number): number[] {
  return [...new SeededRandomness(seed).bytes(32)];
}

it('says the same for the same seed and something else for another', () => {
  expect(bytesOf(7)).toEqual(bytesOf(7));
  expect(bytesOf(7)).not.toEqual(bytesOf(8));
});

it('gives as many bytes as asked for, and other ones the next time', () => {
  const randomness = new SeededRandomness();
  const first = randomness.bytes(16);
  expect(first).toHaveLength(16);
  expect(randomness.bytes(16)).not.toEqual(first);
  expect(randomness.bytes(0)).toHaveLength(0);
});

it('spreads fractions over [0, 1) and bytes over all values', () => {
  const randomness = new SeededRandomness(42);
  const fractions = Array.from({ length: 10_000 }, () => randomness.fraction());
  expect(Math.min(...fractions)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...fractions)).toBeLessThan(1);
  const mean = fractions.reduce((sum, fraction) => sum + fraction, 0) / fractions.length;
  expect(mean).toBeGreaterThan(0.48);
  expect(mean).toBeLessThan(0.52);
  expect(new Set(randomness.bytes(10_000)).size).toBe(256);
});
