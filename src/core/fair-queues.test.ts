import { describe, expect, it } from 'vitest';
import { FairQueues } from './fair-queues.ts';

function filled(most: number, ...items: readonly (readonly [from: string, item: string])[]) {
  const queues = new FairQueues<string>(most);
  for (const [from, item] of items) queues.add(from, item);
  return queues;
}

describe('fair queues', () => {
  it('give everyone a turn, oldest first', () => {
    const queues = filled(9, ['a', 'a1'], ['a', 'a2'], ['a', 'a3'], ['b', 'b1'], ['c', 'c1'], ['c', 'c2']);
    expect(queues.take(() => true)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
    expect(queues.size).toBe(0);
  });

  it('keep what may not be taken yet, in its order', () => {
    const queues = filled(9, ['a', 'a1'], ['a', 'a2'], ['b', 'b1'], ['b', 'b2']);
    let left = 3;
    expect(queues.take(() => (left -= 1) >= 0)).toEqual(['a1', 'b1', 'a2']);
    expect([queues.size, queues.sizeOf('a'), queues.sizeOf('b')]).toEqual([1, 0, 1]);
    expect(queues.take(() => true)).toEqual(['b2']);
  });

  it('make room by dropping the latest of whoever has the most', () => {
    const queues = filled(3, ['a', 'a1'], ['a', 'a2'], ['a', 'a3']);
    expect(queues.hasPlaceFor('a')).toBe(false);
    expect(queues.add('a', 'a4')).toBe('a4');
    expect(queues.add('b', 'b1')).toBe('a3');
    // Nobody has more than one that has as much as the others.
    expect(queues.add('b', 'b2')).toBe('a2');
    expect(queues.add('a', 'a5')).toBe('b2');
    expect(queues.take(() => true)).toEqual(['a1', 'b1', 'a5']);
  });

  it('have no place for anybody when nothing may wait', () => {
    expect(new FairQueues<string>(0).add('a', 'a1')).toBe('a1');
  });

  it('forget all at once', () => {
    const queues = filled(3, ['a', 'a1'], ['b', 'b1']);
    expect(queues.clear()).toBe(2);
    expect(queues.take(() => true)).toEqual([]);
  });
});
