import { NodeViews, partOf, viewName } from '../domain/node-views.ts';
import type { SeenNode } from '../ports/nodes.ts';
import type { NodeRole } from '../domain/node-role.ts';
import type { Directory } from './directory.ts';
import type { NodeParts } from './dispatch.ts';
import type { Services } from './services.ts';

const BEAT_EVERY_MS = 1_000;
/**
 * A node that could not say for so long that it lives begins no attempt, because the others then count its
 * leases as ending with what it may have begun until then.
 */
const SILENT_MS = 5_000;
/** A silent node keeps its part of the limits while attempts of its own may still be under way. */
const KEEPS_PART_MS = 20_000;
/** Room for clocks that differ and for what is on its way, when leases of a silent node are cut short. */
const LEASE_MARGIN_MS = 2_000;
/** What one change of views sets off is told without waiting for the next beat, so many times in a row. */
const BEATS_IN_A_ROW = 3;

/** What a node does when it learns something of the others. */
export interface NodeActions {
  /** Destinations of which this node uses more than its part. */
  over(): string[];
  /** Destinations whose breaker this node has opened. */
  openBreakers(): string[];
  /**
   * Destinations whose breaker another node has opened and looks after, and those of them that are well
   * again.
   */
  leaveAlone(destinationIds: ReadonlySet<string>, recovered: ReadonlySet<string>): void;
  /** Parts of limits are others now. */
  partsChanged(): void;
  /** The others have heard of it: attempts may begin. Called at every beat. */
  heard(): void;
  /** It was silent so long that its leases may be someone else's: what has not begun must not. */
  wasSilent(): void;
  /** It is the one that does what only one node should do. Called at every beat. */
  lead(): void;
}

/** Whether this node does what only one node should do. */
export interface LeadingNode {
  leads(): boolean;
}

/** Who this node is among those that share its store, and what its part is. */
export class NodeMembership implements LeadingNode, NodeParts {
  readonly id: string;
  readonly roles: readonly NodeRole[];
  readonly #services: Services;
  readonly #directory: Directory;
  readonly #views: NodeViews;
  /** Nodes that take events in, sorted. */
  #ingesting: readonly string[];
  /** Who looks after which open breaker. */
  #keepers: ReadonlyMap<string, string> = new Map();
  #leads = false;
  #beatAt = Number.NEGATIVE_INFINITY;
  /** Silent nodes whose leases have been bounded. */
  readonly #bounded = new Set<string>();
  #failing = false;
  #beating: Promise<void> = Promise.resolve();
  #cancel: (() => void) | null = null;
  #actions: NodeActions | null = null;

  constructor(services: Services, directory: Directory, roles: readonly NodeRole[]) {
    this.id = services.ids.make('nod');
    this.roles = roles;
    this.#services = services;
    this.#directory = directory;
    this.#views = new NodeViews(this.id);
    this.#ingesting = [this.id];
    if (services.store.nodes === undefined) this.#views.alone();
  }

  /** Joins the others; resolves when this node knows of them. `endedIds`: nodes that no longer run. */
  async start(actions: NodeActions, endedIds: readonly string[]): Promise<void> {
    this.#actions = actions;
    const { nodes } = this.#services.store;
    if (nodes === undefined) {
      this.#leads = this.roles.includes('deliver');
      if (this.#leads) actions.lead();
      return;
    }
    for (const endedId of endedIds) await nodes.leave(endedId);
    await this.#beat(BEATS_IN_A_ROW);
    this.#plan();
  }

  /** Leaves; the caller has ended or given back all that was leased. */
  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    this.#actions = null;
    await this.#beating;
    await this.#services.store.nodes?.leave(this.id).catch((error: unknown) => {
      this.#services.log.error('node.not_left', {}, error);
    });
  }

  /** This node's part of a limit on what a destination gets; the whole where no other node delivers. */
  part(limit: number, destinationId: string): number {
    return this.#views.part(limit, destinationId);
  }

  /** This node's part of a limit on what a source takes; at least one, since senders cannot choose. */
  ingestPart(limit: number, sourceId: string): number {
    const nodes = this.#ingesting;
    return nodes.length < 2
      ? limit
      : Math.max(1, partOf(Math.max(1, Math.floor(limit)), sourceId, nodes.indexOf(this.id), nodes.length));
  }

  /** False when the others may already count on this node's leases to end. */
  mayBegin(now: number): boolean {
    return this.#services.store.nodes === undefined || now - this.#beatAt < SILENT_MS;
  }

  /** Whether this node does what one node does for all: retention, replays. */
  leads(): boolean {
    return this.#leads;
  }

  #plan(): void {
    this.#cancel = this.#services.clock.after(BEAT_EVERY_MS, () => {
      this.#beating = this.#beat(BEATS_IN_A_ROW).then(() => {
        if (this.#actions !== null) this.#plan();
        return undefined;
      });
    });
  }

  async #beat(left: number): Promise<void> {
    const { clock, log, store } = this.#services;
    const actions = this.#actions;
    if (store.nodes === undefined || actions === null) return;
    const now = clock.now();
    try {
      const seen = await store.nodes.beat({
        id: this.id,
        roles: this.roles,
        view: viewName(this.#views.newest),
        over: actions.over(),
        openBreakers: actions.openBreakers(),
      });
      if (this.#failing) log.info('node.heard_again', { node_id: this.id });
      this.#failing = false;
      const wasSilent = now - this.#beatAt >= SILENT_MS && this.#beatAt > 0;
      this.#beatAt = now;
      if (wasSilent) actions.wasSilent();
      actions.heard();
      const changed = this.#observe(seen, actions);
      if (changed && left > 1) await this.#beat(left - 1);
    } catch (error) {
      if (!this.#failing) log.error('node.silent', { node_id: this.id }, error);
      this.#failing = true;
    }
  }

  #observe(seen: readonly SeenNode[], actions: NodeActions): boolean {
    const delivering = seen.filter(({ roles }) => roles.includes('deliver'));
    const heard = delivering.filter(({ silentMs }) => silentMs < SILENT_MS);
    this.#ingesting = idsOf(
      seen.filter(({ roles, silentMs }) => roles.includes('ingest') && silentMs < SILENT_MS),
    );
    const changed = this.#views.observe(delivering.filter(({ silentMs }) => silentMs < KEEPS_PART_MS));
    if (changed) actions.partsChanged();
    this.#leaveAlone(heard, actions);
    this.#boundLeasesOfSilent(delivering.filter(({ silentMs }) => silentMs >= SILENT_MS));
    const leads = idsOf(heard)[0] === this.id;
    if (leads !== this.#leads) this.#services.log.info('node.leads', { node_id: this.id, leads });
    this.#leads = leads;
    if (leads) actions.lead();
    return changed;
  }

  /** One node looks after each open breaker and sends the probes: the first of those that opened it. */
  #leaveAlone(heard: readonly SeenNode[], actions: NodeActions): void {
    const keepers = new Map<string, string>();
    for (const { id, openBreakers } of heard.toSorted((one, other) => (one.id < other.id ? -1 : 1))) {
      for (const destinationId of openBreakers) {
        if (!keepers.has(destinationId)) keepers.set(destinationId, id);
      }
    }
    const open = new Map(heard.map(({ id, openBreakers }) => [id, openBreakers]));
    const recovered = [...this.#keepers].filter(
      // A keeper that is gone has found out nothing.
      ([destinationId, id]) => id !== this.id && open.get(id)?.includes(destinationId) === false,
    );
    this.#keepers = keepers;
    actions.leaveAlone(
      new Set([...keepers].flatMap(([destinationId, id]) => (id === this.id ? [] : [destinationId]))),
      new Set(recovered.map(([destinationId]) => destinationId)),
    );
  }

  #boundLeasesOfSilent(silent: readonly SeenNode[]): void {
    const { clock, log, store } = this.#services;
    const ids = new Set(idsOf(silent));
    for (const id of this.#bounded) if (!ids.has(id)) this.#bounded.delete(id);
    for (const { id, silentMs } of silent) {
      if (this.#bounded.has(id)) continue;
      this.#bounded.add(id);
      // It began its last attempt when it had just become silent, at the latest.
      const lastBegunAt = Math.ceil(clock.now() - silentMs + SILENT_MS);
      const byDestination = this.#directory.list('destination').map((destination) => ({
        destinationId: destination.id,
        leaseUntil: lastBegunAt + destination.timeoutMs + LEASE_MARGIN_MS,
      }));
      const bound = { nodeId: id, byDestination, leaseUntil: lastBegunAt + LEASE_MARGIN_MS };
      log.warn('node.lost', { node_id: id, silent_ms: Math.round(silentMs) });
      store.nodes?.boundLeases(bound).catch((error: unknown) => {
        this.#bounded.delete(id);
        log.error('node.leases_not_bounded', { node_id: id }, error);
      });
    }
  }
}

function idsOf(nodes: readonly { readonly id: string }[]): string[] {
  return nodes.map(({ id }) => id).toSorted();
}
