import { setTimeout as delay } from 'node:timers/promises';
import { SeededRandomness } from '../../src/testing/seeded-randomness.ts';
import type { Harm, Scene } from './harm.ts';
import { HARMS } from './harms.ts';
import type { DeadDelivery, Ledger, Sent, Violation } from './ledger.ts';
import { Load, type LoadPlan } from './load.ts';
import { judgeRound } from './oracle.ts';
import { roughManners } from './receivers.ts';
import type { World } from './world.ts';

export interface RoundOptions {
  readonly number: number;
  readonly seed: number;
  readonly harms: readonly string[];
  /** Loads larger or smaller than usual, for tests; `latencyMs` is exact. */
  readonly size?: {
    readonly keys: number;
    readonly eventsPerKey: number;
    readonly loose: number;
    readonly latencyMs?: number;
  };
  /** How long everything may take to come to its end once the harm is over. */
  readonly drainLimitMs?: number;
}

export interface RoundResult {
  readonly number: number;
  readonly harms: readonly string[];
  readonly counts: {
    readonly acknowledged: number;
    readonly delivered: number;
    readonly again: number;
    readonly late: number;
    readonly dead: number;
  };
  /** Harms that did not find the place that they meant: the process was killed elsewhere. */
  readonly missed: number;
  /** From the end of the harm until a sender was acknowledged again; `null` = none had anything to send. */
  readonly servesAfterMs: number | null;
  /** From the end of the harm until nothing was owed any more, with what was sent meanwhile. */
  readonly settledAfterMs: number;
  readonly tookMs: number;
  readonly violations: readonly Violation[];
}

const DRAIN_LIMIT_MS = 45_000;
const PRUNE_EVERY = 10;

/** One round: load and harm together, then quiet until nothing is owed, then the verdict. */
export async function runRound(world: World, options: RoundOptions): Promise<RoundResult> {
  const startedAt = performance.now();
  const { ledger } = world;
  const before = { ...ledger.counts };
  const violationsBefore = ledger.violations.length;
  const harms = options.harms.map((name) => harmOf(name));
  const load = new Load(ledger, world.intake, randomOf(options, 1));
  behave(world, options, harms);
  let healedAt = performance.now();
  let missed = 0;
  let sending = Promise.resolve();
  const scene = (index: number): Scene => ({
    ...sceneOf(world, randomOf(options, 10 + index), () => sending),
    healed: () => (healedAt = performance.now()),
    missed: () => (missed += 1),
  });
  for (const [index, harm] of harms.entries()) await harm.before?.(scene(index));
  sending = load.run(loadPlan(options, harms));
  await Promise.all(harms.map((harm, index) => harm.strike(scene(index))));
  await world.ensureUp();
  await sending;
  await load.close();
  await drain(world, options.drainLimitMs ?? DRAIN_LIMIT_MS);
  const settledAfterMs = Math.round(performance.now() - healedAt);
  const firstAfter = load.acknowledgedAt.find((at) => at >= healedAt);
  await world.ensureUp();
  judgeRound(ledger);
  if (harms.every(({ mayRepeat }) => mayRepeat === false)) await judgeRepetitions(world);
  for (const damage of await world.store.damages(world.nodes[0]?.dataDir ?? world.dataDir))
    ledger.violate('damaged', damage);
  for (const harm of harms) await harm.undo?.(world);
  ledger.close();
  if (options.number % PRUNE_EVERY === 0) await world.nodes[0]?.order({ prune: true });
  return {
    number: options.number,
    harms: options.harms,
    counts: difference(ledger.counts, before),
    missed,
    servesAfterMs: firstAfter === undefined ? null : Math.round(firstAfter - healedAt),
    settledAfterMs,
    tookMs: Math.round(performance.now() - startedAt),
    violations: ledger.violations.slice(violationsBefore),
  };
}

/**
 * Where nothing was done to a gateway it sends again only what it holds for failed: a machine so busy that
 * an answer came after its time limit is no fault of the gateway, forgetting an answer is.
 */
async function judgeRepetitions(world: World): Promise<void> {
  const { ledger } = world;
  for (const { deliveryId, ref, attempt } of ledger.repeated()) {
    const { attempts } = (await world.api('GET', `/v1/deliveries/${deliveryId}`)) as {
      attempts: readonly { readonly number: number; readonly error: string | null }[];
    };
    if (attempts.find(({ number }) => number === attempt)?.error === 'timeout') continue;
    ledger.violate(
      'unexpected',
      `${ref} (${deliveryId}) came again although attempt ${attempt} was accepted`,
    );
  }
}

/** Numbers of their own for each part: how one fares must not change what another does. */
function randomOf(options: RoundOptions, part: number): SeededRandomness {
  return new SeededRandomness(options.seed * 7_919 + options.number * 31 + part);
}

function behave(world: World, options: RoundOptions, harms: readonly Harm[]): void {
  const isRough = harms.some((harm) => harm.isRough === true);
  world.receivers.manner = isRough ? roughManners(randomOf(options, 2)) : () => 'accepts';
  const latency = randomOf(options, 3);
  world.receivers.latencyMs = () => options.size?.latencyMs ?? latency.fraction() * 10;
}

function loadPlan(options: RoundOptions, harms: readonly Harm[]): LoadPlan {
  return {
    round: `s${options.seed}r${options.number}`,
    roughShare: harms.some((harm) => harm.isRough === true) ? 0.5 : 0,
    pauseMs: 80,
    limitMs: 25_000,
    ...(options.size ?? { keys: 10, eventsPerKey: 8, loose: 20 }),
  };
}

function harmOf(name: string): Harm {
  const harm: Harm | undefined = Object.entries(HARMS).find(([known]) => known === name)?.[1];
  if (harm === undefined) throw new Error(`there is no harm ${name}`);
  return harm;
}

function sceneOf(
  world: World,
  random: SeededRandomness,
  sending: () => Promise<void>,
): Omit<Scene, 'healed' | 'missed'> {
  const node = world.nodes[Math.floor(random.fraction() * world.nodes.length)];
  if (node === undefined) throw new Error('a world has at least one node');
  const load = { isSent: false };
  void sending().then(() => (load.isSent = true));
  return {
    world,
    random,
    node,
    acknowledged: async (count) => {
      while (acknowledged(world.ledger).length < count && !load.isSent) await delay(5);
      return acknowledged(world.ledger);
    },
  };
}

function acknowledged(ledger: Ledger): Sent[] {
  return [...ledger.sent.values()].filter(({ ref }) => ledger.acknowledged.has(ref));
}

/** Until everything acknowledged is accepted or given up and the store owes nothing, or time is up. */
async function drain(world: World, limitMs: number): Promise<void> {
  const until = performance.now() + limitMs;
  let askAt = performance.now() + 300;
  for (;;) {
    await world.ensureUp();
    if (world.ledger.unresolved().length === 0 || performance.now() > askAt) {
      await learnDeaths(world);
      askAt = performance.now() + 300;
      if (world.ledger.unresolved().length === 0 && (await openDeliveries(world)) === 0) return;
    }
    if (performance.now() > until) {
      const open = await openDeliveries(world);
      if (open > 0) world.ledger.violate('lost', `${open} deliveries never come to an end`);
      return;
    }
    await delay(20);
  }
}

async function openDeliveries(world: World): Promise<number> {
  const [pending, leased] = [
    await world.list('/v1/deliveries?state=pending&limit=500'),
    await world.list('/v1/deliveries?state=leased&limit=500'),
  ];
  return pending.length + leased.length;
}

async function learnDeaths(world: World): Promise<void> {
  const { ledger } = world;
  const ours = new Set([...ledger.sent.values()].map(({ eventId }) => eventId));
  for (const dead of await world.list('/v1/deliveries?state=dead&limit=500')) {
    const destination = world.destinationIds.get(String(dead['destination_id']));
    const eventId = String(dead['event_id']);
    if (destination === undefined || !ours.has(eventId)) continue;
    if (ledger.dead.has(`${eventId} ${destination}`)) continue;
    const { attempts, attempt_count: attemptCount } = (await world.api(
      'GET',
      `/v1/deliveries/${String(dead['id'])}`,
    )) as { attempts: readonly { readonly number: number }[]; attempt_count: number };
    const given: DeadDelivery = {
      eventId,
      destination,
      deliveryId: String(dead['id']),
      attemptCount,
      attempts: attempts.map(({ number }) => number),
    };
    ledger.giveUp(given);
  }
}

function difference<Counts extends Readonly<Record<string, number>>>(now: Counts, before: Counts): Counts {
  return Object.fromEntries(
    Object.entries(now).map(([name, count]) => [name, count - (before[name] ?? 0)]),
  ) as Counts;
}
