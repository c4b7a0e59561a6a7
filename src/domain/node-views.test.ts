import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type NodeStatement, NodeViews, partOf, viewName } from './node-views.ts';

describe('parts of a limit', () => {
  test('add up to the limit, differ by one at the most, and move with the name', () => {
    fc.assert(
      fc.property(fc.nat(5_000), fc.string(), fc.integer({ min: 1, max: 9 }), (limit, name, nodes) => {
        const parts = Array.from({ length: nodes }, (_, rank) => partOf(limit, name, rank, nodes));
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(limit);
        expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
      }),
    );
    const holders = new Set(
      Array.from({ length: 60 }, (_, index) =>
        [0, 1, 2].find((rank) => partOf(1, `d${index}`, rank, 3) === 1),
      ),
    );
    expect(holders.size).toBe(3);
  });
});

/** A node with a load of its own: it uses what it may, and what it has begun ends in its own time. */
class SimulatedNode {
  readonly id: string;
  readonly views: NodeViews;
  inUse = 0;

  constructor(id: string) {
    this.id = id;
    this.views = new NodeViews(id);
  }

  statement(limit: number): NodeStatement {
    const view = viewName(this.views.newest);
    return { id: this.id, view, over: this.inUse > this.views.part(limit, 'd') ? ['d'] : [] };
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('beat' as const), node: fc.nat(3) }),
    fc.record({ do: fc.constant('join' as const), node: fc.nat(3) }),
    fc.record({ do: fc.constant('leave' as const), node: fc.nat(3) }),
    fc.record({ do: fc.constant('begin' as const), node: fc.nat(3) }),
    fc.record({ do: fc.constant('end' as const), node: fc.nat(3) }),
  ),
  { minLength: 30, maxLength: 400 },
);

describe('views of who shares the limits', () => {
  test('never let nodes use more than a limit between them, in whatever order they come, go and look', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), steps, (limit, taken) => {
        const nodes = new Map<number, SimulatedNode>();
        const rows = new Map<string, NodeStatement>();
        let made = 0;
        const beat = (node: SimulatedNode): void => {
          rows.set(node.id, node.statement(limit));
          node.views.observe([...rows.values()]);
        };
        for (const step of taken) {
          const node = nodes.get(step.node);
          if (step.do === 'join' && node === undefined) {
            const joined = new SimulatedNode(`n${(made += 1)}`);
            nodes.set(step.node, joined);
            beat(joined);
          }
          if (node === undefined) continue;
          if (step.do === 'beat') beat(node);
          if (step.do === 'end' && node.inUse > 0) node.inUse -= 1;
          if (step.do === 'begin' && node.inUse < node.views.part(limit, 'd')) node.inUse += 1;
          if (step.do === 'leave' && node.inUse === 0) {
            nodes.delete(step.node);
            rows.delete(node.id);
          }
          const inUse = [...nodes.values()].reduce((sum, each) => sum + each.inUse, 0);
          expect(inUse).toBeLessThanOrEqual(limit);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('give everything to those who are left, once they agree', () => {
    const rows = new Map<string, NodeStatement>();
    const nodes = ['a', 'b', 'c'].map((id) => new SimulatedNode(id));
    const round = (present: readonly SimulatedNode[]): void => {
      for (const node of present) {
        rows.set(node.id, node.statement(10));
        node.views.observe([...rows.values()]);
      }
    };
    for (let beats = 0; beats < 4; beats += 1) round(nodes);
    expect(nodes.map((node) => node.views.part(10, 'd')).toSorted((one, other) => one - other)).toEqual([
      3, 3, 4,
    ]);
    rows.delete('c');
    const left = nodes.slice(0, 2);
    round(left);
    expect(left.reduce((sum, node) => sum + node.views.part(10, 'd'), 0)).toBeLessThanOrEqual(7);
    for (let beats = 0; beats < 3; beats += 1) round(left);
    expect(left.map((node) => node.views.part(10, 'd'))).toEqual([5, 5]);
  });

  test('hold back only the limit that somebody still uses too much of', () => {
    const views = new NodeViews('b');
    views.observe([
      { id: 'a', view: 'a', over: [] },
      { id: 'b', view: '', over: [] },
    ]);
    expect([views.part(8, 'd'), views.part(8, 'e')]).toEqual([0, 0]);
    views.observe([
      { id: 'a', view: 'a b', over: ['d'] },
      { id: 'b', view: 'a b', over: [] },
    ]);
    expect([views.part(8, 'd'), views.part(8, 'e')]).toEqual([0, 4]);
    views.observe([
      { id: 'a', view: 'a b', over: [] },
      { id: 'b', view: 'a b', over: [] },
    ]);
    expect([views.part(8, 'd'), views.part(8, 'e')]).toEqual([4, 4]);
  });
});
