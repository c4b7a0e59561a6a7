import type { NodeRole } from '../domain/node-role.ts';

/** What a node tells the others, once a second. */
export interface NodeBeat {
  /** The tokens of the leases that it holds begin with this and a full stop. */
  readonly id: string;
  readonly roles: readonly NodeRole[];
  /** The nodes that it shares limits with, as `viewName` writes them: see `NodeViews`. */
  readonly view: string;
  /** Destinations of which it still uses more than its part in that view. */
  readonly over: readonly string[];
  /** Destinations whose breaker it has opened. */
  readonly openBreakers: readonly string[];
}

/** A node as another one sees it. */
export interface SeenNode extends NodeBeat {
  /** How long it has not been heard of, by the store's clock: those of nodes may differ. */
  readonly silentMs: number;
}

/** Until when the leases of a node last at the most. */
export interface LeaseBound {
  readonly nodeId: string;
  /** For deliveries to these destinations, milliseconds since the epoch ... */
  readonly byDestination: readonly { readonly destinationId: string; readonly leaseUntil: number }[];
  /** ... and for all others. */
  readonly leaseUntil: number;
}

/** The nodes that share a store, and what they know of each other. */
export interface NodeRegistry {
  /** Notes that a node lives. Answers every node that was heard of within the last hour, itself included. */
  beat(node: NodeBeat): Promise<readonly SeenNode[]>;
  /**
   * Strikes a node that has ended off the list; what it had leased is free at once, each with its attempt
   * counted and recorded as `abandoned` by the next claim. Only for nodes that certainly no longer run.
   */
  leave(nodeId: string): Promise<void>;
  /**
   * Lets leases of a node end earlier, for one that is silent: it begins no attempt any more, so they need
   * not last longer than what it may have begun. Never makes a lease longer.
   */
  boundLeases(bound: LeaseBound): Promise<void>;
}
