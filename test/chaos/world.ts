import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SeededRandomness } from '../../src/testing/seeded-randomness.ts';
import { GatewayNode } from './gateway-node.ts';
import { DESTINATIONS, type DestinationName, Ledger } from './ledger.ts';
import { Receivers } from './receivers.ts';
import type { ChaosStore } from './stores.ts';
import type { Intake } from './load.ts';

export interface WorldOptions {
  readonly store: ChaosStore;
  readonly nodes: number;
  readonly seed: number;
  readonly isCompiled: boolean;
  /** A bug to plant in every node; see planted-bugs.ts. */
  readonly bug?: string;
}

/** Published events and those of a source differ in what `data` is. */
const SESSION_KEY = 'has(data.data) ? data.data.key : data.key';
const API_LIMIT_MS = 60_000;

/** Nodes on one store, receivers, and the settings that lead from one to the other. They outlive rounds. */
export class World {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'ringback-chaos-'));
  readonly ledger = new Ledger();
  readonly receivers = new Receivers(this.ledger);
  readonly nodes: GatewayNode[];
  readonly store: ChaosStore;
  readonly intake: Intake & { ingestPath: string };
  readonly destinationIds = new Map<string, DestinationName>();
  readonly #env: Record<string, string>;

  constructor(options: WorldOptions) {
    this.store = options.store;
    const random = new SeededRandomness(options.seed);
    const apiKey = Buffer.from(random.bytes(24)).toString('base64url');
    this.#env = {
      RINGBACK_API_KEY: apiKey,
      RINGBACK_SECRET_KEY: Buffer.from(random.bytes(32)).toString('base64'),
      CHAOS_BUG: options.bug ?? '',
    };
    this.nodes = Array.from(
      { length: options.nodes },
      (_, n) =>
        new GatewayNode({
          name: String(n + 1),
          dataDir: this.dataDir,
          isCompiled: options.isCompiled,
          env: this.#env,
        }),
    );
    this.intake = {
      urls: () => this.nodes.filter((node) => node.isRunning && node.url !== '').map(({ url }) => url),
      apiKey,
      ingestPath: '',
      ingestSecret: `whsec_${Buffer.from(random.bytes(24)).toString('base64')}`,
    };
  }

  async open(): Promise<void> {
    await this.receivers.listen();
    this.store.postgres?.useNewSchema();
    await this.setUp();
  }

  /** Starts nodes on a store without settings, and makes those. Others follow when it is done. */
  async setUp(): Promise<void> {
    const [first, ...others] = this.nodes;
    if (first === undefined) throw new Error('a world has at least one node');
    await this.start(first);
    await this.arrange();
    for (const node of others) await this.start(node);
  }

  start(node: GatewayNode, env: Readonly<Record<string, string>> = {}): Promise<boolean> {
    return node.start({ RINGBACK_STORE_URL: this.store.url(node), ...env });
  }

  /** The destinations, their subscriptions and the source; made once for each new store. */
  async arrange(): Promise<void> {
    this.destinationIds.clear();
    for (const name of DESTINATIONS) {
      const timeout = name === 'rough' ? '400ms' : '1s';
      const destination = await this.api('POST', '/v1/destinations', {
        name,
        url: this.receivers.url(name),
        timeout,
        max_in_flight: 32,
      });
      this.destinationIds.set(String(destination['id']), name);
      if (name === 'replayed') continue;
      await this.api('POST', '/v1/subscriptions', {
        name,
        destination_id: destination['id'],
        types: [name === 'rough' ? 'chaos.rough' : 'chaos.*'],
        ...(name === 'plain' ? {} : { ordering: 'key', session_key: SESSION_KEY }),
        retry:
          name === 'rough'
            ? { max_attempts: 5, schedule: ['50ms', '100ms', '200ms', '300ms'], jitter: 0.2 }
            : { max_attempts: 30, schedule: ['50ms', '100ms', '200ms'], jitter: 0.2 },
      });
    }
    const source = await this.api('POST', '/v1/sources', {
      name: 'sender',
      provider: 'standardwebhooks',
      secrets: [this.intake.ingestSecret],
    });
    this.intake.ingestPath = new URL(String(source['url'])).pathname;
  }

  destinationId(wanted: DestinationName): string {
    for (const [id, name] of this.destinationIds) if (name === wanted) return id;
    throw new Error(`there is no destination ${wanted}`);
  }

  /** A question or change over any node that is up; asked again while none answers. */
  async api(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const until = performance.now() + API_LIMIT_MS;
    let failure: unknown = new Error('no node is up');
    while (performance.now() < until) {
      for (const url of this.intake.urls()) {
        try {
          const answer = await this.ask(url, method, path, body);
          if (answer.status < 300) return answer.body;
          failure = new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
          if (answer.status < 500) throw failure;
        } catch (error) {
          if (error === failure) throw error;
          failure = error;
        }
      }
      await delay(50);
    }
    throw failure;
  }

  /** One request to one node. Rejects when it does not answer. */
  async ask(
    url: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.intake.apiKey}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(5_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  async list(path: string): Promise<readonly Record<string, unknown>[]> {
    const { data } = await this.api('GET', path);
    return data as readonly Record<string, unknown>[];
  }

  /** Every node runs again; tells those that ended without anyone's doing. */
  async ensureUp(): Promise<void> {
    for (const node of this.nodes) {
      if (node.isRunning) continue;
      if (!node.mayEnd)
        this.ledger.violate('ended_by_itself', `node ${node.name} (${node.end}): see ${node.logFile}`);
      rmSync(node.deathFile, { force: true });
      if (await this.start(node)) continue;
      this.ledger.violate('ended_by_itself', `node ${node.name} does not start: see ${node.logFile}`);
      throw new Error(`node ${node.name} does not start: see ${node.logFile}`);
    }
  }

  /** Ends everything; answers where the data is, when it is kept. */
  async close(keepData: boolean): Promise<string | null> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.receivers.close();
    const database = await this.store.close(keepData);
    if (!keepData) rmSync(this.dataDir, { recursive: true, force: true });
    return keepData ? [this.dataDir, database].filter((folder) => folder !== null).join(' and ') : null;
  }
}
