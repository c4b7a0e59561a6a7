/**
 * This node's part of a whole limit that `nodes` nodes keep together: the parts of all of them add up to
 * it. `rank` is the node's place among them, from 0. Where a remainder goes differs from name to name, so
 * that many small limits do not all end up with one node.
 */
export function partOf(limit: number, name: string, rank: number, nodes: number): number {
  if (rank < 0) return 0;
  const whole = Math.floor(limit / nodes);
  const rest = limit - whole * nodes;
  return whole + ((rank + numberFor(name)) % nodes < rest ? 1 : 0);
}

/** What one node says of the views: see `NodeViews`. */
export interface NodeStatement {
  readonly id: string;
  /** The newest view that it keeps to, as `viewName` writes it. */
  readonly view: string;
  /** Names of the limits of which it still uses more than that view leaves it. */
  readonly over: readonly string[];
}

/** A view as nodes compare it. */
export function viewName(members: readonly string[]): string {
  return [...members].toSorted().join(' ');
}

/**
 * Which nodes share the limits, as one of them sees it.
 *
 * Nodes do not learn of each other at the same moment. So that they never use more than a limit between
 * them, what a new view takes away is given up at once, and what it gives is used only when every member
 * has said that it keeps to the same view. Until then a node has the least part of all views that may
 * still be someone's.
 */
export class NodeViews {
  readonly #self: string;
  /** Views that may still be in use somewhere, oldest first, each sorted. */
  #views: (readonly string[])[] = [[]];
  #over: ReadonlySet<string> = new Set();
  #agreed = false;

  constructor(self: string) {
    this.#self = self;
  }

  /** The newest view, to be stated to the others. */
  get newest(): readonly string[] {
    return this.#views.at(-1) ?? [];
  }

  /** Takes in who is there and what each says. Answers whether this node's parts may have changed. */
  observe(members: readonly NodeStatement[]): boolean {
    const ids = members.map(({ id }) => id).toSorted();
    const name = ids.join(' ');
    const isNew = name !== viewName(this.newest);
    if (isNew) this.#views.push(ids);
    const agreed = members.every(({ view }) => view === name);
    const over = new Set(agreed ? members.flatMap((member) => member.over) : []);
    const changed = isNew || agreed !== this.#agreed || over.size > 0 || this.#over.size > 0;
    this.#agreed = agreed;
    this.#over = over;
    if (agreed && over.size === 0) this.#views = [ids];
    return changed;
  }

  /** Alone for good: no other node can be there. */
  alone(): void {
    this.#views = [[this.#self]];
    this.#agreed = true;
  }

  /** This node's part of the limit `name`. */
  part(limit: number, name: string): number {
    const views = this.#agreed && !this.#over.has(name) ? [this.newest] : this.#views;
    let least = limit;
    for (const members of views) {
      if (members.length === 1 && members[0] === this.#self) continue;
      const rank = members.indexOf(this.#self);
      least = Math.min(least, members.length === 0 ? 0 : partOf(limit, name, rank, members.length));
    }
    return least;
  }
}

/** FNV-1a: spreads names evenly, the same on every node. */
function numberFor(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}
