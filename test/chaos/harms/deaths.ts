import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { CRASH_POINTS, type CrashPoint } from '../../../src/testing/crash-points.ts';
import { between, type Harm, type Scene } from '../harm.ts';
import { raise } from './raise.ts';
import type { Inside } from '../statement-insides.ts';
import type { World } from '../world.ts';

const BOTH = ['sqlite', 'postgres'] as const;

/** When a point was not reached in time the process dies all the same, wherever it is. */
async function dieOrKill(scene: Scene, limitMs = 700): Promise<void> {
  const died = await Promise.race([
    scene.node.ended().then(() => true),
    delay(limitMs, false, { ref: false }),
  ]);
  if (!died) {
    scene.missed();
    await scene.node.kill();
  }
  await raise(scene);
}

const killAnywhere: Harm = {
  what: 'kill -9 at any moment, once or twice in a row',
  stores: BOTH,
  weight: 4,
  strike: async (scene) => {
    const times = between(scene.random, 1, 4) === 4 ? 2 : 1;
    for (let n = 0; n < times; n += 1) {
      await delay(between(scene.random, 20, 400));
      await scene.node.kill();
      await raise(scene);
    }
  },
};

function killAt(point: CrashPoint): Harm {
  return {
    what: `kill -9 where ${CRASH_POINTS[point]}`,
    stores: BOTH,
    strike: async (scene) => {
      await scene.acknowledged(between(scene.random, 1, 20));
      scene.node.mayEnd = true;
      await scene.node.order({ arm: point, onPass: between(scene.random, 1, 15) });
      await dieOrKill(scene);
    },
  };
}

function planDeath(scene: Scene, inside: Inside, atMost: number): void {
  scene.node.mayEnd = true;
  writeFileSync(scene.node.deathFile, `${inside} ${between(scene.random, 1, atMost)}`);
}

function killInside(inside: 'append' | 'settlement', what: string): Harm {
  return {
    what,
    stores: ['sqlite'],
    strike: async (scene) => {
      await scene.acknowledged(between(scene.random, 1, 20));
      planDeath(scene, inside, 30);
      await dieOrKill(scene);
    },
  };
}

const killInRetention: Harm = {
  what: 'kill -9 inside the transaction that removes old events',
  stores: BOTH,
  strike: async (scene) => {
    await scene.acknowledged(between(scene.random, 10, 40));
    planDeath(scene, 'retention', scene.world.store.kind === 'sqlite' ? 6 : 2);
    void scene.node.order({ prune: true });
    await dieOrKill(scene);
  },
};

/** Asks for a replay of what was acknowledged in this round. The request is not repeated: it is no event. */
async function replaySome(scene: Scene, count: number): Promise<void> {
  const { world, node } = scene;
  const events = (await scene.acknowledged(count)).slice(0, count);
  for (const sent of events) sent.isReplayAsked = true;
  const filter = { event_ids: events.flatMap(({ eventId }) => eventId ?? []) };
  const body = { filter, destination_id: world.destinationId('replayed'), rate_limit: 200 };
  try {
    const { status } = await world.ask(node.url, 'POST', '/v1/replays', body);
    if (status < 300) for (const sent of events) sent.isReplayOwed = true;
  } catch {
    // Nothing was promised: it may be there or not.
  }
}

const killInReplay: Harm = {
  what: 'kill -9 inside a transaction of a replay, or right after it',
  stores: BOTH,
  replays: true,
  strike: async (scene) => {
    if (between(scene.random, 1, 3) === 1) {
      scene.node.mayEnd = true;
      await scene.node.order({ arm: 'after_replay_step', onPass: 1 });
    } else planDeath(scene, 'replay', scene.world.store.kind === 'sqlite' ? 20 : 3);
    await replaySome(scene, between(scene.random, 5, 40));
    await dieOrKill(scene);
  },
};

const restart: Harm = {
  what: 'SIGTERM under load, and a new start',
  stores: BOTH,
  weight: 2,
  strike: async (scene) => {
    await delay(between(scene.random, 20, 400));
    const hasServed = scene.node.hasServed;
    const code = await scene.node.stop();
    // Another harm of the round may have killed it first, or may just be starting it again.
    const isExpected = code === 0 || code === 'SIGKILL' || (code === 'SIGTERM' && !hasServed);
    if (!isExpected) {
      scene.world.ledger.violate('ended_by_itself', `SIGTERM ended with ${code}, not with 0`);
    }
    await raise(scene);
  },
};

const pause: Harm = {
  what: 'SIGSTOP until every lease has passed, then SIGCONT',
  stores: BOTH,
  strike: async ({ world, node, random, healed }) => {
    await delay(between(random, 20, 300));
    node.signal('SIGSTOP');
    // What it has in flight is leased for 1.6 seconds at the most: then it may be anyone's.
    await delay(between(random, 1_700, 2_200));
    world.ledger.outlived(node.name);
    healed();
    node.signal('SIGCONT');
  },
};

/** A clock that was moved goes back with a new process. */
async function renew(world: World): Promise<void> {
  for (const node of world.nodes) await node.stop();
  for (const node of world.nodes) await world.start(node);
}

/**
 * How far the clocks of several nodes may be apart here: by less than leases outlast attempts. Leases are
 * compared with each node's clock, so beyond that nobody promises order; see docs/guides/postgresql.md.
 */
const APART_MS = 300;

const ON_THE_WAY_MS = 600;

const clockAhead: Harm = {
  what: "the node's clock jumps minutes ahead, past every lease; one of several by less than a lease's slack",
  stores: BOTH,
  strike: async ({ world, node, random, healed }) => {
    await delay(between(random, 20, 300));
    // Not more: senders sign with the true time, and five minutes is what the gateway allows them.
    const isAlone = world.nodes.length === 1;
    const shiftClockMs = isAlone ? between(random, 5_000, 240_000) : between(random, 50, APART_MS);
    if (isAlone) world.ledger.outliving(node.name);
    await node.order({ shiftClockMs });
    healed();
    // Longer than a request is on its way, and than it takes until lost leases are looked for.
    await delay(ON_THE_WAY_MS);
    if (isAlone) world.ledger.outlived(node.name);
  },
  undo: renew,
};

const clockBack: Harm = {
  what: "the node's clock jumps seconds back; one of several by less than a lease's slack",
  stores: BOTH,
  strike: async ({ world, node, random, healed }) => {
    await delay(between(random, 20, 300));
    const isAlone = world.nodes.length === 1;
    const backMs = isAlone ? between(random, 500, 3_000) : between(random, 50, APART_MS);
    await node.order({ shiftClockMs: -backMs });
    healed();
  },
  undo: renew,
};

const replay: Harm = {
  what: 'nothing but a replay of what is just being delivered',
  stores: BOTH,
  replays: true,
  mayRepeat: false,
  strike: async (scene) => {
    await replaySome(scene, between(scene.random, 5, 40));
    scene.healed();
  },
};

const calm: Harm = {
  what: 'nothing: no delivery may come twice here',
  stores: BOTH,
  mayRepeat: false,
  strike: async ({ healed }) => healed(),
};

const rough: Harm = {
  what: 'receivers that hang, drip, reset, redirect, flood, fail, accept and die, or refuse for good',
  stores: BOTH,
  weight: 3,
  isRough: true,
  mayRepeat: false,
  strike: async ({ healed }) => healed(),
};

/** Harms done to a gateway itself. */
export const deaths = {
  calm,
  kill: killAnywhere,
  kill_before_append: killAt('before_append'),
  kill_after_append: killAt('after_append'),
  kill_after_claim: killAt('after_claim'),
  kill_before_send: killAt('before_send'),
  kill_after_send: killAt('after_send'),
  kill_after_settle: killAt('after_settle'),
  kill_in_append: killInside('append', 'kill -9 inside the transaction that keeps events'),
  kill_in_settlement: killInside('settlement', 'kill -9 inside the transaction that records outcomes'),
  kill_in_retention: killInRetention,
  kill_in_replay: killInReplay,
  restart,
  pause,
  clock_ahead: clockAhead,
  clock_back: clockBack,
  replay,
  receivers: rough,
} as const satisfies Readonly<Record<string, Harm>>;
