import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { between, type Harm, type Scene } from '../harm.ts';
import type { PostgresControl } from '../stores.ts';

function postgresOf({ world }: Scene): PostgresControl {
  if (world.store.postgres === undefined) throw new Error('this harm is one for PostgreSQL');
  return world.store.postgres;
}

/** One at a time: two harms of a round may both stop the server, and neither may start it under the other. */
const turns = new WeakMap<PostgresControl['server'], Promise<void>>();

function inTurn(server: PostgresControl['server'], work: () => Promise<void>): Promise<void> {
  const turn = (turns.get(server) ?? Promise.resolve()).then(work);
  turns.set(
    server,
    turn.catch(() => undefined),
  );
  return turn;
}

function stopDatabase(mode: 'fast' | 'immediate'): Harm['strike'] {
  return async (scene) => {
    const { server } = postgresOf(scene);
    await delay(between(scene.random, 20, 300));
    await inTurn(server, async () => {
      await server.stop(mode);
      await delay(between(scene.random, 100, 1_000));
      await server.start();
    });
    scene.healed();
  };
}

const connectionsCut: Harm = {
  what: 'the server ends every connection of the nodes, several times',
  stores: ['postgres'],
  strike: async (scene) => {
    for (let times = between(scene.random, 1, 4); times > 0; times -= 1) {
      await delay(between(scene.random, 20, 200));
      await cutConnections(scene);
    }
    scene.healed();
  },
};

function cutConnections(scene: Scene): Promise<void> {
  return postgresOf(scene).withClient(async (client) => {
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ringback%'`,
    );
  });
}

const halfOpen: Harm = {
  what: 'the network between a node and the database falls silent; later new connections work again',
  stores: ['postgres'],
  // The old connections stay silent: finding that out takes the twelve seconds of the time limits.
  weight: 0.4,
  strike: async (scene) => {
    const { world, node, random } = scene;
    const proxy = postgresOf(scene).proxyOf(node.name);
    await delay(between(random, 20, 300));
    proxy.stall();
    await delay(between(random, 500, 2_500));
    proxy.heal();
    // It may hear late that its leases have passed: until then it goes on with what it has.
    world.ledger.outlived(node.name);
    scene.healed();
  },
};

const noConnections: Harm = {
  what: 'the server has no connection left for nodes that have lost theirs',
  stores: ['postgres'],
  strike: async (scene) => {
    const { server } = postgresOf(scene);
    await delay(between(scene.random, 20, 300));
    const taken = await takeConnections(server.url());
    await cutConnections(scene).catch(() => {});
    // What the nodes let go of is taken as well, before they come back for it.
    taken.push(...(await takeConnections(server.url())));
    await delay(between(scene.random, 200, 1_000));
    await Promise.all(taken.map((client) => client.end().catch(() => {})));
    scene.healed();
  },
};

/** Connects until the server refuses; the last ones are kept for superusers, of which there is one. */
async function takeConnections(url: string): Promise<Client[]> {
  const taken: Client[] = [];
  for (;;) {
    const client = new Client(url);
    client.on('error', () => {});
    try {
      await client.connect();
      taken.push(client);
    } catch {
      return taken;
    }
  }
}

/** Harms done to PostgreSQL and to the way there. */
export const database = {
  database_crash: {
    what: 'PostgreSQL is stopped as by a crash under load, and started again',
    stores: ['postgres'],
    weight: 2,
    strike: stopDatabase('immediate'),
  },
  database_restart: {
    what: 'PostgreSQL is restarted in good order under load',
    stores: ['postgres'],
    strike: stopDatabase('fast'),
  },
  connections_cut: connectionsCut,
  half_open: halfOpen,
  no_connections: noConnections,
} as const satisfies Readonly<Record<string, Harm>>;
